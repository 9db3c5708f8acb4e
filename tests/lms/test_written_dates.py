"""Dates in words, as Moodle's language packs form them."""

from datetime import datetime

import pytest

from grading.lms.written_dates import parse

WHEN = datetime(2026, 11, 20, 13, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Friday, 20 November 2026, 1:05 PM", WHEN),
        ("Friday, November 20, 2026, 1:05 PM", WHEN),
        ("Freitag, 20. November 2026, 13:05", WHEN),
        ("viernes, 20 de noviembre de 2026, 13:05", WHEN),
        ("vendredi 20 novembre 2026, 13:05", WHEN),
        ("piątek, 20 listopada 2026, 13:05", WHEN),  # the same word is October in Croatian
        ("пятница, 20 ноября 2026, 13:05", WHEN),
        ("Sunday, 1 March 2026, 12:05 AM", datetime(2026, 3, 1, 0, 5)),
        ("martes, 3 de marzo de 2026, 01:05", datetime(2026, 3, 3, 1, 5)),
    ],
)
def test_dates_are_read_in_many_languages(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["-", "", "20/11/2026 13:05", "20 listopada 2026, 13:05", "31 February 2026, 1:05 PM"])
def test_ambiguous_dates_are_refused(text):
    with pytest.raises(ValueError, match=r"of day|no year|names no"):
        parse(text)
