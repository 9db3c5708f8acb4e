"""Make a large graded class of a small one, in seconds: what tables, exports and reports cost is measured with it."""

import json
import os
import shutil
from itertools import cycle
from pathlib import Path

from nbgrader.api import Comment, Grade, Student, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import Connection, Table, insert, select

from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import records
from grading.gradebook.database import ClassGradebook


def enlarge(course: Course, assignment: str, number: int) -> list[str]:
    """Enlarge a graded class to `number` students by copying work, grades, and records of the existing ones.

    Files are linked and not copied: nothing in the course changes them in place.

    Returns:
        The new students.

    Raises:
        CourseError: nobody is graded yet.
    """
    known = sorted(records.read(course, assignment))
    if not known:
        raise CourseError(f"Nothing is graded yet for '{assignment}'. Run: make grade ASSIGNMENT={assignment}")
    pairs = [(old, f"clone-{n:05}") for n, old in zip(range(number - len(known)), cycle(known))]
    with ClassGradebook(course) as gradebook:
        entry = gradebook.find_assignment(assignment).id
        with gradebook.engine.begin() as connection:
            _copy_rows(connection, entry, pairs)
    for old, new in pairs:
        for folder in ("submitted", "autograded"):
            source = course.root / folder / old / assignment
            if source.is_dir():
                shutil.copytree(source, course.root / folder / new / assignment, copy_function=os.link)
        _copy_record(records.file_of(course, assignment, old), records.file_of(course, assignment, new), new)
    return [new for _, new in pairs]


def _copy_record(source: Path, target: Path, student: str) -> None:
    data = json.loads(source.read_text(encoding="utf-8"))
    target.write_text(json.dumps({**data, "student": student}, indent=1, ensure_ascii=False), encoding="utf-8")


def _copy_rows(connection: Connection, assignment: str, pairs: list[tuple[str, str]]) -> None:
    """Copy an existing student's rows for each new student. Ids end with the new student's name."""
    students, submitted = Student.__table__, SubmittedAssignment.__table__
    notebooks, grades, comments = SubmittedNotebook.__table__, Grade.__table__, Comment.__table__
    of = {row.student_id: row for row in _rows(connection, submitted, "assignment_id", [assignment])}
    inside = _grouped(_rows(connection, notebooks, "assignment_id", [row.id for row in of.values()]), "assignment_id")
    ids = [row.id for rows in inside.values() for row in rows]
    rows: dict[Table, list[dict]] = {table: [] for table in (students, submitted, notebooks, grades, comments)}
    below = {
        table: _grouped(_rows(connection, table, "notebook_id", ids), "notebook_id") for table in (grades, comments)
    }
    for old, new in pairs:
        if old not in of:
            continue
        rows[students].append({"id": new})
        top = {**of[old]._mapping, "id": _named(of[old].id, new), "student_id": new}
        rows[submitted].append(top)
        for notebook in inside.get(of[old].id, []):
            own = {**notebook._mapping, "id": _named(notebook.id, new), "assignment_id": top["id"]}
            rows[notebooks].append(own)
            for table in (grades, comments):
                rows[table] += [
                    {**row._mapping, "id": _named(row.id, new), "notebook_id": own["id"]}
                    for row in below[table].get(notebook.id, [])
                ]
    for table, new_rows in rows.items():
        if new_rows:
            connection.execute(insert(table), new_rows)


def _rows(connection: Connection, table: Table, column: str, values: list[str]) -> list:
    return list(connection.execute(select(table).where(table.c[column].in_(values))))


def _grouped(rows: list, column: str) -> dict[str, list]:
    groups: dict[str, list] = {}
    for row in rows:
        groups.setdefault(getattr(row, column), []).append(row)
    return groups


def _named(identity: str, student: str) -> str:
    """An id of 32 characters, as nbgrader's are."""
    return f"{identity[: 32 - len(student)]}{student}"
