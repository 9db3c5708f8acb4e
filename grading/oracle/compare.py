"""Compare an answer with a reference, and describe the first difference in words that a student can use."""

import math
from itertools import chain
from typing import Any

import numpy as np

from grading.probe import wire

RTOL = 1e-10
ATOL = 1e-12
LONGEST = 80  # characters of a value that is shown


class Mismatch(AssertionError):
    """An answer differs from the reference.

    Attributes:
        rows: the first differences as (where, yours, expected), for a table in the feedback.
        paths: of an optimizer: yours, expected, the parameter's name and place, the step; for a picture.
        bowl: (a, b) if these are paths on f(x1, x2) = a*x1**2 + b*x2**2; for a picture with its level lines.
    """

    def __init__(
        self,
        message: str,
        rows: list[tuple[str, object, object]] | None = None,
        paths: tuple | None = None,
        bowl: tuple[float, float] | None = None,
    ):
        super().__init__(message)
        self.rows = rows or []
        self.paths, self.bowl = paths, bowl

    def _render_traceback_(self) -> list[str]:  # IPython shows these lines and no stack
        return str(self).splitlines()


def close(yours: Any, expected: float, rtol: float = RTOL, atol: float = ATOL) -> bool:
    """True if `yours` is a finite number within `rtol * |expected| + atol`; equal infinities are close as well."""
    if not wire.is_number(yours):
        return False
    if not math.isfinite(expected) or not math.isfinite(yours):
        return yours == expected
    return abs(yours - expected) <= rtol * abs(expected) + atol


def that(condition: bool, message: str) -> None:
    """Raise a `Mismatch` with this message if the condition is false."""
    if not condition:
        raise Mismatch(message)


def same_number(yours: Any, expected: float, what: str, rtol: float = RTOL, atol: float = ATOL) -> None:
    """Compare one number. `what` is its description, "the gradient with respect to x1".

    Raises:
        Mismatch: it is no number, or differs by more than the tolerance.
    """
    if not close(yours, float(expected), rtol, atol):
        mine, wanted = both(yours, expected)
        raise Mismatch(f"{what} should be {wanted}, yours is {mine}.", [(what, yours, expected)])


def same_list(yours: Any, expected: list, what: str, rtol: float = RTOL, atol: float = ATOL) -> None:
    """Compare a list of numbers, or nested lists (an array), item by item.

    Raises:
        Mismatch: for the first item that is missing, too many, or different.
    """
    _same(yours, expected, what, (), rtol, atol)


def same_value(yours: Any, expected: object, what: str) -> None:
    """Compare a string, a bool, or another value that must be equal."""
    if type(yours) is not type(expected) or yours != expected:
        mine, wanted = both(yours, expected)
        raise Mismatch(f"{what} should be {wanted}, yours is {mine}.", [(what, yours, expected)])


def same_answer(yours: Any, expected: float | str, name: str, why: str) -> None:
    """Compare the answer to a short question: a string, or a number to 0.1 %, so that one read off a run is right.

    Args:
        name: what the student calls the answer.
        why: a sentence that explains the method without giving the answer.
    """
    right = yours == expected if isinstance(expected, str) else close(yours, expected, rtol=1e-3)
    if not right:
        raise Mismatch(f"`{name}` should not be {show(yours)}. {why}")


def same_path(
    yours: Any,
    *references: list,
    what: str,
    names: list[str] | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    bowl: tuple[float, float] | None = None,
) -> None:
    """Compare the path of an optimizer with a reference, step by step; row 0 is the start.

    Args:
        yours: rows of numbers.
        references: one path, or several where the course accepts more than one convention. The path that
            agrees with `yours` for the most steps is the one that the message is about.
        what: the optimizer and its hyperparameters, "Momentum (eta=0.4, gamma=0.5)".
        names: of the parameters; by default x1, x2, ...
        bowl: see `Mismatch`.

    Raises:
        Mismatch: names the first step and parameter at which they part, with both values.
    """
    if not isinstance(yours, list) or not all(isinstance(row, list) for row in yours):
        raise Mismatch(f"{what}: no path came back, but {show(yours)}.")
    partings = [_parting(yours, reference, rtol, atol) for reference in references]
    first = [parting for parting in partings if parting is not None]
    if len(first) < len(references):
        return
    step, place = max(first)
    reference = references[first.index((step, place))]
    if step >= len(yours) or len(yours) > len(reference):
        raise Mismatch(f"{what}: the path should have {len(reference)} points, the start included; yours {len(yours)}.")
    names = names or [f"x{i + 1}" for i in range(len(reference[0]))]
    if len(yours[step]) > len(names):
        count = len(names)
        raise Mismatch(f"{what}, step {step}: {count} parameters should be returned, yours are {len(yours[step])}.")
    name, mine = names[place], yours[step][place] if place < len(yours[step]) else None
    expected = reference[step][place]
    shown, wanted = both(mine, expected)
    text = f"{what}, step {step}: {name} should be {wanted}, yours is {shown}."
    if step > 1:
        text += f" You agree up to step {step - 1}."
    elif step == 1:
        text += " They part at the very first step."
    else:
        text += " That is before the first step: the start itself must not change."
    rows = [
        (f"step {s}, {n}", yours[s][i] if i < len(yours[s]) else None, reference[s][i])
        for s in range(max(0, step - 1), min(step + 2, len(reference), len(yours)))
        for i, n in enumerate(names)
    ]
    raise Mismatch(text, rows, (yours, reference, name, place, step), bowl)


def both(yours: Any, expected: Any) -> tuple[str, str]:
    """Show two values that differ: with enough digits to see the difference, or with their types."""
    pair = show(yours), show(expected)
    if pair[0] == pair[1]:
        pair = _exact(yours), _exact(expected)
    if pair[0] == pair[1] and type(yours) is not type(expected):
        pair = f"{pair[0]} ({type(yours).__name__})", f"{pair[1]} ({type(expected).__name__})"
    if max(map(len, pair)) > LONGEST:
        first = next((i for i, (a, b) in enumerate(zip(*pair)) if a != b), min(map(len, pair)))
        begin = max(0, first - LONGEST // 2)
        mine, wanted = (("..." if begin else "") + _cut(text[begin:]) for text in pair)
        return mine, wanted
    return pair


def _exact(value: Any) -> str:
    """A value with all its digits, a number as a float."""
    if wire.is_number(value) and value == float(value):
        return repr(float(value))
    return repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def show(value: object) -> str:
    """A value as a student would write it: a number with up to 7 digits, and the kind of anything that is no number."""
    if value is None:
        return "None (is a `return` missing?)"
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else str(value)
    if isinstance(value, dict) and "object" in value:
        return f"an object of type {value['object']}"
    return _cut(repr(value))


def _parting(yours: list, reference: list, rtol: float, atol: float) -> tuple[int, int] | None:
    """Where two paths first differ, as (step, parameter); None if they never do."""
    # The tolerance is relative to the distance that the parameter has moved: near a zero crossing, rounding errors
    # of a different order of summation are large compared with the value itself.
    sizes = [max(abs(row[i]) for row in reference) for i in range(len(reference[0]))]
    slacks = [atol + rtol * size for size in sizes]
    if _are_close(yours, reference, slacks):  # what follows takes long for a long path
        return None
    for step, row in enumerate(reference):
        for place, expected in enumerate(row):
            if step >= len(yours) or place >= len(yours[step]):
                return step, place
            if len(yours[step]) > len(row):
                return step, len(row) - 1
            if not close(yours[step][place], expected, rtol=0.0, atol=slacks[place]):
                return step, place
    return (len(reference), 0) if len(yours) > len(reference) else None


def _are_close(yours: list, reference: list, slacks: list[float]) -> bool:
    """Whether two paths of plain numbers, the second finite, have one shape and are nowhere farther apart than this."""
    if list(map(len, yours)) != list(map(len, reference)) or not set(map(type, chain(*yours))) <= {float, int}:
        return False
    mine, expected = np.asarray(yours, dtype=float), np.asarray(reference, dtype=float)
    return bool(np.isfinite(expected).all() and (np.abs(mine - expected) <= slacks).all())


def _same(yours: Any, expected: Any, what: str, place: tuple, rtol: float, atol: float) -> None:
    where = f"{what}{''.join(f'[{i}]' for i in place)}"
    if not isinstance(expected, (list, tuple)):
        same_number(yours, expected, where, rtol, atol)
        return
    if not isinstance(yours, (list, tuple)):
        raise Mismatch(f"{where} should hold {len(expected)} items, yours is {show(yours)}.")
    if len(yours) != len(expected):
        raise Mismatch(f"{where} should hold {len(expected)} items, yours holds {len(yours)}.")
    for index, (mine, theirs) in enumerate(zip(yours, expected)):
        _same(mine, theirs, what, (*place, index), rtol, atol)
