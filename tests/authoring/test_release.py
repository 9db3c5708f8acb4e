"""The students' notebooks: no solution, no hidden test, and the same bytes each time."""

import logging
import shutil
from pathlib import Path

import pytest

from grading.authoring.release import quiet_logger, release
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from tests.conftest import cell, tiny_source


@pytest.fixture(scope="module")
def notebook(released: Path) -> notebooks.NotebookNode:
    return notebooks.read(released / "release" / "averages" / "averages.ipynb")


def test_solutions_and_hidden_tests_are_removed(released):
    text = (released / "release" / "averages" / "averages.ipynb").read_text(encoding="utf-8")
    assert not any(secret in text for secret in ("len(values)", "oracle", "HIDDEN", "SOLUTION", "[-2.0"))


def test_a_gap_says_what_to_do_in_its_comment_and_its_error(notebook):
    source = notebooks.by_id(notebook)["mean"].source
    assert "# TODO: return the sum of the values over their number" in source
    assert "# YOUR CODE HERE" in source
    namespace = {}
    exec(source, namespace)
    with pytest.raises(NotImplementedError, match="still empty: do what the TODO above says"):
        namespace["mean"]([1])


def test_visible_tests_and_points_stay(notebook):
    cells = notebooks.by_id(notebook)
    assert "\nassert mean([1, 2, 6]) == 3" in cells["test_mean"].source
    assert cells["test_mean_negative"].source.endswith("\n# Hidden test: negative numbers.")
    assert [notebooks.points(cell) for cell in cells.values()] == [0, 2, 1]


def test_releasing_again_gives_the_same_bytes_with_any_gradebook(released, tmp_path):
    first = (released / "release" / "averages" / "averages.ipynb").read_bytes()
    other = tiny_source(tmp_path / "somewhere" / "else")
    made = release(other, "averages") / "averages.ipynb"
    assert made == other.root / "release" / "averages" / "averages.ipynb"
    assert made.read_bytes() == first
    (made.parent / ".ipynb_checkpoints").mkdir()
    (made.parent / "old.txt").write_text("", encoding="utf-8")
    release(other, "averages")
    assert made.read_bytes() == first
    assert [path.name for path in made.parent.iterdir()] == ["averages.ipynb"]


def test_files_beside_the_source_are_handed_out_and_checkpoints_not(tiny):
    folder = tiny.root / "source" / "averages"
    (folder / "data.csv").write_text("1,2", encoding="utf-8")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "averages-checkpoint.ipynb").write_text("{}", encoding="utf-8")
    assert sorted(path.name for path in release(tiny, "averages").iterdir()) == ["averages.ipynb", "data.csv"]


def test_a_source_that_nbgrader_refuses_is_reported_with_its_message(tiny):
    path = tiny.source("averages")
    notebook = notebooks.read(path)
    notebook.cells.append(cell("", "test", "test_mean", 1))
    notebook.cells[-1].id = "twin"
    notebooks.write(notebook, path)
    before = (tiny.root / "release" / "averages" / "averages.ipynb").read_bytes()
    with pytest.raises(CourseError, match=r"averages: nbgrader could not make the release(.|\n)*test_mean"):
        release(tiny, "averages")
    assert (tiny.root / "release" / "averages" / "averages.ipynb").read_bytes() == before


def test_an_unknown_assignment_is_refused(tiny):
    with pytest.raises(CourseError, match="no assignment 'medians'"):
        release(tiny, "medians")


def test_grades_of_an_earlier_release_survive_a_new_one(classroom, tmp_path):
    course = Course(Path(shutil.copytree(classroom.course.root, tmp_path / "course")))
    release(course, "averages")
    with course.gradebook() as gradebook:
        assert gradebook.find_submission("averages", "right").score == 3


def test_a_quiet_logger_keeps_errors_and_prints_nothing(capfd):
    messages = []
    logger = quiet_logger("x", messages)
    logger.error("kept %d", 1)
    logger.warning("dropped")
    assert messages == ["kept 1"] and capfd.readouterr() == ("", "")
    assert logger not in logging.Logger.manager.loggerDict.values()
