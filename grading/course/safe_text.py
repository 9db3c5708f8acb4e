"""Make text that students can choose safe for terminals and spreadsheets: names, file names, messages."""

from collections.abc import Sequence

LONGEST = 2000  # characters of a text that is shown or kept
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")  # what spreadsheets take for the beginning of a formula


def printed(text: str, longest: int = LONGEST) -> str:
    """A text without terminal control sequences, changes of direction, and characters that no file can hold."""
    if len(text) <= longest and text.isprintable():
        return text
    plain = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:longest])
    return plain + "..." * (len(text) > longest)


def text(value: str) -> str:
    """A text for a CSV file: an apostrophe precedes what a spreadsheet would run as a formula.

    See OWASP, CSV Injection. A number that is written as text stays as it is.
    """
    if _is_number(value):
        return value
    shown = printed(value)
    return f"'{shown}" if value.lstrip(" ").startswith(FORMULA) or shown.lstrip(" ").startswith(FORMULA) else shown


def field(value: object) -> object:
    """A value for a CSV file: `text` for a text, any other value as it is."""
    return text(value) if isinstance(value, str) else value


def fields(row: Sequence[object]) -> list[object]:
    """`field` for each value of a row."""
    return [field(value) for value in row]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text and "_" not in text
