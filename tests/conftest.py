"""A tiny course that has nothing to do with optimizers: one exercise, two tests. And ways to hand in answers."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading import notebooks
from grading.course import Course
from grading.release import release

ROOT = Path(__file__).resolve().parent.parent

MEAN = '''def mean(values):
    """The arithmetic mean of a list of numbers."""
    # TODO: return the sum of the values over their number
    ### BEGIN SOLUTION
    return sum(values) / len(values)
    ### END SOLUTION'''

TEST_MEAN = """assert mean([1, 2, 6]) == 3, f"mean([1, 2, 6]) should be 3, yours is {mean([1, 2, 6])}"
### BEGIN HIDDEN TESTS
from grading import oracle, student
oracle.same_number(student.call("mean", [2.0, 3.0, 7.0]), 4.0, "mean([2, 3, 7])")
### END HIDDEN TESTS"""

TEST_MEAN_NEGATIVE = """# Hidden test: negative numbers.
### BEGIN HIDDEN TESTS
from grading import oracle, student
oracle.same_number(student.call("mean", [-2.0, -4.0]), -3.0, "mean([-2, -4])")
### END HIDDEN TESTS"""


def cell(source: str, kind: str, name: str, points: int = 0) -> nbformat.NotebookNode:
    """A code cell with nbgrader's metadata; kind is "solution", "test" or "given"."""
    data = {"grade": kind == "test", "grade_id": name, "locked": kind != "solution", "schema_version": 3}
    data |= {"solution": kind == "solution", "task": False}
    if kind == "test":
        data["points"] = points
    return new_code_cell(source, metadata={"nbgrader": data}, id=name.replace("_", "-"))


def tiny_notebook() -> nbformat.NotebookNode:
    """The source notebook of the assignment `averages`."""
    return notebooks.normal_form(
        new_notebook(
            cells=[
                new_markdown_cell("# Averages", id="title"),
                cell(MEAN, "solution", "mean"),
                cell(TEST_MEAN, "test", "test_mean", 2),
                cell(TEST_MEAN_NEGATIVE, "test", "test_mean_negative", 1),
            ]
        )
    )


@pytest.fixture
def tiny(tmp_path: Path) -> Course:
    """The tiny course, released."""
    root = tmp_path / "course"
    root.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", root)
    notebooks.write(tiny_notebook(), root / "source" / "averages" / "averages.ipynb")
    course = Course(root)
    release(course, "averages")
    return course


@pytest.fixture
def hand_in(tiny: Course):
    """`hand_in("ada", "def mean(values): ...")` submits the released notebook with this solution."""

    def submit(student: str, solution: str | None, edit=lambda notebook: None) -> Path:
        notebook = notebooks.read(tiny.root / "release" / "averages" / "averages.ipynb")
        if solution is not None:
            notebooks.by_id(notebook)["mean"].source = solution
        edit(notebook)
        path = tiny.root / "submitted" / student / "averages" / "averages.ipynb"
        notebooks.write(notebook, path)
        return path

    return submit
