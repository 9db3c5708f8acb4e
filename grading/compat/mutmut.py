"""Private names of mutmut, whose operators have no public interface."""

from collections.abc import Callable, Iterable, Sequence

import libcst as cst
from mutmut.mutation import mutators

# The kind of node, and what makes its mutants.
OPERATORS: Sequence[tuple[type[cst.CSTNode], Callable[[cst.CSTNode], Iterable[cst.CSTNode]]]] = (
    mutators.mutation_operators
)
