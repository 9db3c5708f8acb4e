"""The table and the picture beside a failed comparison."""

import pytest

from grading.execution import mismatch_figure
from grading.oracle.compare import Mismatch, same_path


@pytest.fixture
def mismatch() -> Mismatch:
    with pytest.raises(Mismatch) as caught:
        same_path([[1.0], [2.0], [float("nan")]], [[1.0], [2.0], [4.0]], what="<Walk>")
    return caught.value


def test_the_table_holds_both_values(mismatch):
    html = mismatch_figure.outputs(mismatch)[0].data["text/html"]
    assert "<td>nan</td><td>4</td>" in html


def test_the_picture_has_a_text_alternative(mismatch):
    html = mismatch_figure.outputs(mismatch)[0].data["text/html"]
    assert "role='img' aria-label=\"x1 step by step. The two paths agree up to step 1 and part at step 2" in html


def test_a_path_on_a_known_function_is_seen_from_above():
    with pytest.raises(Mismatch) as caught:
        same_path([[-4.0, -2.0], [1e9, float("nan")]], [[-4.0, -2.0], [-2.0, 1.0]], what="Walk", bowl=(0.1, 2.0))
    html = mismatch_figure.outputs(caught.value)[0].data["text/html"]
    assert "x1 from -4.6 to 4.6, x2 from -2.3 to 2.3. They part at step 1." in html
    assert html.count("<ellipse") == 6 and "nan," not in html


def test_a_path_on_an_unknown_function_has_no_level_lines(mismatch):
    assert "<ellipse" not in mismatch_figure.outputs(mismatch)[0].data["text/html"]


def test_a_students_text_cannot_be_markup():
    html = mismatch_figure.table([("<b>", "<script>", 1.0)])
    assert "<script>" not in html
    assert "&lt;b&gt;" in html


def test_an_error_without_rows_has_no_figure():
    assert mismatch_figure.outputs(AssertionError("no")) == []


def test_values_that_differ_in_late_digits_are_shown_with_these_digits():
    with pytest.raises(Mismatch) as caught:
        same_path([[0.1], [0.2], [0.3 + 1e-9]], [[0.1], [0.2 + 1e-16], [0.3]], what="Walk")
    html = mismatch_figure.outputs(caught.value)[0].data["text/html"]
    assert "<td>0.2</td><td>0.2</td>" in html, "rounding is no difference"
    assert f"<td>{0.3 + 1e-9!r}</td><td>0.3</td>" in html
    assert f"yours goes to {0.3 + 1e-9!r}, expected is 0.3." in html
