"""What a notebook says, as streams of tokens: code without names, the names, words of comments, words of prose."""

import ast
import builtins
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, groupby
from typing import NamedTuple

from nbformat import NotebookNode
from pygments.lexers import PythonLexer
from pygments.token import Comment, Name, Number, String, Text

CODE, NAMES, COMMENTS, PROSE = CHANNELS = ("code", "names", "comments", "prose")
LONGEST = 20_000  # characters of a cell that are compared: more is output that was pasted, or a trap
MOST = 200_000  # characters of a notebook
WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
ASSIGNED = re.compile(r"\b([^\W\d]\w*)\s*=(?!=)")
BUILTINS = frozenset(dir(builtins))
LEXER = PythonLexer()
LEFT_OUT = frozenset(",;:)]}\\")  # each says what the tokens around it say
SIMPLE = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Assert, ast.Delete, ast.Import, ast.ImportFrom),
    *(ast.Global, ast.Nonlocal),
)


class Token(NamedTuple):
    """A token, and where it is in the source of its cell."""

    text: str
    begin: int
    end: int


@dataclass
class Stream:
    """The tokens of one channel in one cell.

    Attributes:
        cell: the place of the cell in its notebook.
    """

    cell: int
    channel: str
    tokens: list[Token] = field(default_factory=list)


@dataclass(frozen=True)
class Vocabulary:
    """The names that people choose themselves: only they can be replaced by others.

    Attributes:
        names: of variables, parameters, functions and classes.
        attributes: what methods set in their own object.
    """

    names: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()

    def __or__(self, other: "Vocabulary") -> "Vocabulary":
        return Vocabulary(self.names | other.names, self.attributes | other.attributes)


def vocabulary(sources: Iterable[str]) -> Vocabulary:
    """The names that code cells choose; a cell that is no Python chooses what it seems to assign."""
    found = Vocabulary()
    for source in sources:
        found |= _chosen(source)
    return found


@lru_cache(maxsize=2048)
def _chosen(source: str) -> Vocabulary:
    names, attributes = set(), set()
    for node in _nodes(source):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            if isinstance(node, ast.ClassDef):
                attributes |= _own_attributes(node)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    if not names:
        names = set(ASSIGNED.findall(source[:LONGEST]))
    return Vocabulary(frozenset(name for name in names - BUILTINS if not name.startswith("__")), frozenset(attributes))


@lru_cache(maxsize=64)
def _nodes(source: str) -> list[ast.AST]:
    """The syntax tree of a cell, flat; empty if it is no Python, or has magics."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return list(ast.walk(ast.parse(source[:LONGEST])))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _own_attributes(node: ast.ClassDef) -> set[str]:
    """What the methods of a class set in their own object, and what the class itself defines."""
    found = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    for method in (item for item in node.body if isinstance(item, ast.FunctionDef) and item.args.args):
        own = method.args.args[0].arg
        found |= {
            inner.attr
            for inner in ast.walk(method)
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and _is_name(inner.value, own)
        }
    return {name for name in found if not name.startswith("__")}


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def of_cells(cells: Iterable[tuple[int, NotebookNode]], chosen: Vocabulary, given: frozenset[str]) -> list[Stream]:
    """The streams of a notebook's cells.

    Args:
        cells: with their places.
        chosen: the names that do not count as code.
        given: the names that everybody uses, which say nothing about who wrote them.
    """
    found, room = [], MOST
    for place, cell in cells:
        source = cell.source[: min(LONGEST, room)]
        room -= len(source)
        if cell.cell_type == "code":
            found += _code(place, source, chosen, given)
        elif cell.cell_type == "markdown":
            found.append(Stream(place, PROSE, list(_words(source, 0))))
    return [stream for stream in found if stream.tokens]


def _code(place: int, source: str, chosen: Vocabulary, given: frozenset[str]) -> list[Stream]:
    """The streams of a code cell: its code, its names, and each comment and text by itself."""
    code, names, comments = Stream(place, CODE), Stream(place, NAMES), [Stream(place, COMMENTS)]
    after_dot = in_text = False
    for begin, kind, text in LEXER.get_tokens_unprocessed(source):
        token = Token(text, begin, begin + len(text))
        if kind in Comment or (kind in String and kind not in String.Interpol):
            comments[-1].tokens += _words(text, begin)
            if kind in String and kind not in String.Doc and not in_text:
                code.tokens.append(token._replace(text="'"))
            in_text = kind in String
            continue
        if not text.strip() or kind in Text:
            continue
        in_text = False
        if comments[-1].tokens:
            comments.append(Stream(place, COMMENTS))
        if text in LEFT_OUT:
            continue
        if kind in Name:
            own = text in (chosen.attributes if after_dot else chosen.names)
            code.tokens.append(token._replace(text="attribute" if after_dot else "name") if own else token)
            if own and text not in given and not (names.tokens and names.tokens[-1].text == text):
                names.tokens.append(token)
        else:
            code.tokens.append(token._replace(text=_number(text)) if kind in Number else token)
        after_dot = text == "."
    code.tokens = _in_order(source, code.tokens)
    return [code, names, *comments]


def _words(text: str, begin: int) -> Iterator[Token]:
    for match in WORD.finditer(text):
        yield Token(match[0].casefold(), begin + match.start(), begin + match.end())


def _number(text: str) -> str:
    """A number in one spelling: `1e-3` and `0.001` are the same."""
    try:
        return repr(float(text.replace("_", "")))
    except ValueError:
        return text


def _in_order(source: str, tokens: list[Token]) -> list[Token]:
    """The tokens with neighboring simple statements sorted: to exchange two lines is no work of one's own."""
    lines, moved = source.split("\n"), list(tokens)
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    begins = [token.begin for token in tokens]

    def index(line: int | None, column: int | None) -> int:
        """The first token from a place of the syntax tree on, whose columns count bytes."""
        if line is None or column is None:
            return len(tokens)
        return bisect_left(begins, starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore")))

    for run in _runs(_nodes(source)):
        places = [(index(s.lineno, s.col_offset), index(s.end_lineno, s.end_col_offset)) for s in run]
        parts = sorted((tokens[first:last] for first, last in places), key=lambda part: [token.text for token in part])
        moved[places[0][0] : places[-1][1]] = [token for part in parts for token in part]
    return moved


def _runs(nodes: list[ast.AST]) -> Iterator[list[ast.stmt]]:
    """Neighboring simple statements of one block, two and more."""
    for node in nodes:
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            for simple, run in groupby(block if isinstance(block, list) else [], lambda one: isinstance(one, SIMPLE)):
                if simple and len(statements := list(run)) > 1:
                    yield statements
