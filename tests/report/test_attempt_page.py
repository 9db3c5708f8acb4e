"""The page of an attempt, as far as no watcher is needed."""

from datetime import UTC, datetime
from types import SimpleNamespace

from grading.report import attempt_page
from tests.written import answer, with_question


def test_points_of_the_tests_are_not_called_all_points(tmp_path):
    course = with_question(tmp_path / "course")
    answer(course, "ada", "An outlier.")
    attempt = SimpleNamespace(id=1, assignment="averages", student="ada", received=datetime(2026, 11, 1, tzinfo=UTC))
    vars(attempt).update(state="graded", number=1, score=3.0, max_score=3.0, note="")
    policy = SimpleNamespace(attempts=0, per_day=0, pause=0, counts="last")
    page = attempt_page.render(course, attempt, [attempt], policy, "points")
    assert "3 of 3 points</strong> from the tests; a person grades your answer in words</p>" in page
