"""What students can name reaches neither a terminal as a command nor a spreadsheet as a formula."""

import pytest

from grading.course.safe_text import LONGEST, field, printed


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "a\nb", "\u202egpj", "\ud800"])
def test_control_characters_of_a_terminal_are_not_printed(text):
    assert printed(text).isprintable() and printed(text).isascii()


def test_a_long_text_is_cut():
    assert len(printed("x" * 10**6)) == LONGEST + 3 and printed("Łukasz Ng") == "Łukasz Ng"


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "|calc", "%0A=1"]
)
def test_text_that_a_spreadsheet_would_run_as_a_formula_is_escaped(text):
    assert field(text).startswith("'")


@pytest.mark.parametrize("value", ["-1.5", "+2", "0", "1e-3", "Ada", "O'Neill", "a=b", "", 3, -2.5, None])
def test_numbers_and_harmless_text_stay_unchanged(value):
    assert field(value) == value
