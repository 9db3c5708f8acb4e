"""Find pictures without alternative text in a notebook's cells."""

import ast
import re

from nbformat import NotebookNode

TEXTS = {"show_figure": (0, "text"), "show_plotly": (3, "text"), "Picture": (1, "text"), "Movable": (2, "alt")}
"""What shows a picture, and which of its arguments is the text: its place and its name."""

MAKES = {"subplots", "figure", "axes"}
IMAGE = re.compile(r"!\[\s*\]\(|<img\b(?![^>]*\balt=[\"'][^\"'])", re.IGNORECASE)


def without_text(notebook: NotebookNode) -> list[str]:
    """A sentence for each picture that has no text alternative: a figure that nothing describes, or an empty text."""
    faults = []
    for place, cell in enumerate(notebook.cells):
        where = f"cell {place} ({cell.get('id', 'no id')})"
        if cell.cell_type == "markdown" and IMAGE.search(cell.source):
            faults.append(f"{where} holds an image without a text alternative")
        elif cell.cell_type == "code":
            try:
                tree = ast.parse(cell.source)
            except SyntaxError:
                continue  # ruff tells
            faults += [f"{where} {words}" for words in _in_code(tree)]
    return faults


def _in_code(tree: ast.Module) -> list[str]:
    faults = []
    for call in _calls(tree):
        name = _name(call)
        if name == "show" and isinstance(call.func, ast.Attribute):
            faults.append("calls show(), so its picture has no text alternative; use show_figure(text)")
        elif name in TEXTS and not _has_text(call, *TEXTS[name]):
            faults.append(f"calls {name} without a text that says what is to be seen")
    definitions: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    free = [node for node in tree.body if node not in definitions]
    scopes: list[list[ast.stmt]] = [free, *([node] for node in definitions)]
    for scope in scopes:
        module = ast.Module(scope, [])
        called = {_name(call) for call in _calls(module)}
        handed_on = scope is not free and any(isinstance(node, ast.Return) for node in ast.walk(module))
        if called & MAKES and not called & {*TEXTS, "close"} and not handed_on:
            faults.append("draws a figure that nothing describes; end it with show_figure(text)")
    return faults


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _has_text(call: ast.Call, place: int, name: str) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == name] or call.args[place : place + 1]
    spread = any(isinstance(argument, ast.Starred) for argument in call.args)
    empty = bool(given) and isinstance(given[0], ast.Constant) and not str(given[0].value or "").strip()
    return spread or (bool(given) and not empty)
