"""Which attempts count, and a journal that survives."""

from datetime import UTC, datetime, timedelta

import pytest
from traitlets import TraitError
from traitlets.config import Config

from grading.run.attempts import FAILED, GRADED, GRADING, HELD, WAITING, AttemptPolicy, Journal, best

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def policy(**settings) -> AttemptPolicy:
    return AttemptPolicy(config=Config({"AttemptPolicy": settings}))


def test_without_limits_every_attempt_counts():
    verdict = policy(per_day=0).verdict([NOON - timedelta(seconds=1)] * 500, NOON)
    assert verdict.counts and verdict.number == 501


def test_no_attempt_after_the_last_allowed_one_counts():
    limited = policy(attempts=2)
    assert limited.verdict([NOON], NOON + timedelta(days=1)).counts
    verdict = limited.verdict([NOON, NOON], NOON + timedelta(days=1))
    assert not verdict.counts and verdict.next_time is None and "all 2 attempts" in verdict.reason


@pytest.mark.parametrize(("seconds", "counts"), [(0, False), (599, False), (600, True), (601, True)])
def test_a_pause_between_attempts_ends_on_the_second(seconds, counts):
    verdict = policy(pause=10).verdict([NOON], NOON + timedelta(seconds=seconds))
    assert verdict.counts is counts
    assert verdict.next_time == (None if counts else NOON + timedelta(minutes=10))


def test_a_day_ends_at_midnight_in_the_courses_zone():
    limited = policy(per_day=2)
    midnight = NOON.astimezone().replace(hour=0, minute=0, second=0) + timedelta(days=1)
    verdict = limited.verdict([NOON, NOON], midnight - timedelta(seconds=1))
    assert not verdict.counts and verdict.next_time == midnight
    assert limited.verdict([NOON, NOON], midnight).counts


def test_the_later_of_two_limits_is_reported():
    verdict = policy(per_day=1, pause=60 * 48).verdict([NOON], NOON + timedelta(minutes=1))
    assert verdict.next_time == NOON + timedelta(hours=48) and "pause" in verdict.reason


def test_feedback_shows_more_after_the_due_date():
    shy = policy(before_due="points", after_due="everything")
    assert shy.level(NOON, NOON - timedelta(seconds=1)) == "points"
    assert shy.level(NOON, NOON) == "everything"
    assert shy.level(None, NOON) == "everything", "without a due date there is nothing to wait for"


@pytest.mark.parametrize("settings", [{"attempts": -1}, {"counts": "first"}, {"before_due": "all"}])
def test_an_invalid_policy_is_refused(settings):
    with pytest.raises(TraitError):
        policy(**settings)


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(tmp_path / "records" / "attempts.db")


def test_a_noted_attempt_is_found_by_the_next_process(journal):
    attempt = journal.add("averages", "ada", "exchange", "ada+averages+1+x", NOON, number=1)
    assert (attempt.state, attempt.received, attempt.page) == (WAITING, NOON, None)
    journal.update(attempt, state=GRADED, score=2.5, ended=NOON)
    (found,) = Journal(journal.path).attempts("averages", "ada")
    assert (found.state, found.score, found.ended, found.number) == (GRADED, 2.5, NOON, 1)
    assert journal.known() == {("exchange", "averages", "ada", "ada+averages+1+x")}


def test_a_known_attempt_stays_unchanged(journal):
    journal.update(journal.add("averages", "ada", "exchange", "x", NOON), state=GRADED)
    assert journal.add("averages", "ada", "exchange", "x", NOON + timedelta(1), HELD).state == GRADED
    assert len(journal.attempts()) == 1


def test_after_a_kill_unfinished_attempts_wait_again(journal):
    for key, state in (("a", GRADING), ("b", GRADED), ("c", HELD), ("d", FAILED)):
        journal.add("averages", "ada", "exchange", key, NOON, state)
    assert journal.recover() == 1
    assert [attempt.state for attempt in journal.attempts()] == [WAITING, GRADED, HELD, FAILED]


def test_the_best_attempt_has_the_most_points_and_of_equal_ones_is_the_last(journal):
    for key, score in (("a", 1.0), ("b", 3.0), ("c", 3.0), ("d", 2.0)):
        journal.update(journal.add("averages", "ada", "exchange", key, NOON), state=GRADED, score=score)
    journal.update(journal.add("averages", "ada", "exchange", "e", NOON, FAILED), score=9.0)
    assert best(journal.attempts()).key == "c"
    assert best([]) is None
