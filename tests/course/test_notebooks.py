"""Notebooks by grade_id: kinds, points, the hidden part, the normal form, and files that are none."""

import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grading.course import notebooks
from tests.conftest import TEST_MEAN, cell, tiny_notebook


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ no JSON", "is not a notebook"),
        ("", "is not a notebook"),
        ('{"name": "no notebook"}', "is not a notebook"),
        ("[1, 2]", "is not a notebook"),
        ("\x00\x01", "is not a notebook"),
    ],
)
def test_an_invalid_notebook_is_reported_with_a_remedy(tmp_path, text, words):
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(notebooks.NotebookError) as caught:
        notebooks.read(path)
    assert str(caught.value).startswith(f"{path}: {words}") and "ask for it again" in str(caught.value)


def test_bytes_that_are_no_text_are_reported_with_a_remedy(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(notebooks.NotebookError, match=r"a\.ipynb: cannot be read .*; ask for the file again"):
        notebooks.read(path)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(notebooks.NotebookError, match=r"a\.ipynb: there is no such file"):
        notebooks.read(tmp_path / "a.ipynb")


def test_a_folder_is_refused_as_a_notebook(tmp_path):
    with pytest.raises(notebooks.NotebookError, match="cannot be read"):
        notebooks.read(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(nbformat.writes(tiny_notebook()), encoding="utf-8-sig")
    assert notebooks.read(path) == tiny_notebook()


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / "a.ipynb"
    notebooks.write(new_notebook(), path)
    first = notebooks.read_once(path)
    assert notebooks.read_once(path) is first
    notebooks.write(tiny_notebook(), path)
    os.utime(path, ns=(0, 0))
    assert notebooks.read_once(path) == tiny_notebook()


def test_an_older_notebook_is_brought_up_to_date(tmp_path):
    path = tmp_path / "a.ipynb"
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}}
    old["worksheets"] = [{"cells": [{"cell_type": "code", "input": "1", "language": "python", "outputs": []}]}]
    path.write_text(nbformat.from_dict(old).__repr__().replace("'", '"'), encoding="utf-8")
    assert [cell.source for cell in notebooks.read(path).cells] == ["1"]


def test_writing_and_reading_a_notebook_changes_nothing(tmp_path):
    path = tmp_path / "new" / "folder" / "a.ipynb"
    notebooks.write(tiny_notebook(), path)
    assert notebooks.read(path) == tiny_notebook()


def test_dumps_and_parse_are_inverse():
    notebook = tiny_notebook()
    notebook.cells[0].source = "# one\n'größer', '\u2028', '\U0001f600'\n"
    assert notebooks.parse(notebooks.dumps(notebook), "a.ipynb") == notebook


@pytest.mark.parametrize("kind", ["solution", "test", "given"])
def test_kind_returns_the_kind_of_a_graded_cell(kind):
    assert notebooks.kind(cell("x = 1", kind, "name")) == kind


def test_a_cell_without_metadata_has_no_kind_name_or_points():
    free = new_code_cell("x = 1")
    assert (notebooks.kind(free), notebooks.grade_id(free), notebooks.points(free)) == (None, None, 0.0)


def test_points_are_those_of_test_cells():
    assert [notebooks.points(cell) for cell in notebooks.by_id(tiny_notebook()).values()] == [0, 2, 1]


def test_by_id_keeps_the_order_and_omits_cells_without_a_grade_id():
    assert list(notebooks.by_id(tiny_notebook())) == ["mean", "test_mean", "test_mean_negative"]


@pytest.mark.parametrize(
    ("test", "exercise"),
    [
        ("test_tensor", "tensor"),
        ("test_tensor_grad", "tensor"),
        ("test_tensor_shared", "tensor_shared"),
        ("test_tensor_shared_twice", "tensor_shared"),
        ("test_tensors", None),
        ("tensor", None),
        ("test_", None),
    ],
)
def test_a_test_belongs_to_the_exercise_with_the_longest_matching_name(test, exercise):
    assert notebooks.exercise_of(test, ["tensor", "tensor_shared"]) == exercise


def test_tests_of_lists_the_tests_of_each_exercise():
    notebook = tiny_notebook()
    notebook.cells.append(cell("", "solution", "median"))
    assert notebooks.tests_of(notebook) == {"mean": ["test_mean", "test_mean_negative"], "median": []}


def test_the_hidden_part_is_split_off_and_lines_keep_their_numbers():
    visible, hidden = notebooks.split_hidden(TEST_MEAN)
    assert visible == TEST_MEAN.split("\n")[0]
    assert hidden.split("\n") == ["", "", *TEST_MEAN.split("\n")[2:5]]


def test_visible_lines_after_the_hidden_part_stay_visible():
    visible, hidden = notebooks.split_hidden("a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\nc")
    assert (visible, hidden) == ("a\n\n\n\nc", "\n\nb")


def test_a_cell_without_markers_is_visible():
    assert notebooks.split_hidden("a\nb") == ("a\nb", "")


def test_a_hidden_part_that_does_not_end_is_hidden_to_the_last_line():
    assert notebooks.split_hidden("a\n### BEGIN HIDDEN TESTS\nb\nc") == ("a", "\n\nb\nc")


def test_the_normal_form_has_no_outputs_counts_or_stray_metadata():
    code = new_code_cell("x = 1  \n\n", execution_count=3, outputs=[new_output("stream", text="!")], id="one")
    code.metadata.update(collapsed=True, tags=["kept"], nbgrader={"grade_id": "kept"})
    notebook = new_notebook(cells=[code, new_markdown_cell("text ", id="two")], metadata={"widgets": {}})
    normal = notebooks.normal_form(notebook)
    assert normal.cells[0] == nbformat.from_dict(
        {
            "cell_type": "code",
            "source": "x = 1",
            "execution_count": None,
            "outputs": [],
            "id": "one",
            "metadata": {"tags": ["kept"], "nbgrader": {"grade_id": "kept"}},
        }
    )
    assert normal.cells[1].source == "text" and list(normal.metadata) == ["kernelspec"]


def test_normal_form_returns_a_copy_and_is_idempotent():
    notebook = tiny_notebook()
    notebook.cells[2].execution_count = 5
    normal = notebooks.normal_form(notebook)
    assert notebook.cells[2].execution_count == 5
    assert notebooks.normal_form(normal) == normal


def test_solution_markers_are_removed_and_headings_stay():
    source = "### Why\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\ny\n    ### BEGIN HIDDEN TESTS\nz"
    assert notebooks.without_markers(source) == "### Why\nx = 1\ny\nz"
    assert notebooks.solution_lines(source) == {3: "x = 1"}
