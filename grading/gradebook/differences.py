"""What differs between two gradebooks: student, exercise, old and new points, why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from rich.markup import escape
from rich.table import Table
from sqlalchemy import create_engine, inspect

from grading.course import gradebook_url, notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import copies, scores
from grading.gradebook.records import Record
from grading.gradebook.scores import Cell, Submission

BY_HAND = "given by hand"


@dataclass(frozen=True)
class Change:
    """A student's points in an exercise, before and after; None if there was no score.

    Attributes:
        why: the tests that differ, in words.
    """

    student: str
    assignment: str
    exercise: str
    old: float | None
    new: float | None
    why: str


def open_gradebook(path: Path) -> Gradebook:
    """nbgrader's gradebook in a file.

    Raises:
        CourseError: there is no such file, or it is no gradebook. (nbgrader would make a new one.)
    """
    if not path.is_file():
        raise CourseError(f"{path}: no such gradebook")
    if not path.read_bytes()[:16].startswith(b"SQLite format 3"):
        raise CourseError(f"{path}: is not an nbgrader gradebook")
    return Gradebook(f"sqlite:///{path}", course_id=None)


def open_server(url: str) -> Gradebook:
    """nbgrader's gradebook on a server.

    Raises:
        CourseError: the URL is wrong, or there is no gradebook. (nbgrader would make a new one.)
        DBAPIError: the server does not answer.
    """
    address = gradebook_url.patient(url, "the URL")
    engine = create_engine(address)
    try:
        if not inspect(engine).has_table("grade"):
            raise CourseError(f"the database {engine.url.database}: is not an nbgrader gradebook")
    finally:
        engine.dispose()
    return Gradebook(address, course_id=None)


@contextmanager
def opened(course: Course, place: Path | str) -> Iterator[Gradebook]:
    """A gradebook file, a copy by pg_dump, the URL of a server, or, as `gradebook.db`, the course's own on a server.

    Raises:
        CourseError: there is no such file, or it cannot be read as a gradebook.
    """
    if ":/" in str(place):
        with open_server(str(place)) as gradebook:
            yield gradebook
        return
    path = Path(place)
    if path.is_file():
        with path.open("rb") as file:
            dumped = file.read(len(copies.DUMP)) == copies.DUMP
        with copies.restored(course, path) if dumped else open_gradebook(path) as gradebook:
            yield gradebook
    elif path.resolve() == course.root / "gradebook.db" and course.gradebook_file is None:
        with course.gradebook() as gradebook:
            yield gradebook
    else:
        with open_gradebook(path) as gradebook:
            yield gradebook


def compare_files(course: Course, a: Path | str, b: Path | str) -> list[Change]:
    """What differs in any assignment between two gradebooks, see `opened`."""
    with opened(course, a) as old, opened(course, b) as new:
        names = sorted({x.name for x in old.assignments} | {x.name for x in new.assignments})
        changes = []
        for name in names:
            solutions = {
                cell.name
                for book in (old, new)
                for assignment in book.assignments
                if assignment.name == name
                for notebook in assignment.notebooks
                for cell in notebook.solution_cells
            }
            changes += compare(scores.read(old, name), scores.read(new, name), sorted(solutions))
        return changes


def compare(
    before: dict[str, Submission],
    after: dict[str, Submission],
    exercises: list[str],
    records: dict[str, Record] | None = None,
) -> list[Change]:
    """What differs between the scores of two gradebooks in one assignment.

    Args:
        exercises: the names of the solution cells, to which tests are added up.
        records: of the newer grading; they explain the differences.
    """
    changes = []
    for student in sorted({*before, *after}):
        old, new = before.get(student), after.get(student)
        if old is None or new is None:
            if new is not None:
                change = Change(student, new.assignment, "everything", None, new.score, "not in the old gradebook")
                changes.append(change)
            elif old is not None:
                change = Change(student, old.assignment, "everything", old.score, None, "not in the new gradebook")
                changes.append(change)
            continue
        found = (records or {}).get(student)
        reasons: dict[str, list[str]] = {}
        points: dict[str, tuple[float, float]] = {}
        moved = set()
        for name in list(dict.fromkeys([*old.cells, *new.cells])):
            exercise = notebooks.exercise_of(name, exercises) or name
            one, other = old.cells.get(name), new.cells.get(name)
            was, now = points.get(exercise, (0.0, 0.0))
            points[exercise] = was + (one.points if one else 0.0), now + (other.points if other else 0.0)
            why = _why(one, other, (found.tests if found else {}).get(name, {}))
            if why:
                reasons.setdefault(exercise, []).append(f"{name}: {why}")
            if (one.points if one else 0.0) != (other.points if other else 0.0) or BY_HAND in why:
                moved.add(exercise)
        for exercise, found_reasons in reasons.items():
            if (
                exercise in moved
            ):  # a test that was added, removed or reweighted, and gives 0 points before and after, is not listed
                changes.append(Change(student, new.assignment, exercise, *points[exercise], "; ".join(found_reasons)))
        if abs(old.penalty - new.penalty) > 1e-9:
            changes.append(Change(student, new.assignment, "late", -old.penalty, -new.penalty, "the penalty differs"))
    return changes


def _why(old: Cell | None, new: Cell | None, test: dict) -> str:
    """Why a cell's points differ; empty if they do not."""
    lost = " ".join(filter(None, (test.get("error"), test.get("mistake") and f"({test['mistake']})")))
    if old is None:
        return "is new" + (f": {lost}" if lost else "")
    if new is None:
        return "was removed"
    said = []
    if old.full != new.full:
        said.append(f"gives {new.full:g} points instead of {old.full:g}")
        if new.manual is not None:
            said.append(f"the {new.manual:g} points {BY_HAND} stay")
    if old.points == new.points:
        return ", ".join(said)
    if old.manual != new.manual or old.extra != new.extra:
        said.append("graded by hand")
    elif new.points < new.full:
        said.append(lost or "loses points now")
    elif old.points < old.full:
        said.append("passes now")
    return ", ".join(said) or "differs"


def table(changes: list[Change]) -> Table:
    """The changes for a terminal."""
    shown = Table(show_lines=False)
    for heading in ("student", "assignment", "exercise"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("old", "new"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("why", overflow="fold", ratio=1)
    for c in changes:
        old, new = ("-" if value is None else f"{value:g}" for value in (c.old, c.new))
        shown.add_row(escape(c.student), c.assignment, c.exercise, old, new, escape(c.why))
    return shown
