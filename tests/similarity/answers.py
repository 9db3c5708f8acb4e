"""Notebooks of students who worked alone, and of those who hide a copy.

A copy has other names, no comments, another order of lines, and cells cut in two.
"""

import ast
import builtins
import random
from collections import Counter

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell

from grading.course import catalogue, notebooks
from grading.course.folder import Course
from tests.assignments import odd_answers
from tests.conftest import ROOT

WORDS = ("alpha", "bravo", "cargo", "delta", "ember", "fjord", "gamut", "hotel", "icing", "joker", "karma", "lemon")
COURSE = Course(ROOT)


def answers(assignment: str) -> dict[str, dict[str, str]]:
    """Every right answer that is known, independent of each other: cells by name, by the answer's name."""
    source = notebooks.read(COURSE.source(assignment))
    entries = catalogue.load(ROOT / "mistakes" / f"{assignment}.toml", source)
    listed = {entry.name: {entry.cell: entry.source} for entry in entries if entry.right}
    return listed | odd_answers.ANSWERS[assignment]


def dealt(assignment: str) -> list[dict[str, str]]:
    """All answers in as few notebooks as can hold them, each answer in one; the longest are dealt first."""
    known = answers(assignment)
    most = max(Counter(cell for answer in known.values() for cell in answer).values())
    hands: list[dict[str, str]] = [{} for _ in range(most)]
    for answer in sorted(known.values(), key=lambda one: -sum(map(len, one.values()))):
        free = [hand for hand in hands if not hand.keys() & answer.keys()]
        if not free:
            hands.append(dict(answer))
        else:
            min(free, key=lambda hand: sum(map(len, hand.values()))).update(answer)
    return hands


def filled(assignment: str, written: dict[str, str], solve: bool = True) -> NotebookNode:
    """The release with these answers; everywhere else it is solved as in the reference, or left as it is."""
    solved = notebooks.by_id(notebooks.read_once(COURSE.source(assignment)))
    notebook = from_dict(notebooks.read_once(ROOT / "release" / assignment / f"{assignment}.ipynb"))
    for name, cell in notebooks.by_id(notebook).items():
        if notebooks.kind(cell) == "solution" and (solve or name in written):
            lines = written.get(name, solved[name].source).split("\n")
            cell.source = "\n".join(line for line in lines if "### BEGIN" not in line and "### END" not in line)
    return notebook


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]):
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self.names.get(node.arg, node.arg)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self.names.get(f".{node.attr}", node.attr)
        return self.generic_visit(node)


class _Reorder(ast.NodeTransformer):
    """Exchange neighboring assignments that have no name in common, and take out docstrings."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            if len(body) > 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                del body[0]
            for i in range(0, len(body) - 1, 2):
                if _independent(body[i], body[i + 1]):
                    body[i], body[i + 1] = body[i + 1], body[i]
        return node


def _independent(first: ast.stmt, second: ast.stmt) -> bool:
    def names(statement: ast.stmt, context: type) -> set[str]:
        return {
            ast.unparse(node)
            for node in ast.walk(statement)
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, context)
        }

    if not all(isinstance(one, ast.Assign) for one in (first, second)):
        return False
    return not names(first, ast.Store) & (names(second, ast.Load) | names(second, ast.Store)) and not names(
        second, ast.Store
    ) & names(first, ast.Load)


def disguised(source: str, kept: set[str], seed: int = 0) -> str:
    """A copy of a cell: own variables and private attributes renamed, no comments, lines in another order."""
    tree = ast.parse(source)
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    attributes = {
        f".{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    chosen = sorted({name for name in own | attributes if name.lstrip(".") not in kept} - {*dir(builtins)})
    random.Random(seed).shuffle(chosen)
    new = [f"{WORDS[i % len(WORDS)]}{seed}{i}" for i in range(len(chosen))]
    names = {old: name for old, name in zip(chosen, new)}
    return ast.unparse(_Reorder().visit(_Rename(names).visit(tree)))


def copied(notebook: NotebookNode, written: set[str], kept: set[str], seed: int = 0) -> NotebookNode:
    """A disguised copy of a notebook: each answer in `written` is rewritten, and cut in two where it can be."""
    copy = from_dict(notebook)
    cells = []
    for cell in copy.cells:
        if notebooks.grade_id(cell) in written:
            cell.source = disguised(cell.source, kept, seed)
            parts = ast.parse(cell.source).body
            if len(parts) > 1:
                cells.append(new_code_cell("\n\n".join(map(ast.unparse, parts[: len(parts) // 2]))))
                cell.source = "\n\n".join(map(ast.unparse, parts[len(parts) // 2 :]))
        cells.append(cell)
    copy.cells = cells
    return copy
