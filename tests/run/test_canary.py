"""A fault of the grader stops a class before any score is written."""

import os
from concurrent.futures import BrokenExecutor, Future

import pytest

from grading.authoring.release import release
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.execution.workers import make_pool
from grading.gradebook import records
from grading.gradebook.database import ClassGradebook, scores
from grading.run import canary
from grading.run.grade import grade
from tests.conftest import RIGHT, submit


def spoil(course, cell: str, old: str, new: str) -> None:
    """Replace a text in a cell of the source notebook, and release it."""
    path = course.source("averages")
    notebook = notebooks.read(path)
    assert old in notebooks.by_id(notebook)[cell].source
    notebooks.by_id(notebook)[cell].source = notebooks.by_id(notebook)[cell].source.replace(old, new)
    notebooks.write(notebook, path)
    release(course, "averages")


def refused(course, pool) -> str:
    with pytest.raises(CourseError, match="no score is written") as caught:
        grade(course, "averages", executor=pool)
    assert scores(course, "averages") == {} and records.read(course, "averages") == {}
    with course.gradebook() as gradebook:
        assert gradebook.students == []
    return str(caught.value)


def test_a_sound_grader_grades_and_the_gradebook_knows_no_canary(tiny, pool):
    submit(tiny, "ada", RIGHT)
    grade(tiny, "averages", executor=pool)
    assert scores(tiny, "averages") == {"ada": {"test_mean": 2, "test_mean_negative": 1}}
    with tiny.gradebook() as gradebook:
        assert [student.id for student in gradebook.students] == ["ada"]
    assert sorted(path.name for path in (tiny.root / "autograded").iterdir() if path.is_dir()) == ["ada"]
    assert list(records.read(tiny, "averages")) == ["ada"]


def test_a_broken_hidden_test_stops_grading(tiny, pool):
    submit(tiny, "ada", RIGHT)
    spoil(tiny, "test_mean_negative", "[-2.0, -4.0]), -3.0", "[-2.0, -4.0]), -3.5")
    said = refused(tiny, pool)
    assert "the reference solution has 0 instead of 1 points in test_mean_negative" in said and "-3.5" in said


def test_a_hidden_test_that_accepts_everything_stops_grading(tiny, pool):
    submit(tiny, "ada", RIGHT)
    call = 'oracle.same_number(student.call("mean", [-2.0, -4.0]), -3.0, "mean([-2, -4])")'
    spoil(tiny, "test_mean_negative", call, "assert student and oracle")
    assert "the untouched release has 1 instead of 0 points in test_mean_negative" in refused(tiny, pool)


def test_a_broken_release_stops_grading(tiny, pool):
    submit(tiny, "ada")
    path = tiny.root / "release" / "averages" / "averages.ipynb"
    notebook = notebooks.read(path)
    notebooks.by_id(notebook)["mean"].source = RIGHT
    notebooks.write(notebook, path)
    assert "the untouched release has 2 instead of 0 points in test_mean" in refused(tiny, pool)


def test_a_broken_reference_stops_grading(tiny, pool):
    submit(tiny, "ada", RIGHT)
    spoil(tiny, "mean", "return sum(values) / len(values)", "return sum(values)")
    assert "the reference solution has 0 instead of 2 points in test_mean" in refused(tiny, pool)


@pytest.mark.parametrize("name", ["release/averages/averages.ipynb", "mistakes/averages.toml", "source/averages"])
def test_missing_files_are_reported_in_one_sentence(tiny, name):
    import shutil

    submit(tiny, "ada", RIGHT)
    path = tiny.root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CourseError, match=r"there is no|no assignment") as caught:
        grade(tiny, "averages")
    assert "\n" not in str(caught.value)
    assert not (tiny.root / "autograded" / "ada").exists()


def test_an_unreleased_change_of_the_source_stops_grading(tiny, pool):
    submit(tiny, "ada", RIGHT)
    path = tiny.source("averages")
    notebook = notebooks.read(path)
    notebooks.by_id(notebook)["test_mean_negative"].source += "\n# another test"
    notebooks.write(notebook, path)
    assert "not those that were released" in (said := refused(tiny, pool)) and "test_mean_negative" in said
    release(tiny, "averages")
    assert [ended.state for ended in grade(tiny, "averages", executor=pool)] == ["graded"]


def test_a_dead_worker_is_not_taken_for_a_broken_grader(tiny):
    def submit(converter, sanitized) -> Future:
        return ends.submit(os._exit, 1)

    with make_pool(1) as ends, tiny.entered(), ClassGradebook(tiny) as gradebook, pytest.raises(BrokenExecutor):
        canary.require_right(tiny, "averages", gradebook, True, submit)
