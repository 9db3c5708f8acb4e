"""Notebooks as the course sees them: cells by grade_id, their kind, the hidden part of a test, the normal form."""

import json
import re
import warnings
from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.warnings import DuplicateCellId, MissingIDFieldWarning

BEGIN_HIDDEN, END_HIDDEN = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
DEMONSTRATION = "demonstration"  # the tag of a cell that is not run while grading, if the student left it as it was
TO_READ = "to-read"  # the tag of a given cell that a student should read: it is not folded
MARKER = re.compile("### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)")
DRAWS = re.compile(
    r"\bplt\.|\bshow_\w+\(|\bplay_\w+\(|\baxes\(|\bplotly\b|\bdraw_\w+\("
)  # what a cell calls that makes a picture
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class NotebookError(ValueError):
    """A notebook cannot be read; the message names the file and the remedy."""


def read(path: Path) -> NotebookNode:
    """Read a notebook as nbformat 4; a byte-order mark is skipped.

    Raises:
        NotebookError: the file is missing, is no JSON, or is no notebook.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotebookError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NotebookError(f"{path}: cannot be read ({error}); ask for the file again") from None
    return parse(text, path)


def read_once(path: Path) -> NotebookNode:
    """Like `read`, but cached until the file changes. Do not modify the result.

    Raises:
        NotebookError: as `read`.
        FileNotFoundError: the file is missing.
    """
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> NotebookNode:
    return read(path)


def parse(text: str, path: Path) -> NotebookNode:
    """The notebook in a file's text, as nbformat 4; `path` is for the message.

    Raises:
        NotebookError: the text is no JSON, or no notebook.
    """
    try:
        with warnings.catch_warnings():
            # Students copy cells with their ids, and old programs write no ids. nbformat repairs both.
            warnings.simplefilter("ignore", DuplicateCellId)
            warnings.simplefilter("ignore", MissingIDFieldWarning)
            notebook = nbformat.reads(text, as_version=4)
        if not all(isinstance(cell, dict) for cell in notebook.cells):
            raise ValueError("a cell is no object")
        return notebook
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotebookError(
            f"{path}: is not a notebook ({reason[:200]}); ask for it again, saved by Jupyter as .ipynb"
        ) from None


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook as Jupyter does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def dumps(notebook: NotebookNode) -> str:
    """A notebook as text for programs: `nbformat.writes` takes ten times as long, to indent it for people."""
    return json.dumps(notebook, ensure_ascii=False, sort_keys=True)


def grade_id(cell: NotebookNode) -> str | None:
    """The nbgrader name of a cell, or None."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def kind(cell: NotebookNode) -> str | None:
    """ "solution" (the student writes it), "test" (it is graded), "given" (locked), or None (free to change)."""
    data = cell.metadata.get("nbgrader", {})
    if data.get("solution"):
        return "solution"
    if data.get("grade"):
        return "test"
    return "given" if data.get("locked") else None


def by_hand(cell: NotebookNode) -> bool:
    """Whether a person grades the cell: an answer in words, or one of nbgrader's tasks."""
    data = cell.metadata.get("nbgrader", {})
    return bool(data.get("task") or (data.get("solution") and data.get("grade")))


def points(cell: NotebookNode) -> float:
    """The points of a cell; 0 for one that is not graded."""
    return float(cell.metadata.get("nbgrader", {}).get("points", 0))


def by_id(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells that have a grade_id, in order."""
    return {name: cell for cell in notebook.cells if (name := grade_id(cell))}


def exercise_of(test_id: str, exercises: list[str]) -> str | None:
    """The exercise that a test cell belongs to: the longest name for which it is `test_<name>` or `test_<name>_...`."""
    found = [name for name in exercises if re.fullmatch(rf"test_{re.escape(name)}(_\w+)?", test_id)]
    return max(found, key=len, default=None)


def tests_of(notebook: NotebookNode) -> dict[str, list[str]]:
    """The test cells of each exercise, in order; an exercise is a solution cell that not only a person grades."""
    cells = by_id(notebook)
    exercises: dict[str, list[str]] = {name: [] for name, cell in cells.items() if kind(cell) == "solution"}
    for name, cell in cells.items():
        owner = exercise_of(name, list(exercises)) if kind(cell) == "test" else None
        if owner:
            exercises[owner].append(name)
    return {name: tests for name, tests in exercises.items() if tests or not by_hand(cells[name])}


def graded_of(notebook: NotebookNode) -> dict[str, list[str]]:
    """The cells that give points, grouped by exercise, in order.

    A test belongs to its exercise. An answer or a task that a person grades, and a test of no exercise, form a group of
    their own.
    """
    tests = tests_of(notebook)
    owner = {test: exercise for exercise, own in tests.items() for test in own}
    graded: dict[str, list[str]] = {}
    for name, cell in by_id(notebook).items():
        data = cell.metadata["nbgrader"]
        if name in tests and (tests[name] or data.get("grade")):
            graded.setdefault(name, [])
        if data.get("grade") or data.get("task"):
            graded.setdefault(owner.get(name, name), []).append(name)
    return graded


def answers_of(notebook: NotebookNode) -> dict[str, str]:
    """What a student wrote for each question that a person grades, by grade_id, in order.

    The answer to a task is in the cells behind it, up to the next one that nbgrader knows.
    """
    found: dict[str, str] = {}
    task: str | None = None
    for cell in notebook.cells:
        name = grade_id(cell)
        if name:
            task = name if by_hand(cell) and kind(cell) != "solution" else None
            if by_hand(cell):
                found[name] = "" if task else cell.source
        elif task is not None and cell.source.strip():
            found[task] = f"{found[task]}\n\n{cell.source}".lstrip("\n")
    return found


def without_markers(source: str) -> str:
    """The lines of a cell without nbgrader's markers of solutions and hidden tests."""
    return "\n".join(line for line in source.split("\n") if not MARKER.search(line))


def solution_lines(source: str) -> dict[int, str]:
    """The lines between the markers of a solution, by their numbers, from 1."""
    lines, inside = {}, False
    for number, line in enumerate(source.split("\n"), start=1):
        if "BEGIN SOLUTION" in line or "END SOLUTION" in line:
            inside = "BEGIN" in line
        elif inside:
            lines[number] = line
    return lines


def split_hidden(source: str) -> tuple[str, str]:
    """The visible and the hidden part of a test cell, without the two marker lines.

    Lines keep their numbers: lines of the other part are blank.
    """
    visible, hidden, inside = [], [], False
    for line in source.split("\n"):
        if BEGIN_HIDDEN in line or END_HIDDEN in line:
            inside = BEGIN_HIDDEN in line
            visible.append("")
            hidden.append("")
        else:
            visible.append("" if inside else line)
            hidden.append(line if inside else "")
    return "\n".join(visible).rstrip("\n"), "\n".join(hidden).rstrip("\n")


def normal_form(notebook: NotebookNode) -> NotebookNode:
    """A copy as it is committed: no outputs or counts, cell ids kept, code that nobody need read folded.

    No metadata is kept but the kernelspec, nbgrader's, tags, and what folds a cell.
    """
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = NotebookNode(kernelspec=NotebookNode(KERNELSPEC))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    kept = ("nbgrader", "deletable", "editable", "tags")
    for cell in notebook.cells:
        cell.metadata = NotebookNode({key: cell.metadata[key] for key in kept if key in cell.metadata})
        cell.source = "\n".join(line.rstrip() for line in cell.source.split("\n")).strip("\n")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            _fold(cell)
    return notebook


def folded_title(cell: NotebookNode) -> str | None:
    """What a folded cell is called; None for a cell that a student should read."""
    if TO_READ in cell.metadata.get("tags", []):
        return None
    if kind(cell) == "given":
        return "Given code: run this cell, you need not read it"
    if kind(cell) == "test":
        return "Self-check: run this cell"
    if DEMONSTRATION not in cell.metadata.get("tags", []):
        return None
    if DRAWS.search(cell.source):
        return "Picture: run this cell"
    if "self_check(" in cell.source:  # of an optional exercise
        return "Self-check: run this cell"
    return None


def _fold(cell: NotebookNode) -> None:
    """Fold a code cell in JupyterLab (`source_hidden`) and in Colab (a form with a title), if nobody need read it."""
    lines = [line for line in cell.source.split("\n") if not re.match(r"# ?@title ", line)]
    title = folded_title(cell)
    if title is not None:
        lines.insert(0, f"# @title {title}")
        cell.metadata["jupyter"] = NotebookNode(source_hidden=True)
        cell.metadata["cellView"] = "form"
    cell.source = "\n".join(lines)
