"""Given code has one source, `given/`, and tables come from the cells: what a notebook embeds is written here.

A locked cell `given_<name>` is a copy of `given/<assignment>/<name>.py`, or of `given/<name>.py`, which all notebooks
share. Lines above `MARK` in such a file are for tools that read it as a module: the notebook's other
cells give these names.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

from nbformat import NotebookNode

from grading.authoring import graded_questions
from grading.course import notebooks
from grading.course.folder import Course

MARK = "# ---- The notebook's cell begins here. ----\n"
TABLE = re.compile(r"<!-- points -->\n(.*?)<!-- /points -->", re.DOTALL)
HEADING = re.compile(r"^#+ (?P<kind>Exercise|Question) (?P<number>\w+): (?P<title>.*) \(\d+ points?\)", re.MULTILINE)
SECTION = re.compile(r"^#+ (?:\w+ \w+: )?(.*?)(?: \(\d+ points?\))?$", re.MULTILINE)
CHECK = re.compile(r'check\("(.+?)"')
OPEN_CHECK = re.compile(r"^with (self_)?check\(.*\):$", re.MULTILINE)
EXERCISES = "given_exercises"


def file_of(course: Course, assignment: str, cell: NotebookNode) -> Path | None:
    """The file that a given cell is a copy of; None if it is none."""
    name = notebooks.grade_id(cell) or ""
    if notebooks.kind(cell) != "given" or not name.startswith("given_"):
        return None
    stem = name.removeprefix("given_")
    for path in (course.root / "given" / assignment.replace("-", "_"), course.root / "given"):
        if (path / f"{stem}.py").is_file():
            return path / f"{stem}.py"
    return None


def text_of(path: Path, checks: bool) -> str:
    """What a notebook's cell holds of a file of `given/`.

    Args:
        checks: the self-checks are defined here or above: then a last line keeps the file's names for them.
    """
    text = path.read_text(encoding="utf-8")
    head, mark, rest = text.partition(MARK)
    text = (rest if mark else head).strip("\n")
    if not checks:
        return text
    names = f'"{" ".join(dict.fromkeys([*(needed(head) if mark else ()), *names_of(text)]))}"'
    last = f"keep_apart({names})"
    if len(last) > 120:
        last = f"keep_apart(\n    {names}\n)"  # as ruff formats it
    return f"{text}\n\n\n{last}"


def needed(head: str) -> list[str]:
    """The names that a file imports for its cell, other than those of `given/`: the notebook imports them as well."""
    imports = [node for node in ast.parse(head).body if isinstance(node, ast.Import | ast.ImportFrom)]
    own: list[ast.stmt] = [node for node in imports if not str(getattr(node, "module", "")).startswith("given")]
    return names_of(ast.unparse(ast.Module(own, [])))


def names_of(source: str) -> list[str]:
    """The names that a file defines or imports at its top level, in order."""
    names: dict[str, None] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names[node.name] = None
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0]: None for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found = (part for part in ast.walk(node) if isinstance(part, ast.Name))
            names |= {part.id: None for part in found if isinstance(part.ctx, ast.Store)}
    return list(names)


def closed(source: str) -> str:
    """A test cell whose self-check is a function, so that what it names is no name of the notebook."""
    lines = source.split("\n")
    for node in ast.parse(source).body if OPEN_CHECK.search(source) else []:
        if isinstance(node, ast.With) and lines[node.lineno - 1].startswith(("with check(", "with self_check(")):
            first, *others = (ast.get_source_segment(source, item.context_expr) or "" for item in node.items)
            start, end = node.body[0].lineno - 1, node.end_lineno
            body = lines[start:end]
            if others:
                body = [f"    with {', '.join(others)}:", *(f"    {line}" if line else line for line in body)]
            decorator = "@self_" + first.removeprefix("self_")
            return "\n".join([*lines[: node.lineno - 1], decorator, "def _():", *body, *lines[end:]])
    return source


def assembled(course: Course, assignment: str, notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is committed: with its given code, its tables, its folded cells, in normal form."""
    made, checks = graded_questions.expanded(notebooks.normal_form(notebook)), False
    for cell in made.cells:
        path = file_of(course, assignment, cell)
        checks = checks or (path is not None and path.stem == "checks")
        if path is not None:
            cell.source = text_of(path, checks)
        elif notebooks.kind(cell) == "test":
            cell.source = closed(cell.source)
        elif notebooks.grade_id(cell) == EXERCISES:
            cell.source = scoreboard_table(made)
        elif cell.cell_type == "markdown" and TABLE.search(cell.source):
            cell.source = TABLE.sub(lambda found: points_table(made), cell.source)
    return notebooks.normal_form(made)


def differing(course: Course, assignment: str, notebook: NotebookNode) -> list[str]:
    """What `assembled` would change beside the normal form, in words."""
    made = assembled(course, assignment, notebook)
    faults = []
    present, wanted_cells = notebooks.by_id(notebook), {cell.id: cell for cell in made.cells}
    for name, points in graded_questions.tagged(notebook).items():
        if name not in present:
            faults.append(f"a question with the tag points-{points} has no cell for its answer, {name}")
        elif notebooks.points(present[name]) != points:
            faults.append(f"{name} gives {notebooks.points(present[name]):g} points, the tag of its question {points}")
    for cell in notebooks.normal_form(notebook).cells:
        wanted = wanted_cells[cell.id]
        if cell.source != wanted.source:
            called, path = notebooks.grade_id(cell), file_of(course, assignment, cell)
            source = path.relative_to(course.root) if path else "what the test cells say"
            if graded_questions.points_of(cell) is not None:
                faults.append(f"the question {cell.id} differs from what its tag says")
            elif notebooks.kind(cell) == "test":
                faults.append(f"{called} should run its self-check as a function: @self_check(...), then def _():")
            else:
                faults.append(f"{called or 'the table of points'} differs from {source}")
    return faults


def points_table(notebook: NotebookNode) -> str:
    """The table of exercises and points for the introduction, in Markdown."""
    cells, rows, heading, section = notebooks.by_id(notebook), [], None, ""
    counted, asked = notebooks.graded_of(notebook), graded_questions.tagged(notebook)
    for cell in notebook.cells:
        name = notebooks.grade_id(cell) or ""
        points = sum(notebooks.points(cells[one]) for one in counted.get(name, ()))
        if cell.cell_type == "markdown" and (not name or notebooks.kind(cell) == "given"):  # the latter is a task
            found = list(HEADING.finditer(cell.source))
            heading = found[-1] if found else heading
            section = (SECTION.findall(cell.source) or [section])[-1]
        if name in asked:
            rows.append(f"| | {section} | an answer in words | {points:g} |")
        elif heading is not None and notebooks.by_hand(cell):
            rows.append(f"| {heading['number']} | {heading['title']} | an answer in words | {points:g} |")
        elif heading is not None and notebooks.kind(cell) == "solution":
            rows.append(f"| {heading['number']} | {heading['title']} | `{written_in(cell)}` | {points:g} |")
    total = sum(notebooks.points(cell) for cell in notebook.cells)
    lines = ["| Exercise | What it is about | You write | Points |", "| --- | --- | --- | --- |", *rows]
    return "\n".join(["<!-- points -->", *lines, f"| | | all | {total:g} |", "<!-- /points -->"])


def scoreboard_table(notebook: NotebookNode) -> str:
    """The cell `given_exercises`: what a student writes in each exercise, and the points of its self-checks."""
    cells, table = notebooks.by_id(notebook), {}
    for exercise, tests in notebooks.tests_of(notebook).items():
        checks = {}
        for test in tests:
            found = CHECK.search(cells[test].source)
            checks[found.group(1) if found else test] = int(notebooks.points(cells[test]))
        table[exercise] = (written_in(cells[exercise]), checks)
    text = (
        '"""For the scoreboard: what you write in each exercise, and its points."""\n\n'
        f"self_check.exercises = {table!r}\n"
    )
    return formatted(text)


def formatted(code: str) -> str:
    """The source of a cell as `ruff format` wants it."""
    line = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--stdin-filename=cell.py", "-"]
    return subprocess.run(line, input=code, capture_output=True, text=True, check=True).stdout.strip("\n")


def written_in(cell: NotebookNode) -> str:
    """The name that a solution cell makes: of its first class, function or assignment."""
    for node in ast.parse(cell.source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            return node.name
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            return node.targets[0].id
    return notebooks.grade_id(cell) or ""
