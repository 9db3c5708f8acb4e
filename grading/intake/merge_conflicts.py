"""Merge conflicts that git has left in a file or a cell."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

FIRST, BASE, SECOND, END = (re.compile(rf"{mark}( .*)?") for mark in ("<{7}", r"\|{7}", "={7}", ">{7}"))
MARKER = re.compile(r"^(<{7}|\|{7}|={7}|>{7})( .*)?\r?$", re.MULTILINE)
UNWRITTEN = re.compile(r"\s*(#.*|pass|\.\.\.|null|\{\}|\[\])?[\s,]*")  # a line in which nothing was written
GAP = "NotImplementedError"  # what a release has in the place of an answer
MIXED = 4  # conflicts of which every choice of versions is tried


@dataclass(frozen=True)
class Resolved:
    """A text without its merge conflicts, and a sentence about them."""

    text: str
    words: str


def resolve(text: str, is_valid: Callable[[str], bool], longest: int = 20_000) -> Resolved | None:
    """Resolve conflicts: prefer the version in which more is written, then any combination that gives a valid text.

    Lines that look like markers are no conflict if the text is valid with them: a string may hold such lines.

    Args:
        is_valid: whether a text is valid.
        longest: length in characters up to which all combinations are tried.

    Returns:
        None if there is no conflict, or no combination is valid.
    """
    if not MARKER.search(text) or is_valid(text):
        return None
    found = _conflicts(text)
    if found is None:
        rest = "\n".join(line for line in text.split("\n") if not MARKER.fullmatch(line))
        return Resolved(rest, "left-over markers of a merge, which were removed") if is_valid(rest) else None
    plain, conflicts = found
    number = len(conflicts)
    written = tuple(int(_gaps(first) > _gaps(second)) for first, second in conflicts)
    choices = [written, (0,) * number, (1,) * number]
    if number <= MIXED and len(text) <= longest:
        choices += [choice for choice in product((0, 1), repeat=number) if len(set(choice)) == 2]
    for choice in choices:
        lines = list(plain[0])
        for conflict, side, after in zip(conflicts, choice, plain[1:]):
            lines += [*conflict[side], *after]
        if is_valid(chosen := "\n".join(lines)):
            kept: dict[tuple[int, ...], str] = {(0,): "the first version was", (1,): "the second version was"}
            words = kept.get(tuple(set(choice)), "those versions that go together were")
            return Resolved(chosen, f"a merge conflict, of which {words} kept")
    return None


def _gaps(lines: list[str]) -> float:
    """How much is left to be written."""
    return float("inf") if all(map(UNWRITTEN.fullmatch, lines)) else sum(GAP in line for line in lines)


def _conflicts(text: str) -> tuple[list[list[str]], list[tuple[list[str], list[str]]]] | None:
    """The lines around the conflicts, and the two versions of each; None if some marker has no other end."""
    plain: list[list[str]] = [[]]
    conflicts: list[tuple[list[str], list[str]]] = []
    kept: list[str] | None = plain[0]  # where the next line goes; None for the version that both come from
    inside = None  # the mark that has begun the part at hand
    for line in text.split("\n"):
        bare = line.rstrip("\r")
        if FIRST.fullmatch(bare):
            if inside is not None:
                return None
            conflicts.append(([], []))
            kept, inside = conflicts[-1][0], FIRST
        elif BASE.fullmatch(bare) and inside is FIRST:
            kept, inside = None, BASE
        elif SECOND.fullmatch(bare) and inside in (FIRST, BASE):
            kept, inside = conflicts[-1][1], SECOND
        elif END.fullmatch(bare) and inside is SECOND:
            plain.append([])
            kept, inside = plain[-1], None
        elif kept is not None:
            kept.append(line)
    return None if inside is not None or not conflicts else (plain, conflicts)
