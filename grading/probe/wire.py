"""Plain data between the student's side and the grader's: the only thing that ever crosses.

Both sides exchange JSON text. Nothing is pickled or evaluated, so a reply may be wrong, but it is only
data. This module imports only the standard library, because it is also loaded into the student's kernel.
"""

import json
from collections.abc import Hashable
from functools import lru_cache
from itertools import chain

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 30
MAX_TEXT = 4_000


class WireError(ValueError):
    """A message is too large, too deeply nested, or not plain data."""


class Described:
    """An argument that cannot be sent but can be described: `Described({"rng": 3})`, see `probe.core.build`."""

    def __init__(self, description: dict):
        self.description = description


def encode(value: object, depth: int = 0) -> object:
    """Turn a value into JSON-ready data.

    Numbers become `float`, `int` or `bool`; lists and tuples lists; numpy arrays and torch tensors
    `{"array": nested lists, "shape": [...], "dtype": "float64"}` (without a dimension: a number); dictionaries
    `{"dict": [[key, value], ...]}`; a `Described` its description; all else `{"object": "<name of its type>"}`,
    so that messages can name it.

    Raises:
        WireError: the value is nested deeper than `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise WireError(f"the value is nested more than {MAX_DEPTH} levels deep")
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        integer = int(value)
        return integer if abs(integer) < 2**63 else float("inf") * (1 if integer > 0 else -1)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)[:MAX_TEXT]
    if isinstance(value, (list, tuple)):
        if type(value) is list and _is_plain(value, MAX_DEPTH - depth):
            return value
        return [encode(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {"dict": [[str(key), encode(item, depth + 1)] for key, item in value.items()]}
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        plain = value.tolist()
        if not isinstance(plain, list):
            return encode(plain, depth + 1)
        shape, dtype = [int(size) for size in value.shape], getattr(value, "dtype", "float64")
        name = _name(dtype) if isinstance(dtype, Hashable) else str(dtype)
        return {"array": encode(plain, depth + 1), "shape": shape, "dtype": name}
    if isinstance(value, Described):
        return value.description
    return {"object": type(value).__name__}


@lru_cache(maxsize=64)
def _name(dtype: object) -> str:
    """The name of a dtype, which numpy makes anew each time."""
    return str(dtype).removeprefix("torch.")


def _is_plain(value: list, levels: int) -> bool:
    """Whether a list of numbers, or of lists of them and so on, is JSON as it is. Most of what is sent is.

    Only exact types count: what is derived from a list may have an iterator of its own.
    """
    while set(map(type, value)) == {list} and levels:
        value, levels = list(chain.from_iterable(value)), levels - 1
    kinds = set(map(type, value))
    return levels > 0 and (kinds == {float} or (kinds == {int} and max(map(abs, value)) < 2**63))


def dumps(value: object) -> str:
    """JSON text of a value (`NaN` and `Infinity` are written as such).

    Raises:
        WireError: the text would be longer than `MAX_CHARACTERS`.
    """
    text = json.dumps(encode(value))
    if len(text) > MAX_CHARACTERS:
        raise WireError(f"the value takes {len(text)} characters as text, over the limit of {MAX_CHARACTERS}")
    return text


def loads(text: str) -> object:
    """Plain Python data from JSON text; arrays come back as nested lists, dictionaries as `dict`.

    Raises:
        WireError: the text is too long, or is no JSON.
    """
    if len(text) > MAX_CHARACTERS:
        raise WireError(f"a message of {len(text)} characters, over the limit of {MAX_CHARACTERS}")
    try:
        return json.loads(text, object_hook=_plain)
    except (ValueError, TypeError, RecursionError) as error:
        raise WireError(f"a message that is no JSON: {error}") from None


def _plain(tagged: dict) -> object:
    if "array" in tagged:
        return tagged["array"]
    if "dict" in tagged:
        return {str(key): value for key, value in tagged["dict"]}
    return tagged


def is_number(value: object) -> bool:
    """True for a plain number (not a truth value); it may be infinite or NaN."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
