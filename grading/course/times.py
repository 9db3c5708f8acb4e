"""Times as people and programs write them: due dates, `timestamp.txt`, and how the course shows them.

nbgrader stores times in UTC without saying so. Its own `parse_utc` takes `+0100` for 100 seconds: it is not
used here.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from grading.course.errors import CourseError
from grading.course.folder import Course

# A date, a time of day, and perhaps an offset or the name of a zone.
WRITTEN = re.compile(
    r"(?P<date>\d{4}-?\d{2}-?\d{2}|\d{4}-?W\d{2}-?\d)[ T](?P<clock>\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d{1,9})?)?)"
    r"(?: ?(?P<offset>[+-]\d{2}(?::?\d{2})?)| ?(?P<utc>Z|UTC|GMT)| (?P<zone>[A-Za-z][\w+/-]*))?"
)
EXAMPLE = "2026-11-20 23:59, or with an offset 2026-11-20 23:59 +0100"


def zone_of(course: Course) -> ZoneInfo:
    """The course's time zone, `c.LatePolicy.timezone`.

    Raises:
        CourseError: there is no such zone; or formgrader is set to a zone, in which nbgrader misreads due dates.
    """
    name = course.config.LatePolicy.get("timezone", "UTC")
    formgrader = course.config.NbGraderAPI.get("timezone", "UTC")
    if formgrader not in ("UTC", "", None):
        raise CourseError(
            f'nbgrader_config.py: c.NbGraderAPI.timezone is "{formgrader}". nbgrader 0.9 would shift due dates that '
            'are entered in formgrader. Leave it at "UTC" and set c.LatePolicy.timezone.'
        )
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise CourseError(
            f'nbgrader_config.py: c.LatePolicy.timezone is "{name}", which is no IANA time zone such as "Europe/Berlin"'
        ) from None


def parse(text: str, zone: tzinfo = UTC) -> datetime:
    """A point in time, in UTC without a zone, as nbgrader's gradebook has it.

    Args:
        text: ISO 8601 with a time of day, and perhaps an offset (`+01:00`, `+0100`, `+01`, `Z`). nbgrader's exchange
            writes the name of a zone there.
        zone: of a time that has neither.

    Raises:
        ValueError: it is not understood, there is no such time, or in `zone` it happens twice.
    """
    match = WRITTEN.fullmatch(text.strip())
    if not match:
        raise ValueError(f'"{_short(text)}" is no time with a date and a time of day; write for example {EXAMPLE}')
    try:
        local = datetime.fromisoformat(f"{match['date']} {match['clock']}")
        if match["offset"]:
            # Python 3.11 reads every form of an offset, but none after a space.
            moment = datetime.fromisoformat(f"{match['date']} {match['clock']}{match['offset']}").astimezone(UTC)
        elif match["utc"]:
            moment = local.replace(tzinfo=UTC)
        else:
            moment = _in_zone(local, match["zone"], zone)
        return moment.replace(tzinfo=None)
    except OverflowError:
        raise ValueError(f'"{_short(text)}" is no time that can be stored') from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _in_zone(local: datetime, name: str | None, zone: tzinfo) -> datetime:
    """A time on a clock of `zone`, or of the zone `name`, in UTC."""
    readings = [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    if name is not None:
        named = [reading for reading in readings if reading.tzname() == name]
        if named:
            readings = named  # CET for a course in Berlin, for example, tells which of two equal times is meant
        else:
            try:
                readings = [local.replace(tzinfo=ZoneInfo(name), fold=fold) for fold in (0, 1)]
            except (KeyError, ValueError, OSError):
                raise ValueError(f'"{name}" is no known time zone; write an offset, such as {EXAMPLE}') from None
    moments = {reading.astimezone(UTC) for reading in readings}
    shown = local.isoformat(" ", "minutes")
    if all(moment.astimezone(readings[0].tzinfo).replace(tzinfo=None) != local for moment in moments):
        raise ValueError(f"{shown} does not exist in {readings[0].tzinfo}: clocks skip it; write it with an offset")
    if len(moments) > 1:
        raise ValueError(f"{shown} happens twice in {readings[0].tzinfo}, when clocks go back; write it with an offset")
    return moments.pop()


def later(moment: datetime, more: timedelta, zone: ZoneInfo) -> datetime:
    """A time of the gradebook, put off by days on the clocks of a zone.

    Three days after Friday 23:59 is Monday 23:59, even if clocks change in between. A time that clocks skip moves on
    with them.
    """
    return (moment.replace(tzinfo=UTC).astimezone(zone) + more).astimezone(UTC).replace(tzinfo=None)


def written(moment: datetime) -> str:
    """A time of the gradebook as `timestamp.txt` has it; nbgrader reads this form correctly, too."""
    return moment.replace(tzinfo=UTC).isoformat(timespec="seconds")


def shown(moment: datetime, zone: ZoneInfo) -> str:
    """A time of the gradebook as the course reads it: `2026-11-20 23:59 +0100 (Europe/Berlin)`."""
    local = moment.replace(tzinfo=UTC).astimezone(zone)
    seconds = ":%S" if local.second else ""
    return f"{local.strftime(f'%Y-%m-%d %H:%M{seconds} %z')} ({zone.key})"


def lasting(seconds: float) -> str:
    """A length of time in its two largest units that are not 0: `2 d 3 h`, `1 d 5 min`, `40 s`."""
    left, parts = round(seconds), []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"
