"""Dates as Moodle writes them into a grading worksheet: in words, in the language and on the clock of the teacher.

    Friday, 20 November 2026, 1:05 PM
    Freitag, 20. November 2026, 13:05
    viernes, 20 de noviembre de 2026, 13:05

Moodle's format is `strftimedaydatetime` of the language pack. The names of months and days are those of Unicode's
CLDR, in all its languages. Some languages share a word for different months: the day of the week then decides.
"""

import re
from datetime import date, datetime, time
from functools import cache
from itertools import product
from typing import Literal

from babel import dates, localedata

CLOCK = re.compile(r"(?<!\d)(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?::\d{2})?(?!\d)\s*(?P<half>[apAP]\.?\s?[mM]\.?)?")
YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
DAY = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
CONTEXTS: tuple[Literal["format", "stand-alone"], ...] = ("format", "stand-alone")
WIDTHS: tuple[Literal["wide", "abbreviated"], ...] = ("wide", "abbreviated")


@cache
def _names() -> tuple[dict[str, set[tuple[str, int]]], dict[str, dict[int, set[str]]]]:
    """The months that a word names, each with its language; and each language's names of the days, Monday is 0."""
    months: dict[str, set[tuple[str, int]]] = {}
    days: dict[str, dict[int, set[str]]] = {}
    for language in localedata.locale_identifiers():
        if "_" in language:
            continue
        days[language] = {}
        for context, width in product(CONTEXTS, WIDTHS):
            for number, name in dates.get_month_names(width, context, language).items():
                if not name.isdigit():
                    months.setdefault(name.casefold().rstrip("."), set()).add((language, number))
            for number, name in dates.get_day_names(width, context, language).items():
                days[language].setdefault(number, set()).add(name.casefold())
    return months, days


def parse(text: str) -> datetime:
    """A date and a time of day in words, on a clock that the text does not name.

    Raises:
        ValueError: it is no such date, or its month is not known.
    """
    clock = CLOCK.search(text)
    if not clock:
        raise ValueError(f'"{text[:60]}" has no time of day')
    rest = text[: clock.start()] + " " + text[clock.end() :]
    year = YEAR.search(rest)
    if not year:
        raise ValueError(f'"{text[:60]}" has no year')
    rest = rest[: year.start()] + " " + rest[year.end() :]
    day = DAY.search(rest)
    moments = _readings(rest.casefold(), int(year.group()), int(day.group())) if day else set()
    if len(moments) != 1:
        raise ValueError(f'"{text[:60]}" names no day and month that are known')
    hour = int(clock["hour"])
    if clock["half"]:
        hour = hour % 12 + (12 if clock["half"].lower().startswith("p") else 0)
    return datetime.combine(moments.pop(), time(hour, int(clock["minute"])))


def _readings(text: str, year: int, day: int) -> set[date]:
    """The dates that a text can mean: those on the day of the week that it names, in the language of the month."""
    months, days = _names()
    words = re.findall(r"[^\W\d_]+", text)
    certain, possible = set(), set()
    for language, month in {found for word in words for found in months.get(word, ())}:
        try:
            moment = date(year, month, day)
        except ValueError:
            continue
        possible.add(moment)
        if any(name in text for name in days[language][moment.weekday()]):
            certain.add(moment)
    return certain or possible
