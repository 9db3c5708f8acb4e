"""The inputs of hidden tests: different for each attempt of each student, and the same when it is regraded.

A hidden test draws its inputs with `draw`, or takes a generator from `rng`:

    from grading import oracle, student
    from grading.oracle import conditioning

    conditioning.judge_gd_rate(student, oracle.draw("gd_rate", conditioning.spectra_and_rates))

For each name there are `POOL` sets of inputs. So a worker computes each reference only once, and the slow tests can
show for all sets that the reference passes and every known mistake fails. Which set an attempt gets depends on the
course's secret, the student, the assignment and the submitted file; see `key`.
"""

import contextlib
import contextvars
import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from grading.oracle.recent import Recent

POOL = 100

Key = int | bytes
"""The number of a set, for tests and rehearsals; or bytes, from which each name's set follows."""

_key: contextvars.ContextVar[Key] = contextvars.ContextVar("inputs", default=0)
# One cache for the process: its values depend on its keys alone, and a worker makes each set once for all students.
_drawn = Recent()


def key(secret: bytes, student: str, assignment: str, attempt: bytes) -> bytes:
    """The key that determines the inputs of one attempt.

    Args:
        secret: of the course; without it nobody can predict the inputs of the next attempt.
        attempt: a digest of what was handed in, so that the same attempt has the same inputs when it is graded again.
    """
    parts = [secret, student.encode(), assignment.encode(), attempt]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


@contextlib.contextmanager
def drawn_by(key: Key) -> Iterator[None]:
    """Draw the inputs of this key inside the block."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def chosen(name: str) -> int:
    """The number of the current set of inputs with this name, 0 ... POOL - 1."""
    current = _key.get()
    if isinstance(current, int):
        return current % POOL
    return int.from_bytes(hashlib.sha256(current + name.encode()).digest()[:8]) % POOL


def rng(name: str) -> np.random.Generator:
    """A fresh generator for the inputs with this name, usually that of the exercise or the test."""
    return np.random.default_rng([zlib.crc32(name.encode()), chosen(name)])


P = ParamSpec("P")
R = TypeVar("R")


def draw(name: str, make: Callable[Concatenate[np.random.Generator, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of `make(rng(name), *args, **kwargs)`, computed once for each set of inputs. Do not modify it."""
    known = (name, chosen(name), make.__module__, make.__qualname__, repr((args, sorted(kwargs.items()))))
    if known not in _drawn:
        _drawn[known] = make(rng(name), *args, **kwargs)
    return _drawn[known]
