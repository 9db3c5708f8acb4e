"""Times are read with any offset, in the course's zone without one, and refused where they are not understood."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from grading.course import times
from grading.course.errors import CourseError

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 20, 12, 0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 13:00 +0100",
        "2026-11-20 13:00+01:00",
        "2026-11-20T13:00:00+01",
        "2026-11-20T12:00Z",
        "2026-11-20 12:00:00.000000 UTC",
        "20261120T070000-0500",
        "2026-11-20 17:30 +0530",
        "2026-11-20 13:00:00.0 CET",
        "2026-11-20 21:00 Asia/Tokyo",
        "2026-11-20 13:00",
        "  2026-W47-5 13:00\n",
    ],
)
def test_many_forms_of_one_time_are_read_alike(text):
    assert times.parse(text, BERLIN) == NOON


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-03-29 01:59", BERLIN, "00:59"),  # a minute before clocks go forward
        ("2026-03-29 03:00", BERLIN, "01:00"),  # and a minute later
        ("2026-10-25 01:59", BERLIN, "2026-10-24 23:59"),
        ("2026-10-25 03:00", BERLIN, "02:00"),
        ("2026-10-25 02:30 CEST", BERLIN, "00:30"),  # it happens twice, and the name says which one is meant
        ("2026-10-25 02:30 CET", BERLIN, "01:30"),
        ("2026-10-25 02:30 +0200", BERLIN, "00:30"),
        ("2026-11-01 23:59", NEW_YORK, "2026-11-02 04:59"),
        ("2026-10-31 23:59", NEW_YORK, "2026-11-01 03:59"),
    ],
)
def test_times_are_right_across_a_change_to_daylight_saving_time(text, zone, utc):
    utc = utc if len(utc) > 5 else f"{text[:10]} {utc}"
    assert times.parse(text, zone) == datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    ("due", "days", "extended"),
    [
        ("2026-03-27 23:59", 3, "2026-03-30 23:59"),  # clocks go forward in between
        ("2026-10-24 23:59", 1, "2026-10-25 23:59"),  # and back
        ("2026-10-24 23:59", 1.5, "2026-10-26 11:59"),
        ("2026-03-28 02:30", 1, "2026-03-29 03:30"),  # a time that clocks skip
    ],
)
def test_an_extension_ends_at_the_same_time_of_day(due, days, extended):
    assert times.later(times.parse(due, BERLIN), timedelta(days), BERLIN) == times.parse(extended, BERLIN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-29 02:30", "does not exist"),
        ("2026-10-25 02:30", "happens twice"),
        ("2026-11-20", "no time with a date and a time of day"),
        ("20.11.2026 23:59", "no time with"),
        ("11/20/2026 11:59 PM", "no time with"),
        ("2026-11-20 23:59 +100", "no time with"),
        ("2026-11-20 23:59 XYZ", "no known time zone"),
        ("2026-11-20 23:59 ../../etc/passwd", "no time with"),
        ("2026-11-20 25:00", "hour must be in"),
        ("2026-02-30 12:00", "day"),
        ("0001-01-01 00:00 +0100", "stored"),
        ("", "no time with"),
    ],
)
def test_unreadable_times_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        times.parse(text, BERLIN)


def test_a_time_is_shown_in_the_courses_zone_and_can_be_read_again():
    assert times.shown(NOON, BERLIN) == "2026-11-20 13:00 +0100 (Europe/Berlin)"
    assert times.shown(datetime(2026, 7, 1, 12), NEW_YORK) == "2026-07-01 08:00 -0400 (America/New_York)"
    assert times.parse(times.written(NOON), NEW_YORK) == NOON


def test_nbgrader_reads_our_timestamps_as_the_same_time():
    from nbgrader.utils import parse_utc

    assert parse_utc(times.written(NOON)) == NOON


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "+0100", "../passwd", 5])
def test_an_unknown_time_zone_is_refused_with_a_message(tiny, zone):
    tiny.config.LatePolicy.timezone = zone
    with pytest.raises(CourseError, match=r"LatePolicy\.timezone"):
        times.zone_of(tiny)


def test_a_zone_that_nbgrader_misreads_is_reported(tiny):
    tiny.config.NbGraderAPI.timezone = "Europe/Berlin"
    with pytest.raises(CourseError, match=r"NbGraderAPI\.timezone"):
        times.zone_of(tiny)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (40.4, "40 s"), (3661, "1 h 1 min"), (86400, "1 d"), (86700, "1 d 5 min"), (2e6, "23 d 3 h")],
)
def test_durations_are_written_in_words(seconds, words):
    assert times.lasting(seconds) == words
