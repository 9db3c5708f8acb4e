"""Give grades and feedback pages back to Canvas, through its API.

What is there already is not sent again, so that a run that broke is finished by the next one: grades are compared with
those in Canvas's gradebook, pages with `returned/<assignment>-canvas.json` and the files that Canvas's comments have.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from grading.course import class_list, times
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import scores
from grading.gradebook.scores import Submission
from grading.lms import canvas
from grading.lms.canvas import CanvasError, Place, Submitted
from grading.lms.canvas_download import BREAKS
from grading.lms.fill_worksheet import comment
from grading.lms.plan import ANONYMOUS
from grading.report import table
from grading.report.table import number

TOLERANCE = 5e-5  # of a grade: four decimals are sent


@dataclass
class Item:
    """What is to be sent for one student.

    Attributes:
        students: whose it is; of a group that Canvas grades as one, its members.
        shown: what it is, for a person: "7.5", or "7.5 instead of 5".
        send: sends it.
    """

    students: list[str]
    shown: str
    send: Callable[[], None]


@dataclass
class Posting:
    """What would be sent to Canvas, and after `post` what was.

    Attributes:
        what: "grade" or "feedback page".
        items: what is to be sent.
        same: students for whom Canvas has it already.
        left: students to whom nothing is sent, and why.
        remarks: what is worth knowing, by student.
        sent: students who have it now.
        failed: students who do not, and why.
    """

    what: str
    place: Place
    items: list[Item] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def post(posting: Posting, report: Callable[[str], None] = lambda words: None) -> Posting:
    """Send it, one student after the other; one that fails does not keep the others from it.

    Args:
        report: is called after each of the items.
    """
    broken = 0
    for item in posting.items:
        try:
            if broken == BREAKS:
                raise CanvasError("not tried, as Canvas could not be reached or refused the token before", True)
            with canvas.told(f"the {posting.what}"):
                item.send()
        except CanvasError as error:
            posting.failed |= dict.fromkeys(item.students, str(error))
            broken = BREAKS if error.token else min(broken + 1, BREAKS) if error.network else 0
        else:
            posting.sent += item.students
            broken = 0
        report(", ".join(item.students))
    return posting


def grades(course: Course, assignment: str, scale: bool = False) -> Posting:
    """Compare the gradebook with Canvas's; nothing is sent yet.

    Args:
        scale: Canvas's assignment gives another number of points, and ours are to be scaled to it.

    Raises:
        CourseError: nothing is graded, Canvas's points are others, or Canvas cannot be asked.
    """
    found, full = _graded(course, assignment)
    place = canvas.place(course, assignment)
    kind, possible = getattr(place.source, "grading_type", "points"), getattr(place.source, "points_possible", None)
    if kind not in canvas.POINTS:
        raise CourseError(
            f'{assignment}: Canvas displays its grade as "{kind}", which takes no points. Set it to points.'
        )
    if not scale and possible != full:
        raise CourseError(
            f"{assignment}: Canvas's assignment has {number(possible) or 'no'} points, and the notebook has "
            f"{number(full)}. Set Canvas's points to {number(full)}, or run it again with SCALE=yes."
        )
    factor = (possible or 0) / full if scale and full else 1.0
    posting, by_student = Posting("grade", place), _places(course, place)
    wanted = {}
    for student, submission in sorted(found.items()):
        one = by_student.get(student)
        if one is None:
            posting.left[student] = "Canvas has nobody who is this student; is the lms_id in students.csv right?"
        elif not one.user:
            posting.left[student] = "Canvas hides who it is, and takes a grade only after names are shown"
        elif getattr(one.source, "excused", False):
            posting.left[student] = "is excused in Canvas"
        else:
            wanted[student] = round(submission.score * factor, 4)
            _remark(posting, student, one, submission)
    for students in _units(place, wanted, by_student):
        points = {wanted[student] for student in students}
        if len(points) > 1:
            words = ", ".join(f"{student} {number(wanted[student])}" for student in students)
            reason = f"Canvas gives a whole group one grade, and theirs differ ({words}): let it grade individually"
            posting.left |= dict.fromkeys(students, reason)
            continue
        value, one = points.pop(), by_student[students[0]]
        if all(_has(by_student[student], value, found[student]) for student in students):
            posting.same += students
            continue
        former = "" if one.score is None else f" instead of {number(one.score)}"
        posting.items.append(Item(students, number(value) + former, _grade(posting, students, one, value)))
    return posting


def _has(one: Submitted, value: float, submission: Submission) -> bool:
    """Whether Canvas has this grade, and not for an earlier attempt only."""
    same = one.score is not None and abs(one.score - value) < TOLERANCE
    earlier = getattr(one.source, "grade_matches_current_submission", True) is False
    return same and not (earlier and _is_current(one, submission))


def _grade(posting: Posting, students: list[str], one: Submitted, value: float) -> Callable[[], None]:
    def send() -> None:
        one.source.edit(submission={"posted_grade": number(value)})
        taken = getattr(one.source, "points_deducted", None)
        if taken:
            posting.remarks[students[0]] = f"Canvas's own late policy takes {number(taken)} points off this grade"

    return send


def _units(place: Place, wanted: dict[str, float], by_student: dict[str, Submitted]) -> list[list[str]]:
    """Students who have one grade in Canvas: each alone, or a group that it grades as one."""
    groups: dict[str, list[str]] = {}
    for student in wanted:
        group = by_student[student].group if place.grades_groups else ""
        groups.setdefault(f"group {group}" if group else f"student {student}", []).append(student)
    return list(groups.values())


def pages(course: Course, assignment: str) -> Posting:
    """Look which feedback pages Canvas does not have yet; nothing is sent.

    Raises:
        CourseError: there are no pages, nothing is graded, or Canvas cannot be asked.
    """
    paths = {
        path.parent.parent.name: path
        for path in sorted((course.root / "feedback").glob(f"*/{assignment}/{assignment}.html"))
    }
    if not paths:
        raise CourseError(f"There is no feedback for '{assignment}'. Run: make feedback ASSIGNMENT={assignment}")
    found, _ = _graded(course, assignment)
    place = canvas.place(course, assignment, comments=True)
    posting, by_student, journal = Posting("feedback page", place), _places(course, place), Journal(course, assignment)
    words = {result.student: result.wrong for result in table.collect(course, assignment)}
    for student, path in paths.items():
        one, submission = by_student.get(student), found.get(student)
        if submission is None:
            posting.left[student] = "is not graded, so the page is an old one"
        elif one is None:
            posting.left[student] = "Canvas has nobody who is this student; is the lms_id in students.csv right?"
        elif not one.user:
            posting.left[student] = "Canvas hides who it is, and takes a page only after names are shown"
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if journal.number(one, digest) in _attached(one):
                posting.same.append(student)
                continue
            _remark(posting, student, one, submission)
            text = comment(submission, words.get(student, {}))
            again = " instead of an older one" if journal.former(one) in _attached(one) else ""
            posting.items.append(Item([student], f"page{again}", _page(journal, one, path, digest, text, submission)))
    return posting


def _page(
    journal: "Journal", one: Submitted, path: Path, digest: str, text: str, submission: Submission
) -> Callable[[], None]:
    def send() -> None:
        from grading.compat.canvasapi import upload

        number = journal.number(one, digest)
        if number is None:
            number = upload(one.source, path)
            journal.write(one, digest, number)
        current = {"attempt": one.attempt} if one.attempt and _is_current(one, submission) else {}
        one.source.edit(comment={"text_comment": text, "file_ids": [number], **current})

    return send


def _attached(one: Submitted) -> set[int | None]:
    """The files in the comments that Canvas has."""
    comments = getattr(one.source, "submission_comments", None) or []
    return {file.get("id") for comment in comments for file in comment.get("attachments") or []}


class Journal:
    """Which page Canvas has under which number of a file; written before the comment that shows the file."""

    def __init__(self, course: Course, assignment: str) -> None:
        self.path = course.root / "returned" / f"{assignment}-canvas.json"
        self.known = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}

    def number(self, one: Submitted, digest: str) -> int | None:
        """The number of the file with this content; None if it has not been uploaded."""
        entry = self.known.get(self._key(one), {})
        return entry["file"] if entry.get("page") == digest else None

    def former(self, one: Submitted) -> int | None:
        """The number of the last file, whatever its content."""
        return self.known.get(self._key(one), {}).get("file")

    def write(self, one: Submitted, digest: str, number: int) -> None:
        self.known[self._key(one)] = {"page": digest, "file": number}
        self.path.parent.mkdir(exist_ok=True)
        half = self.path.with_suffix(".new")
        half.write_text(json.dumps(self.known, indent=1) + "\n", encoding="utf-8")
        half.replace(self.path)

    def _key(self, one: Submitted) -> str:
        return f"{one.source.course_id}/{one.source.assignment_id}/{one.user}"


def _graded(course: Course, assignment: str) -> tuple[dict[str, Submission], float]:
    with course.gradebook() as gradebook:
        found, full = scores.read(gradebook, assignment), scores.full_score(gradebook, assignment)
    if not found:
        raise CourseError(f"{assignment}: nothing is graded yet. Run: make grade ASSIGNMENT={assignment}")
    return found, full


def _places(course: Course, place: Place) -> dict[str, Submitted]:
    """Canvas's submission by nbgrader's id, also by the one of a class that was graded blind."""
    ids = place.ids(class_list.read(course))
    blind = {f"{ANONYMOUS}{one.anonymous}": one for one in place.submissions if one.anonymous}
    return blind | {ids[key]: one for one in place.submissions if (key := one.user or one.anonymous) in ids}


def _is_current(one: Submitted, submission: Submission) -> bool:
    """Whether what was graded is what Canvas has now."""
    return submission.handed_in is not None and submission.handed_in == one.submitted


def _remark(posting: Posting, student: str, one: Submitted, submission: Submission) -> None:
    newer: datetime | None = one.submitted
    if newer and submission.handed_in and newer > submission.handed_in:
        posting.remarks[student] = f"handed in again on {times.written(newer)}, and that is not graded yet"
