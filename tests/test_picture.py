"""The table and the picture beside a failed comparison."""

import pytest

from grading import picture
from grading.oracle.compare import Mismatch, same_path


@pytest.fixture
def mismatch() -> Mismatch:
    with pytest.raises(Mismatch) as caught:
        same_path([[1.0], [2.0], [float("nan")]], [[1.0], [2.0], [4.0]], what="<Walk>")
    return caught.value


def test_the_table_holds_both_values(mismatch):
    html = picture.outputs(mismatch)[0].data["text/html"]
    assert "<td>nan</td><td>4</td>" in html


def test_the_picture_has_a_text_alternative(mismatch):
    html = picture.outputs(mismatch)[0].data["text/html"]
    assert "role='img' aria-label=\"x1 step by step. The two paths agree up to step 1 and part at step 2" in html


def test_a_students_text_cannot_be_markup():
    html = picture.table([("<b>", "<script>", 1.0)])
    assert "<script>" not in html
    assert "&lt;b&gt;" in html


def test_an_error_without_rows_shows_nothing_more():
    assert picture.outputs(AssertionError("no")) == []
