"""Who handed in an assignment: lists of missing students, refused submissions, and ungraded submissions."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import MissingEntry

from grading.course import class_list
from grading.course.folder import Course
from grading.gradebook import records
from grading.gradebook.records import Record

BLIND = re.compile(r"participant-\d+")  # what a student is called under blind marking, another number each time


@dataclass(frozen=True)
class HandedIn:
    """What is known about an assignment's submissions.

    Attributes:
        missing: the students of the class list who handed in nothing; None if nobody can tell, under blind marking.
        refused: the records of submissions that could not be graded, by student.
        not_collected: by student, why `make collect` took none of their files.
        waiting: the students whose submission nobody has graded yet.
    """

    missing: list[str] | None
    refused: dict[str, Record]
    not_collected: dict[str, str]
    waiting: list[str]


def together(course: Course, assignment: str) -> dict[str, list[str]]:
    """The members of each student's group, including the student: from the class list and from shared files.

    Raises:
        CourseError: `students.csv` is wrong.
    """
    shared = copied_from(course, assignment)
    groups = class_list.groups(class_list.read(course), assignment).values()
    found: dict[str, list[str]] = {}
    for members in [*groups, *([student, of] for student, of in shared.items())]:
        joined = sorted({one for member in members for one in found.get(member, [member])})
        found |= dict.fromkeys(joined, joined)
    return found


def overview(course: Course, assignment: str) -> HandedIn:
    """Who handed in an assignment. Without a class list, the class is everybody whom the gradebook knows.

    Raises:
        CourseError: `students.csv` is wrong.
    """
    known = records.read(course, assignment)
    folders = (path.parent.name for path in (course.root / "submitted").glob(f"*/{assignment}"))
    submitted = {name.encode("utf-8", "backslashreplace").decode() for name in folders}  # as `records.read` has them
    with course.gradebook() as gradebook:
        everybody = {student.id for student in gradebook.students if not BLIND.fullmatch(student.id)}
        try:
            graded = {one.student.id for one in gradebook.assignment_submissions(assignment)}
        except MissingEntry:
            graded = set()
    there = submitted | graded | known.keys()
    not_collected = {student: why for student, why in _refused(course, assignment).items() if student not in there}
    blind = any(BLIND.fullmatch(student) for student in there)
    return HandedIn(
        None if blind else sorted((class_list.read(course).keys() or everybody) - there - not_collected.keys()),
        {student: record for student, record in known.items() if not record.has_grade},
        not_collected,
        sorted(submitted - graded - known.keys()),
    )


def note_refused(course: Course, assignment: str, reasons: dict[str, str]) -> None:
    """Note, by student, why the last `make collect` took none of their files."""
    notes = _notes(course, assignment, "refused")
    notes.write_text(json.dumps(reasons, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _refused(course: Course, assignment: str) -> dict[str, str]:
    return _read(_notes(course, assignment, "refused"))


def note_copied(course: Course, assignment: str, sources: dict[str, str]) -> None:
    """Note whose submission `make collect` gave to each student who got a copy of their group's."""
    _notes(course, assignment, "groups").write_text(json.dumps(sources, indent=1) + "\n", encoding="utf-8")


def copied_from(course: Course, assignment: str) -> dict[str, str]:
    """By student who got a copy of their group's submission: the member whose submission it is."""
    return _read(_notes(course, assignment, "groups"))


def _read(notes: Path) -> dict[str, str]:
    return json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}


def _notes(course: Course, assignment: str, name: str) -> Path:
    return course.root / "downloaded" / assignment / f"{name}.json"
