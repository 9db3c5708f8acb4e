"""The page of an attempt, as far as no watcher is needed."""

from datetime import UTC, datetime
from html import unescape
from types import SimpleNamespace

import pytest

from grading.course.folder import Course
from grading.execution.bounded import BoundedPool
from grading.report import attempt_page, feedback
from grading.templates import NO_SCRIPT
from tests.written import answer, by_formgrader, with_question

POLICY = SimpleNamespace(attempts=0, per_day=0, pause=0, counts="last", after_due="points")


def attempt_of(student: str, state: str = "graded", note: str = "") -> SimpleNamespace:
    received = datetime(2026, 11, 1, tzinfo=UTC)
    values = {"id": 1, "assignment": "averages", "student": student, "received": received, "state": state}
    return SimpleNamespace(**values, number=1, score=3.0, max_score=3.0, note=note)


def shown(course: Course, student: str, level: str) -> str:
    with BoundedPool(1, feedback.SECONDS, feedback.MEMORY) as processes:
        overview = feedback.overview(course, "averages", student, processes)
    attempt = attempt_of(student)
    return attempt_page.render(course, attempt, [attempt], POLICY, level, overview)


@pytest.mark.parametrize("level", ["points", "mistakes"])
def test_an_answer_waits_for_a_person_and_then_has_its_points(tmp_path, level):
    course = with_question(tmp_path / "course")
    answer(course, "ada", "An outlier.")
    waits = shown(course, "ada", level)
    assert "3 of 5 points</strong> so far: 1 answer is still to be graded by a person</p>" in waits
    assert "? / 2" in waits and "Not graded yet." in waits
    by_formgrader(course, "ada", 1.5)
    given = shown(course, "ada", level)
    assert "4.5 of 5 points</strong></p>" in given and "1.5 / 2" in given and "graded yet" not in given


def test_without_an_overview_the_points_of_the_tests_are_shown(tiny):
    attempt = attempt_of("ada")
    page = attempt_page.render(tiny, attempt, [attempt], POLICY, "points", refused=True)
    assert NO_SCRIPT in unescape(page)
    assert "3 of 3 points</strong> from the tests" in page and "<table>" not in page
    assert "The full feedback could not be made." in page


@pytest.mark.parametrize("after_due", ["points", "everything"])
def test_the_page_promises_full_feedback_only_if_the_policy_gives_it(tiny, after_due):
    attempt, policy = attempt_of("ada"), SimpleNamespace(**{**vars(POLICY), "after_due": after_due})
    page = attempt_page.render(tiny, attempt, [attempt], policy, "points")
    assert ("The full feedback is shown after the due date." in page) == (after_due == "everything")


def test_a_reason_names_no_folder_of_the_instructor(tiny):
    attempt = attempt_of("ada", "not graded", f"{tiny.root}/submitted/ada: permission denied")
    page = attempt_page.render(tiny, attempt, [attempt], POLICY, "not graded")
    assert "The reason: .../submitted/ada: permission denied." in page and str(tiny.root) not in page
