"""Due dates, extensions and what a late submission costs: one line in `nbgrader_config.py`.

    c.LatePolicy.rule = "10 % a day, at most 50 %, 15 minutes free"
    c.LatePolicy.timezone = "Europe/Berlin"
    c.LatePolicy.due = {"optimizers": "2026-11-20 23:59"}

The due date can also be set in formgrader, in UTC. Extensions are in `students.csv`, see `grading.course.class_list`.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime

from nbgrader import api
from nbgrader.api import MissingEntry
from nbgrader.plugins import LateSubmissionPlugin
from sqlalchemy.orm import selectinload
from traitlets import Dict, TraitError, Unicode, validate

from grading.course import class_list, times
from grading.course.errors import CourseError
from grading.course.folder import Course

SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
RATE = re.compile(r"(?P<percent>\d+(?:\.\d+)?) ?% (?:a|an|per|each) (?P<unit>hour|day|week)")
MOST = re.compile(r"at most (?P<percent>\d+(?:\.\d+)?) ?%")
FREE = re.compile(r"(?P<number>\d+(?:\.\d+)?) (?P<unit>minute|hour|day)s? free")


@dataclass(frozen=True)
class Rule:
    """The cost of being late.

    Attributes:
        share: the part of the points reached that each started unit of time costs.
        unit: in seconds.
        most: the largest part that is taken off.
        free: seconds of grace, which are not counted.
    """

    share: float = 0.0
    unit: float = SECONDS["day"]
    most: float = 1.0
    free: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Read "none", "no points", or parts like "10 % a day, at most 50 %, 15 minutes free".

        Raises:
            ValueError: a part is not understood.
        """
        if text.strip() in ("", "none"):
            return cls()
        values: dict[str, float] = {}
        for part in (part.strip() for part in text.split(",")):
            if match := RATE.fullmatch(part):
                values |= {"share": float(match["percent"]) / 100, "unit": SECONDS[match["unit"]]}
            elif match := MOST.fullmatch(part):
                values["most"] = float(match["percent"]) / 100
            elif match := FREE.fullmatch(part):
                values["free"] = float(match["number"]) * SECONDS[match["unit"]]
            elif part == "no points":
                values["share"] = 1.0
            else:
                raise ValueError(
                    f'"{part}" is not understood. A rule reads "none", "no points", or for example '
                    '"10 % a day, at most 50 %, 15 minutes free".'
                )
        if "share" not in values:
            raise ValueError(f'"{text}" does not say what is taken off, such as "10 % a day"')
        return cls(**values)

    def penalty(self, score: float, seconds: float) -> float:
        """The points to take off from `score` when so many seconds late."""
        started = math.ceil((seconds - self.free) / self.unit)
        return max(score, 0.0) * min(self.share * started, self.most, 1.0) if started > 0 else 0.0


class LatePolicy(LateSubmissionPlugin):
    """nbgrader's plugin for late penalties, with the rule of the course."""

    rule = Unicode("none", help='For example "10 % a day, at most 50 %, 15 minutes free".').tag(config=True)
    due = Dict({}, help="Due dates by assignment, ISO 8601. For others formgrader's count.").tag(config=True)
    timezone = Unicode("UTC", help="The course's time zone, an IANA name such as Europe/Berlin.").tag(config=True)

    @validate("rule")
    def _valid_rule(self, proposal: dict) -> str:
        try:
            Rule.parse(proposal["value"])
        except ValueError as error:
            raise TraitError(f"c.LatePolicy.rule: {error}") from None
        return proposal["value"]

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        """The points to take off; None if there is nothing to take off."""
        return Rule.parse(self.rule).penalty(score, total_seconds_late) or None


def settings(course: Course) -> tuple[LatePolicy, dict[str, datetime]]:
    """The late policy of the course, and its due dates in UTC, without a zone, by assignment.

    Raises:
        CourseError: the rule, a due date or the time zone is wrong.
    """
    zone, due = times.zone_of(course), {}
    try:
        policy = LatePolicy(config=course.config)
    except TraitError as error:
        raise CourseError(f"nbgrader_config.py: {error}") from None
    for name, text in policy.due.items():
        try:
            due[name] = times.parse(str(text), zone)
        except ValueError as error:
            raise CourseError(f"nbgrader_config.py: c.LatePolicy.due of {name}: {error}") from None
    unknown = set(due) - set(course.assignments)
    if unknown:
        raise CourseError(f"nbgrader_config.py: c.LatePolicy.due: there is no assignment {', '.join(sorted(unknown))}")
    return policy, due


def due_in_words(course: Course, assignment: str) -> str:
    """The due date in the course's zone, for tables; empty if there is none."""
    with course.gradebook() as gradebook:
        try:
            due = gradebook.find_assignment(assignment).duedate
        except MissingEntry:
            return ""
    return "" if due is None else times.shown(due, times.zone_of(course))


def apply(course: Course) -> dict[tuple[str, str], tuple[float, float]]:
    """Write names, due dates and extensions to the gradebook, and recompute all penalties. Nothing is executed.

    Returns:
        For each (assignment, student) whose penalty changed, the old one and the new one.

    Raises:
        CourseError: `students.csv`, the rule or a due date is wrong.
    """
    students = class_list.read(course)
    policy, due = settings(course)
    zone = times.zone_of(course)
    changed = {}
    with course.gradebook() as gradebook:
        rows = {row.id: row for row in gradebook.students}
        for student in students.values():
            row = rows.get(student.id) or api.Student(id=student.id)
            row.first_name, row.last_name = student.first_name or None, student.last_name or None
            row.email, row.lms_user_id = student.email or None, student.lms_id or None
            gradebook.db.add(row)
        for name, date in due.items():
            try:
                assignment = gradebook.find_assignment(name)
            except MissingEntry:
                continue  # not released yet: its due date is written when it is
            assignment.duedate = date
        gradebook.db.flush()
        for assignment in gradebook.assignments:
            own = gradebook.db.query(api.SubmittedAssignment).filter_by(assignment_id=assignment.id)
            for submission in own.options(selectinload(api.SubmittedAssignment.notebooks)):
                listed = students.get(submission.student.id)
                if assignment.duedate is None:
                    submission.extension = None  # nbgrader itself fails on an extension of no date
                elif listed:
                    until = times.later(assignment.duedate, listed.extension(assignment.name), zone)
                    submission.extension = until - assignment.duedate or None
                late = submission.total_seconds_late
                for notebook in submission.notebooks:
                    before = notebook.late_submission_penalty or 0.0
                    after = (
                        policy.late_submission_penalty(submission.student.id, notebook.score, late) if late else None
                    )
                    notebook.late_submission_penalty = after
                    if abs(before - (after or 0.0)) > 1e-9:
                        changed[assignment.name, submission.student.id] = (before, after or 0.0)
        gradebook.db.commit()
    return changed
