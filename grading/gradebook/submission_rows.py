"""The rows of graded submissions in nbgrader's tables, written for many submissions with a few statements.

They are the rows that nbgrader's `Autograde` makes, which asks and commits for every cell: a student, a submission,
its notebook, a grade for each graded cell and a comment for each answer. What people wrote stays.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from sqlalchemy import Row, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from grading.gradebook.scores import seconds_late

STUDENT, SUBMITTED, NOTEBOOK = Student.__table__, SubmittedAssignment.__table__, SubmittedNotebook.__table__
GRADE, COMMENT = Grade.__table__, Comment.__table__
# What is changed in rows that exist. An UPDATE finds its row by `key`, because the names of columns are taken.
CHANGES = {
    SUBMITTED: ("timestamp",),
    GRADE: ("auto_score", "needs_manual_grade"),
    COMMENT: ("auto_comment",),
    NOTEBOOK: ("late_submission_penalty",),
}
UPDATES = {
    table: update(table)
    .where(table.c.id == bindparam("key"))
    .values({column: bindparam(f"new_{column}") for column in columns})
    for table, columns in CHANGES.items()
}


@dataclass(frozen=True)
class Scores:
    """What an executed notebook says, by grade_id.

    Attributes:
        auto: the points of each graded cell; None if a person must give them.
        comments: nbgrader's own comment on each answer; None if it has none.
        answers: what a person grades, see `notebooks.answers_of`.
    """

    auto: dict[str, float | None]
    comments: dict[str, str | None]
    answers: dict[str, str]


@dataclass(frozen=True)
class Entry:
    """What is written of one submission.

    Attributes:
        notebook: the name of the notebook that was executed.
        handed_in: when, in UTC without a zone; None if that is not known.
        scores: None leaves those that are there.
        graded_before: gives the answers that were graded before. It is only asked if a person has given points.
        penalty: the points to take off, from the student, the points reached and the seconds late; None for none.
            Without this function the penalty stays.
    """

    student: str
    assignment: str
    notebook: str
    handed_in: datetime | None
    scores: Scores | None
    graded_before: Callable[[], dict[str, str]]
    penalty: Callable[[str, float, float], float | None] | None


@dataclass(frozen=True)
class Cells:
    """The cells of a released notebook that have grades or comments: their ids by name."""

    id: str
    name: str
    graded: dict[str, str]
    commented: dict[str, str]


def cells_of(session: Session, assignment: str) -> list[Cells]:
    """The notebooks of an assignment.

    Raises:
        MissingEntry: there is no such assignment.
    """
    own = session.execute(select(Assignment.__table__.c.id).where(Assignment.__table__.c.name == assignment)).scalar()
    if own is None:
        raise MissingEntry(f"No such assignment: {assignment}")
    notebooks = Notebook.__table__
    rows = session.execute(select(notebooks.c.id, notebooks.c.name).where(notebooks.c.assignment_id == own))
    found = [Cells(identity, name, {}, {}) for identity, name in rows.all()]
    for cells in found:
        for kind, groups in (
            (GradeCell, [cells.graded]),
            (SolutionCell, [cells.commented]),
            (TaskCell, [cells.graded, cells.commented]),
        ):
            for name, identity in session.execute(select(kind.name, kind.id).where(kind.notebook_id == cells.id)):
                for group in groups:
                    group[name] = identity
    return found


def write(session: Session, entries: Iterable[Entry], cells: Callable[[str], list[Cells]]) -> None:
    """Write submissions of different students in the open transaction.

    Args:
        cells: what `cells_of` gives for an assignment, which may be remembered.

    Raises:
        MissingEntry: a notebook has a cell that the gradebook does not know.
    """
    by_assignment: dict[str, list[Entry]] = {}
    for entry in entries:
        by_assignment.setdefault(entry.assignment, []).append(entry)
    for assignment, own in by_assignment.items():
        _Rows(session, assignment, cells(assignment), own).write()


@dataclass
class _Rows:
    """The rows of some submissions of one assignment: those that are there, and what becomes of them."""

    session: Session
    assignment: str
    cells: list[Cells]
    entries: list[Entry]
    new: dict[Table, list[dict]] = field(
        default_factory=lambda: {table: [] for table in (STUDENT, SUBMITTED, NOTEBOOK, GRADE, COMMENT)}
    )
    changed: dict[Table, list[dict]] = field(default_factory=lambda: {table: [] for table in CHANGES})

    def write(self) -> None:
        known = self._read()
        for entry in self.entries:
            self._enter(entry, *known)
        for table, rows in self.new.items():
            if rows:
                self.session.execute(insert(table), rows)
        for table, rows in self.changed.items():
            if rows:
                self.session.connection().execute(UPDATES[table], rows)

    def _read(self) -> tuple:
        """What is there: students; and submissions, notebooks, grades and comments by what they belong to."""
        execute, people = self.session.execute, [entry.student for entry in self.entries]
        table = Assignment.__table__
        self.id, self.due = execute(select(table.c.id, table.c.duedate).where(table.c.name == self.assignment)).one()
        students = set(execute(select(STUDENT.c.id).where(STUDENT.c.id.in_(people))).scalars())
        own = select(SUBMITTED).where(SUBMITTED.c.assignment_id == self.id, SUBMITTED.c.student_id.in_(people))
        submitted = {row.student_id: row for row in execute(own)}
        notebooks, grades, comments = {}, {}, {}
        if submitted:
            ids = [row.id for row in submitted.values()]
            rows = execute(select(NOTEBOOK).where(NOTEBOOK.c.assignment_id.in_(ids))).all()
            notebooks = {(row.assignment_id, row.notebook_id): row for row in rows}
            ids = [row.id for row in rows]
            # Locked, so that nobody gives points between this and what is written.
            grades = _by_cell(execute(select(GRADE).where(GRADE.c.notebook_id.in_(ids)).with_for_update()))
            comments = _by_cell(execute(select(COMMENT).where(COMMENT.c.notebook_id.in_(ids)).with_for_update()))
        return students, submitted, notebooks, grades, comments

    def _enter(self, entry: Entry, students: set[str], submitted: dict, notebooks: dict, *cells: dict) -> None:
        if entry.student not in students:
            self.new[STUDENT].append({"id": entry.student})
        there = submitted.get(entry.student)
        if there is None:
            row = {"assignment_id": self.id, "student_id": entry.student, "timestamp": entry.handed_in}
            identity, late = self._add(SUBMITTED, row), seconds_late(entry.handed_in, self.due, None)
        else:  # the time of an earlier submission says nothing about this one
            self._change(SUBMITTED, there, {"timestamp": entry.handed_in})
            identity, late = there.id, seconds_late(entry.handed_in, self.due, there.extension)
        for own in self.cells:
            self._enter_notebook(entry, own, identity, notebooks.get((identity, own.id)), late, *cells)
        if not any(own.name == entry.notebook for own in self.cells):
            raise MissingEntry(f"No such notebook: {entry.assignment}/{entry.notebook}")

    def _enter_notebook(
        self, entry: Entry, own: Cells, identity: str, there: Row | None, late: float, grades: dict, comments: dict
    ) -> None:
        executed = own.name == entry.notebook
        scores = entry.scores if executed else None
        before = {} if there is None else grades.get(there.id, {})
        rows = {} if scores is None else _graded(entry, scores, own, before)
        penalty = {}
        if executed and entry.penalty is not None:
            reached = sum(map(_points, {**{key: _plain(row) for key, row in before.items()}, **rows}.values()))
            penalty = {"late_submission_penalty": entry.penalty(entry.student, reached, late) if late > 0 else None}
        if there is None:
            row = {"assignment_id": identity, "notebook_id": own.id, "flagged": False, "late_submission_penalty": None}
            place = self._add(NOTEBOOK, row | penalty)
        else:
            place = there.id
            if penalty:
                self._change(NOTEBOOK, there, penalty)
        for cell in own.graded.values():
            row = rows.get(cell, {"auto_score": None, "needs_manual_grade": True})
            if cell not in before:
                empty = {"notebook_id": place, "cell_id": cell, "manual_score": None, "extra_credit": None}
                values = {name: row[name] for name in CHANGES[GRADE]}
                self._add(GRADE, empty | values)
            elif cell in rows:
                self._change(GRADE, before[cell], row)
        told = {} if scores is None else scores.comments
        said = {_known(own.commented, name, entry): words for name, words in told.items()}
        before = {} if there is None else comments.get(there.id, {})
        for cell in own.commented.values():
            if cell not in before:
                row = {"notebook_id": place, "cell_id": cell, "manual_comment": None, "auto_comment": said.get(cell)}
                self._add(COMMENT, row)
            elif cell in said:
                self._change(COMMENT, before[cell], {"auto_comment": said[cell]})

    def _add(self, table: Table, row: dict) -> str:
        identity = uuid4().hex  # as nbgrader's are
        self.new[table].append({"id": identity, **row})
        return identity

    def _change(self, table: Table, row: Row, values: dict) -> None:
        """Change a row that is there, if that makes a difference."""
        new = {column: values[column] for column in CHANGES[table]}
        if any(getattr(row, column) != value for column, value in new.items()):
            self.changed[table].append({"key": row.id, **{f"new_{column}": value for column, value in new.items()}})


def _graded(entry: Entry, scores: Scores, cells: Cells, before: dict[str, Row]) -> dict[str, dict]:
    """The grades of an executed notebook by cell, as nbgrader gives them, with what a person has given.

    nbgrader asks a person to look again at each cell with manual points. Here the manual points of an answer stay final
    while the student's text is the same.
    """
    rows = {}
    for name, auto in scores.auto.items():
        row = before.get(cell := _known(cells.graded, name, entry))
        manual = None if row is None else row.manual_score
        extra = None if row is None else row.extra_credit
        needs = auto is None or manual is not None
        rows[cell] = {"auto_score": auto, "needs_manual_grade": needs, "manual_score": manual, "extra_credit": extra}
    given = {name: row for name in scores.answers if (row := before.get(_known(cells.graded, name, entry)))}
    given = {name: row for name, row in given.items() if row.manual_score is not None}
    texts = entry.graded_before() if given else {}
    for name, row in given.items():
        final = not row.needs_manual_grade and texts.get(name) == scores.answers[name]
        rows.setdefault(row.cell_id, _plain(row))["needs_manual_grade"] = not final
    return rows


def _plain(row: Row) -> dict:
    return {name: getattr(row, name) for name in (*CHANGES[GRADE], "manual_score", "extra_credit")}


def _points(grade: dict) -> float:
    """As `nbgrader.api.Grade.score`."""
    given = grade["auto_score"] if grade["manual_score"] is None else grade["manual_score"]
    return 0.0 if given is None else given + (grade["extra_credit"] or 0.0)


def _known(cells: dict[str, str], name: str, entry: Entry) -> str:
    if name not in cells:
        raise MissingEntry(f"No such entry: {entry.assignment}/{entry.notebook}/{name} for {entry.student}")
    return cells[name]


def _by_cell(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """Grades or comments by submitted notebook and cell."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.notebook_id, {})[row.cell_id] = row
    return found
