"""Answers that a person grades: which ones there are, who has which one open, and how points are saved.

The answer of a group is graded once and counts for every member who handed in the same.
Several people can grade at the same time. An answer is claimed while somebody looks at it. Nothing is written if its
points, its comment or the answer itself have changed since it was read, in formgrader or by `make grade`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from nbgrader.api import Grade, MissingEntry
from sqlalchemy import update

from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import handed_in, records, scores
from grading.gradebook.database import ClassGradebook


class ChangedError(CourseError):
    """Points, comment or answer are not what the grader saw; nothing is written."""


@dataclass(frozen=True)
class Question:
    """A question that a person grades.

    Attributes:
        name: the grade_id of the cell with the answer.
        text: what is asked, in Markdown.
        model: the instructor's answer; empty for a task.
    """

    assignment: str
    name: str
    text: str
    model: str


@dataclass(frozen=True)
class Place:
    """Where an answer is: one student's to one question.

    Attributes:
        others: the members of the student's group who handed in the same answer.
    """

    question: Question
    student: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer as it is now.

    Attributes:
        text: what the student wrote.
        full: the most that it gives.
        points: what a person gave; None if nobody did.
        comment: what a person wrote, in Markdown.
        waiting: nobody has graded it since it was handed in.
        graded_at: when the submission was autograded last.
        others: the same answer, as it is in the gradebook for the other members of the group.
    """

    place: Place
    text: str
    full: float
    points: float | None
    comment: str
    waiting: bool
    graded_at: str
    others: tuple["Answer", ...] = ()

    @property
    def of_all(self) -> tuple["Answer", ...]:
        """This answer for each member of the group."""
        return (self, *self.others)

    @property
    def given(self) -> "Answer":
        """The answer of the first member who has points; if nobody has any, this one."""
        return next((one for one in self.of_all if one.points is not None), self)


def questions(course: Course, assignment: str) -> list[Question]:
    """The questions that a person grades, in order."""
    found, asked = [], ""
    for cell in notebooks.read(course.source(assignment)).cells:
        name = notebooks.grade_id(cell)
        if name and notebooks.by_hand(cell):
            answered = notebooks.kind(cell) == "solution"
            model = notebooks.without_markers(cell.source)
            found.append(Question(assignment, name, asked if answered else cell.source, model if answered else ""))
        elif cell.cell_type == "markdown":
            asked = cell.source
    return found


def places(course: Course, question: Question, again: bool = False) -> list[Place]:
    """The places of the answers that wait for a person, in an order that says nothing about the students.

    Args:
        again: also those that are graded, or that nobody has to grade.
    """
    with course.gradebook() as gradebook:
        everybody = scores.read(gradebook, question.assignment)
    wanted = [student for student, own in everybody.items() if again or question.name in own.waiting]
    found = [place for place in (Place(question, one) for one in wanted) if _notebook(course, place).is_file()]
    groups = handed_in.together(course, question.assignment)
    return sorted({_of_group(course, place, groups.get(place.student, [])) for place in found}, key=order)


def _of_group(course: Course, place: Place, members: list[str]) -> Place:
    """The place of the whole group's answer; it is the same one for every member who handed in the same."""
    text, _ = _handed_in(course, place) if members else (None, "")
    if text is None:
        return place
    places = [Place(place.question, member) for member in members]
    same = sorted((one for one in places if one == place or _handed_in(course, one)[0] == text), key=order)
    return Place(place.question, same[0].student, tuple(one.student for one in same[1:]))


def order(place: Place) -> str:
    """The sort key of answers. It differs between questions, so that nobody's answers always come last."""
    whole = f"{place.question.assignment}\0{place.question.name}\0{place.student}"
    return hashlib.sha256(whole.encode("utf-8", "backslashreplace")).hexdigest()


def read(course: Course, place: Place) -> Answer | None:
    """An answer as it is now; None if there is none."""
    with course.gradebook() as gradebook:
        own = scores.read(gradebook, place.question.assignment, place.student).get(place.student)
    text, graded_at = _handed_in(course, place)
    if own is None or text is None or place.question.name not in own.cells:
        return None
    cell, comment = own.cells[place.question.name], own.comments.get(place.question.name, "")
    others = [read(course, Place(place.question, student)) for student in place.others]
    same = tuple(other for other in others if other and other.text == text)
    return Answer(place, text, cell.full, cell.manual, comment, cell.needs_grading, graded_at, same)


def _notebook(course: Course, place: Place) -> Path:
    name = place.question.assignment
    return course.root / "autograded" / place.student / name / f"{name}.ipynb"


def _handed_in(course: Course, place: Place) -> tuple[str | None, str]:
    """What the student wrote, None if that cannot be read, and when it was autograded."""
    record = records.read_one(course, place.question.assignment, place.student)
    graded_at = record.graded_at if record else ""
    try:
        return notebooks.answers_of(notebooks.read_once(_notebook(course, place))).get(place.question.name), graded_at
    except (OSError, notebooks.NotebookError):
        return None, graded_at


@contextmanager
def claimed(course: Course, place: Place) -> Iterator[bool]:
    """Keep an answer from other graders; False if somebody has it. It is free when the block or the process ends."""
    # Not in records/<assignment>/, which a regrade replaces.
    folder = course.root / "records" / ".marking"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{order(place)[:32]}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def save(course: Course, answer: Answer, points: float, comment: str) -> None:
    """Write points and a comment as formgrader does, for the whole group, if `answer` is still current.

    Raises:
        ChangedError: it is not; nothing is written, for nobody.
        CourseError: the points are not between 0 and those of the question.
    """
    if not 0 <= points <= answer.full:
        raise CourseError(f"{points:g} points: the question gives 0 to {answer.full:g}")
    with ClassGradebook(course) as gradebook, gradebook.transaction():
        for one in answer.of_all:
            _save(course, gradebook, one, points, comment)


def _save(course: Course, gradebook: ClassGradebook, answer: Answer, points: float, comment: str) -> None:
    question, student = answer.place.question, answer.place.student
    where = (question.name, question.assignment, question.assignment, student)
    try:
        grade, note = gradebook.find_grade(*where), gradebook.find_comment(*where)
    except MissingEntry:
        raise ChangedError("The submission is no longer in the gradebook.") from None
    as_seen = (
        Grade.id == grade.id,
        Grade.manual_score.is_not_distinct_from(answer.points),
        Grade.needs_manual_grade == answer.waiting,
    )
    written = gradebook.db.execute(
        update(Grade).where(*as_seen).values(manual_score=points, needs_manual_grade=False),
        execution_options={"synchronize_session": False},
    )
    # From here on no other program can write. `make grade` removes the record before it writes other scores.
    now = _handed_in(course, answer.place)
    commented = (note.manual_comment or "") == answer.comment
    if written.rowcount != 1 or not commented or now != (answer.text, answer.graded_at):
        raise ChangedError("It was graded or handed in again meanwhile; nothing is written.")
    note.manual_comment = comment or None
