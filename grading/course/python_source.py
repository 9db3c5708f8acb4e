"""Analyze a code cell as Python: is it valid, is it equivalent to another, which names does it define and read?"""

import ast
import re
import symtable
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from IPython.core.inputtransformer2 import TransformerManager

MUCH = 500_000  # characters of all cells in which names are looked up; more is no student's work
BY_HAND = 50_000  # characters of a cell that somebody may have written; to parse more takes long
MAGIC = re.compile(r"^[ \t]*[%!?,;/]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)
MAGIC_WORK = 1_000_000  # characters times magics: IPython reads the whole cell again for each magic
DEFINES = re.compile(r"^(?:def|class)\s+(\w+)", re.MULTILINE)


def parsed(source: str) -> ast.Module:
    """A cell as IPython runs it, where magic commands are calls of `get_ipython()`.

    Raises:
        SyntaxError: it is not Python, or takes too long to read. IPython may also raise other errors.
    """
    with warnings.catch_warnings(action="ignore"):
        return ast.parse(_transformed(source))


def is_python(source: str) -> bool:
    """Whether a cell can be compiled, with IPython's magics in it."""
    try:
        parsed(source)
    except Exception:  # not only SyntaxError: IPython fails on some texts with other errors
        return False
    return True


@lru_cache(maxsize=1024)
def meaning(source: str) -> str:
    """A normal form of a cell, in which spaces and comments make no difference."""
    try:
        return ast.dump(parsed(source))
    except Exception:
        return source.strip()


@lru_cache(maxsize=1024)
def makes(source: str) -> frozenset[str]:
    """The names that a cell assigns, defines or imports; if it is not Python, the names that it seems to define."""
    try:
        symbols = _table(source).get_symbols()
    except Exception:
        return frozenset(DEFINES.findall(source))
    return frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported())


@lru_cache(maxsize=1024)
def reads(source: str) -> frozenset[str]:
    """The global names that a cell and its functions read; none if it is not Python."""
    try:
        top = _table(source)
    except Exception:
        return frozenset()
    found = set()
    for table in _tables(top):
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is top or s.is_global())}
    return frozenset(found)


def of_all(names: Callable[[str], frozenset[str]], sources: Iterable[str]) -> set[str]:
    """The names that `makes` or `reads` finds in several cells, up to `MUCH` characters."""
    found: set[str] = set()
    read = 0
    for source in sources:
        read += len(source)
        if read <= MUCH:
            found |= names(source)
    return found


def _table(source: str) -> symtable.SymbolTable:
    with warnings.catch_warnings(action="ignore"):
        return symtable.symtable(_transformed(source), "cell", "exec")


def _transformed(source: str) -> str:
    """A cell with its magics as calls.

    Raises:
        SyntaxError: it is too long, or has too many magics: no student's work, and to read it takes minutes.
    """
    if len(source) > BY_HAND or len(MAGIC.findall(source)) * len(source) > MAGIC_WORK:
        raise SyntaxError("too long to be read")
    return TransformerManager().transform_cell(source)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _tables(inner)
