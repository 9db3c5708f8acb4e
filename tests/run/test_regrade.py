"""A test is changed in the middle of the week: first the preview, then the write, and nothing of a person's is lost."""

import dataclasses
import os
import shutil

import pytest

from grading.course import notebooks
from grading.course.catalogue import CatalogueError
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import records
from grading.gradebook.differences import compare_files
from grading.run import regrade
from tests.conftest import DROPS_THE_SIGN, RIGHT, cell, scores_of, submit
from tests.marks import mark


def quick(course: Course) -> Course:
    course.config.Execute.timeout = course.config.Execute.question_timeout = 4
    return course


@pytest.fixture(scope="module")
def week(released, pool, tmp_path_factory) -> dict:
    """A graded class, its tests changed afterward, the preview, and what was there then."""
    course = quick(Course(shutil.copytree(released, tmp_path_factory.mktemp("week") / "course")))
    submit(course, "ada", RIGHT)
    submit(course, "bob", DROPS_THE_SIGN)
    mark(course, "ada", (2, 1))
    mark(course, "bob", (2, 0))
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("test_mean_negative", "averages", "averages", "bob")
        grade.manual_score = 0.5
        gradebook.find_comment("mean", "averages", "averages", "bob").manual_comment = "Mind the sign."
        gradebook.db.commit()
    notebook = notebooks.read(course.source("averages"))
    tests = notebooks.by_id(notebook)
    tests["test_mean"].metadata.nbgrader.points = 4
    hidden = tests["test_mean_negative"].source.replace("-2.0, -4.0", "-2.0, 4.0").replace("-3.0", "1.0")
    notebook.cells.append(cell(hidden, "test", "test_mean_mixed", 2))
    notebooks.write(notebooks.normal_form(notebook), course.source("averages"))
    before = (course.root / "gradebook.db").read_bytes()
    made = regrade.preview(course, ["averages"], executor=pool)
    return {"course": course, "before": before, "made": made}


def test_the_preview_writes_nothing(week):
    course = week["course"]
    assert (course.root / "gradebook.db").read_bytes() == week["before"]
    assert "test_mean_mixed" not in (course.root / "release/averages/averages.ipynb").read_text(encoding="utf-8")


def test_the_preview_says_what_would_change_and_why(week):
    made = week["made"]
    assert made.failed == {}
    assert made.tests == [
        "averages: test_mean_mixed is new, 2 points",
        "averages: test_mean gives 4 points instead of 2",
    ]
    changes = {c.student: c for c in made.changes}
    assert (changes["ada"].exercise, changes["ada"].old, changes["ada"].new) == ("mean", 3, 7)
    assert (changes["bob"].old, changes["bob"].new) == (2.5, 4.5)
    assert changes["ada"].why == "test_mean: gives 4 points instead of 2; test_mean_mixed: is new"
    assert "test_mean_mixed: is new" in changes["bob"].why and "by hand" not in changes["bob"].why


@pytest.fixture
def accepted(week, tmp_path) -> tuple[Course, object]:
    """A copy of the course in which the preview has been accepted, and the gradebook that was kept."""
    course = quick(Course(shutil.copytree(week["course"].root, tmp_path / "course")))
    own = Course(course.root / "build" / "regrade")
    return course, regrade.accept(course, dataclasses.replace(week["made"], own=own))


def test_accepting_writes_scores_notebooks_records_and_release(accepted, week):
    course, kept = accepted
    assert kept.name.startswith("gradebook.db.") and len(compare_files(course, kept, course.root / "gradebook.db")) == 2
    assert scores_of(course, "ada") == {"test_mean": 4, "test_mean_mixed": 2, "test_mean_negative": 1}
    assert scores_of(course, "bob") == {"test_mean": 4, "test_mean_mixed": 0, "test_mean_negative": 0.5}
    for place in ("autograded/bob/averages", "release/averages"):
        assert "test_mean_mixed" in (course.root / place / "averages.ipynb").read_text(encoding="utf-8")
    with course.gradebook() as gradebook:
        assert gradebook.find_comment("mean", "averages", "averages", "bob").manual_comment == "Mind the sign."


def test_a_gradebook_that_somebody_has_changed_since_is_not_overwritten(week):
    course = week["course"]
    stale = regrade.Preview(week["made"].own, ["averages"], digest="another")
    with pytest.raises(CourseError, match=r"has been changed since the preview"):
        regrade.accept(course, stale)
    assert (course.root / "gradebook.db").read_bytes() == week["before"]


@pytest.mark.parametrize(("spoil", "words"), [("url", "There is no gradebook yet"), ("none", "There is no")])
def test_a_regrade_without_a_gradebook_is_refused(tiny, spoil, words):
    if spoil == "url":
        tiny.config.CourseDirectory.db_url = "sqlite:///elsewhere.db"
    else:
        (tiny.root / "gradebook.db").unlink()
    with pytest.raises(CourseError, match=words):
        regrade.preview(tiny, ["averages"])


def test_a_catalogue_that_names_a_removed_test_is_reported_before_anything_runs(tiny):
    notebook = notebooks.read(tiny.source("averages"))
    notebook.cells.pop()
    notebooks.write(notebook, tiny.source("averages"))
    with pytest.raises(CatalogueError, match="mean_drops_the_sign: there is no test cell test_mean_negative"):
        regrade.preview(tiny, ["averages"])


def test_a_file_that_cannot_be_copied_does_not_stop_the_preview(tiny, pool):
    submit(quick(tiny), "ada", RIGHT)
    (tiny.root / "submitted" / "links").mkdir()
    (tiny.root / "submitted" / "links" / "averages").symlink_to(tiny.root)
    pipe = submit(tiny, "pipe", RIGHT)
    pipe.unlink()
    os.mkfifo(pipe)
    made = regrade.preview(tiny, ["averages"], executor=pool)
    assert sorted(made.failed) == ["links", "pipe"]
    path = tiny.root / "submitted" / "links" / "averages"
    words = f"{path}: is a symbolic link, which is never followed; ask for the file itself"
    assert made.failed["links"] == words
    regrade.accept(tiny, made)
    assert records.read(tiny, "averages")["links"].reason == words
    assert scores_of(made.own, "ada") == {"test_mean": 2, "test_mean_negative": 1}
