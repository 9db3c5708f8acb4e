"""A sample class: the released notebooks, filled in from the solutions and the catalogue."""

import hashlib
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from grading.course import catalogue, notebooks
from grading.course.catalogue import CatalogueError, Entry
from grading.course.folder import Course, with_own_gradebook
from grading.gradebook import secret


@dataclass(frozen=True)
class SampleStudent:
    """A student of `mistakes/class.toml`.

    Attributes:
        id: the name of the folder in `submitted/`.
        answers: "solutions", "nothing", or the names of catalogue entries that replace solutions.
    """

    id: str
    answers: str | tuple[str, ...]


def load_class(path: Path) -> list[SampleStudent]:
    """The students of `class.toml`, in order."""
    students = tomllib.loads(path.read_text(encoding="utf-8"))["student"]
    return [
        SampleStudent(s["id"], tuple(s["answers"]) if isinstance(s["answers"], list) else s["answers"])
        for s in students
    ]


def entries_of(student: SampleStudent, entries: list[Entry]) -> list[Entry]:
    """The catalogue entries of one assignment that this student wrote."""
    return [] if isinstance(student.answers, str) else [entry for entry in entries if entry.name in student.answers]


def submission(course: Course, assignment: str, student: SampleStudent, entries: list[Entry]) -> NotebookNode:
    """The student's notebook: the release with its gaps filled.

    Raises:
        CatalogueError: the student wrote two answers to one exercise.
    """
    notebook = notebooks.read(course.root / "release" / assignment / f"{assignment}.ipynb")
    if student.answers == "nothing":
        return notebook
    solved = notebooks.by_id(notebooks.read(course.source(assignment)))
    answers = {name: cell.source for name, cell in solved.items() if notebooks.kind(cell) == "solution"}
    written = entries_of(student, entries)
    if len({entry.cell for entry in written}) < len(written):
        raise CatalogueError(f"class.toml: {student.id} has two answers to one exercise of {assignment}")
    answers |= {entry.cell: entry.source for entry in written}
    for name, cell in notebooks.by_id(notebook).items():
        if name in answers:
            cell.source = notebooks.without_markers(answers[name])
    return notebook


def expected(notebook: NotebookNode, student: SampleStudent, entries: list[Entry]) -> dict[str, float]:
    """The points that every test cell must get."""
    lost = {test for entry in entries_of(student, entries) for test in entry.loses}
    return {
        name: 0.0 if student.answers == "nothing" or name in lost else notebooks.points(cell)
        for name, cell in notebooks.by_id(notebook).items()
        if notebooks.kind(cell) == "test"
    }


def hand_in(course: Course, assignment: str, students: list[SampleStudent]) -> None:
    """Write every student's notebook to `submitted/`."""
    path = course.root / "mistakes" / f"{assignment}.toml"
    entries = catalogue.load(path, notebooks.read(course.source(assignment)))
    for student in students:
        target = course.root / "submitted" / student.id / assignment / f"{assignment}.ipynb"
        notebooks.write(submission(course, assignment, student, entries), target)


def prepare(course: Course, folder: Path) -> Course:
    """A fresh copy of a course's sources, catalogue, rubrics and settings in another folder, with its own gradebook.

    What was in that folder is deleted. The secret is always the same: a sample class gets the same inputs each time.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    shutil.copy(course.root / "nbgrader_config.py", folder)
    for name in ("source", "mistakes", "rubrics"):
        if (course.root / name).is_dir():
            shutil.copytree(course.root / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    own = with_own_gradebook(Course(folder))
    secret.file_of(own).write_text(hashlib.sha256(b"the sample class").hexdigest() + "\n", encoding="ascii")
    secret.file_of(own).chmod(0o600)
    return own
