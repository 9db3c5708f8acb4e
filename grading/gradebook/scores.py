"""The scores in nbgrader's gradebook, one row for each student and test cell: what reports and exports are made of."""

from dataclasses import dataclass

from nbgrader.api import Gradebook, MissingEntry


@dataclass(frozen=True)
class Cell:
    """A student's score in one graded cell.

    Attributes:
        points: what counts: the manual score if there is one, else the automatic one, plus extra credit.
        full: the most that the cell gives.
        auto: what autograding gave; None if it gave none.
        manual: what a person gave instead; None if nobody did.
    """

    name: str
    points: float
    full: float
    auto: float | None
    manual: float | None
    extra: float | None
    needs_grading: bool


@dataclass(frozen=True)
class Submission:
    """A student's scores in one assignment.

    Attributes:
        cells: by name, in the order of the gradebook.
        comments: what a person wrote, by cell.
        penalty: points taken off for being late.
    """

    student: str
    assignment: str
    cells: dict[str, Cell]
    comments: dict[str, str]
    penalty: float

    @property
    def raw(self) -> float:
        return sum(cell.points for cell in self.cells.values())

    @property
    def score(self) -> float:
        """What is exported: the points less the penalty, never below 0 (as nbgrader's own export does)."""
        return max(0.0, self.raw - self.penalty)

    @property
    def full(self) -> float:
        return sum(cell.full for cell in self.cells.values())


def read(gradebook: Gradebook, assignment: str) -> dict[str, Submission]:
    """Everybody's scores in an assignment, by student; empty if the gradebook does not know it."""
    try:
        submissions = gradebook.assignment_submissions(assignment)
    except MissingEntry:
        return {}
    return {s.student.id: _submission(s) for s in sorted(submissions, key=lambda s: s.student.id)}


def full_score(gradebook: Gradebook, assignment: str) -> float:
    """The most that an assignment gives; 0 if the gradebook does not know it."""
    try:
        return float(gradebook.find_assignment(assignment).max_score or 0.0)
    except MissingEntry:
        return 0.0


def _submission(submitted) -> Submission:
    cells, comments = {}, {}
    for notebook in submitted.notebooks:
        for grade in notebook.grades:
            cells[grade.name] = Cell(
                grade.name,
                float(grade.score or 0.0),
                float(grade.max_score or 0.0),
                grade.auto_score,
                grade.manual_score,
                grade.extra_credit,
                bool(grade.needs_manual_grade),
            )
        comments |= {c.name: c.manual_comment for c in notebook.comments if c.manual_comment}
    return Submission(
        submitted.student.id,
        submitted.assignment.name,
        cells,
        comments,
        float(submitted.late_submission_penalty or 0.0),
    )
