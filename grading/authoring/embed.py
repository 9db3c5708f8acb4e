"""Given code has one source, `given/`, and tables come from the cells: what a notebook embeds is written here.

A locked cell `given_<name>` is a copy of `given/<assignment>/<name>.py`, or of `given/<name>.py`, which all notebooks
share. What stands above the line `MARK` in such a file is for tools that read it as a module: the notebook's other
cells give these names.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

from nbformat import NotebookNode

from grading.course import notebooks
from grading.course.folder import Course

MARK = "# ---- The notebook's cell begins here. ----\n"
TABLE = re.compile(r"<!-- points -->\n(.*?)<!-- /points -->", re.DOTALL)
HEADING = re.compile(r"^#+ (?P<kind>Exercise|Question) (?P<number>\w+): (?P<title>.*) \(\d+ points?\)", re.MULTILINE)
CHECK = re.compile(r'with check\("(.+?)"')
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


def text_of(path: Path) -> str:
    """What a notebook's cell holds of a file of `given/`."""
    text = path.read_text(encoding="utf-8")
    return text.partition(MARK)[2].strip("\n") if MARK in text else text.strip("\n")


def assembled(course: Course, assignment: str, notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is committed: with its given code, its tables, its folded cells, in normal form."""
    made = notebooks.normal_form(notebook)
    for cell in made.cells:
        path = file_of(course, assignment, cell)
        if path is not None:
            cell.source = text_of(path)
        elif notebooks.grade_id(cell) == EXERCISES:
            cell.source = scoreboard_table(made)
        elif cell.cell_type == "markdown" and TABLE.search(cell.source):
            cell.source = TABLE.sub(lambda found: points_table(made), cell.source)
    return notebooks.normal_form(made)


def differing(course: Course, assignment: str, notebook: NotebookNode) -> list[str]:
    """What `assembled` would change beside the normal form, in words."""
    made = assembled(course, assignment, notebook)
    faults = []
    for cell, wanted in zip(notebooks.normal_form(notebook).cells, made.cells):
        if cell.source != wanted.source:
            name, path = notebooks.grade_id(cell), file_of(course, assignment, cell)
            source = path.relative_to(course.root) if path else "what the test cells say"
            faults.append(f"{name or 'the table of points'} differs from {source}")
    return faults


def points_table(notebook: NotebookNode) -> str:
    """The table of exercises and points for the introduction, in Markdown."""
    cells, rows, heading = notebooks.by_id(notebook), [], None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = list(HEADING.finditer(cell.source))
            heading = found[-1] if found else heading
        elif notebooks.kind(cell) == "solution" and heading is not None:
            name = notebooks.grade_id(cell)
            points = sum(notebooks.points(cells[test]) for test in notebooks.tests_of(notebook)[name])
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
        f'"""For the scoreboard: what you write in each exercise, and its points."""\n\ncheck.exercises = {table!r}\n'
    )
    line = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--stdin-filename=cell.py", "-"]
    return subprocess.run(line, input=text, capture_output=True, text=True, check=True).stdout.strip("\n")


def written_in(cell: NotebookNode) -> str:
    """The name that a solution cell makes: of its first class, function or assignment."""
    for node in ast.parse(cell.source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            return node.name
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            return node.targets[0].id
    return notebooks.grade_id(cell) or ""
