"""The scores in nbgrader's gradebook, one row for each student and test cell, for reports and exports."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from sqlalchemy import ColumnElement, Select, select


@dataclass(frozen=True)
class Cell:
    """A student's score in one graded cell.

    Attributes:
        points: the final score: the manual score if there is one, else the automatic one, plus extra credit.
        full: the maximum score of the cell.
        auto: the automatic score, or None.
        manual: the score that a person gave instead, or None.
    """

    name: str
    points: float
    full: float
    auto: float | None
    manual: float | None
    extra: float | None
    needs_grading: bool

    @property
    def left_empty(self) -> bool:
        """For an answer that a person grades: whether nbgrader gave it 0 points because the gap is untouched."""
        return self.auto == 0 and self.manual is None


@dataclass(frozen=True)
class Submission:
    """A student's scores in one assignment.

    Attributes:
        cells: by name, in the order of the gradebook.
        comments: what a person wrote, by cell.
        penalty: points taken off for being late.
        remarks: what the student reads, by cell: the comment, else nbgrader's own ("No response.").
        handed_in: when, in UTC without a zone; None if that is not known.
        seconds_late: after the due date, extension included; 0 if in time, or if either time is not known.
    """

    student: str
    assignment: str
    cells: dict[str, Cell]
    comments: dict[str, str]
    penalty: float
    remarks: dict[str, str | None] = field(default_factory=dict)
    seconds_late: float = 0.0
    handed_in: datetime | None = None

    @property
    def waiting(self) -> list[str]:
        """The cells that a person has not graded yet."""
        return [cell.name for cell in self.cells.values() if cell.needs_grading]

    @property
    def raw(self) -> float:
        return sum(cell.points for cell in self.cells.values())

    @property
    def score(self) -> float:
        """The points minus the penalty, at least 0, as in nbgrader's own export."""
        return max(0.0, self.raw - self.penalty)

    @property
    def full(self) -> float:
        return sum(cell.full for cell in self.cells.values())


def read(gradebook: Gradebook, assignment: str, student: str | None = None) -> dict[str, Submission]:
    """The scores of all students, or of one, in an assignment, by student; empty if the gradebook does not know it.

    It takes four queries for any size of class; nbgrader's own objects send queries for each grade.
    """
    try:
        entry = gradebook.find_assignment(assignment)
    except MissingEntry:
        return {}
    names, full = _cells(gradebook, entry)
    own = SubmittedAssignment.assignment_id == entry.id
    if student is not None:
        own &= SubmittedAssignment.student_id == student
    grades, comments = _grades(gradebook, own, names, full), _comments(gradebook, own, names)
    rows = gradebook.db.execute(
        select(
            SubmittedAssignment.student_id,
            SubmittedAssignment.timestamp,
            SubmittedAssignment.extension,
            SubmittedNotebook.id,
            SubmittedNotebook.late_submission_penalty,
        )
        .outerjoin(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .where(own)
        .order_by(SubmittedAssignment.student_id)
    )
    found: dict[str, Submission] = {}
    for name, handed_in, extension, notebook, penalty in rows:
        before = found.get(name) or Submission(name, assignment, {}, {}, 0.0)
        written = comments.get(notebook, {})
        found[name] = Submission(
            name,
            assignment,
            {**before.cells, **grades.get(notebook, {})},
            {**before.comments, **{cell: by for cell, (by, _) in written.items() if by}},
            before.penalty + float(penalty or 0.0),
            {**before.remarks, **{cell: auto if by is None else by for cell, (by, auto) in written.items()}},
            seconds_late(handed_in, entry.duedate, extension),
            handed_in,
        )
    return found


def full_score(gradebook: Gradebook, assignment: str) -> float:
    """The maximum score of an assignment; 0 if the gradebook does not know it."""
    try:
        return float(gradebook.find_assignment(assignment).max_score or 0.0)
    except MissingEntry:
        return 0.0


def _cells(gradebook: Gradebook, entry: Assignment) -> tuple[dict[str, str], dict[str, float]]:
    """The names of all cells of an assignment, and the most that a graded one gives, by their ids."""
    own = BaseCell.notebook_id.in_(select(Notebook.id).where(Notebook.assignment_id == entry.id))
    table = BaseCell.__table__  # the class would ask for the columns of all kinds of cells
    names = dict(gradebook.db.execute(select(table.c.id, table.c.name).where(own)).all())
    full: dict[str, float] = {}
    for kind in (GradeCell, TaskCell):
        full |= dict(gradebook.db.execute(select(kind.__table__.c.id, kind.__table__.c.max_score)).all())
    return names, full


def _of_submissions(columns: Select, table: type[Grade] | type[Comment], own: ColumnElement[bool]) -> Select:
    return (
        columns.join(SubmittedNotebook, SubmittedNotebook.id == table.notebook_id)
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .where(own)
    )


def _grades(
    gradebook: Gradebook, own: ColumnElement[bool], names: dict[str, str], full: dict[str, float]
) -> dict[str, dict[str, Cell]]:
    """The grades by submitted notebook and cell."""
    columns = select(
        *(Grade.notebook_id, Grade.cell_id, Grade.auto_score, Grade.manual_score, Grade.extra_credit),
        Grade.needs_manual_grade,
    )
    found: dict[str, dict[str, Cell]] = {}
    for notebook, cell, auto, manual, extra, waits in gradebook.db.execute(_of_submissions(columns, Grade, own)):
        given = auto if manual is None else manual
        # As `nbgrader.api.Grade.score`: extra credit counts only where there is a score.
        points = 0.0 if given is None else given + (extra or 0.0)
        if (name := names.get(cell)) is None:
            continue  # a grade of another course's cell, or of a removed one
        graded = Cell(name, float(points), float(full.get(cell) or 0.0), auto, manual, extra, bool(waits))
        found.setdefault(notebook, {})[name] = graded
    return found


def _comments(
    gradebook: Gradebook, own: ColumnElement[bool], names: dict[str, str]
) -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """What a person wrote, and what nbgrader did, by submitted notebook and cell."""
    columns = select(Comment.notebook_id, Comment.cell_id, Comment.manual_comment, Comment.auto_comment)
    found: dict[str, dict[str, tuple[str | None, str | None]]] = {}
    for notebook, cell, manual, auto in gradebook.db.execute(_of_submissions(columns, Comment, own)):
        if cell in names and (manual, auto) != (None, None):
            found.setdefault(notebook, {})[names[cell]] = (manual, auto)
    return found


def seconds_late(handed_in: datetime | None, due: datetime | None, extension: timedelta | None) -> float:
    """The seconds after the due date, extension included; 0 if in time, or if either time is not known."""
    if handed_in is None or due is None:
        return 0.0
    return max(0.0, (handed_in - due - (extension or timedelta())).total_seconds())
