"""nbgrader's gradebook and the preprocessors that use it, made to serve a whole class.

Stock nbgrader opens the database again in every preprocessor, asks it for every cell, and commits after every cell.
Here one open gradebook serves the class, caches what does not change, and writes a submission in one transaction.
The preprocessors find it in `resources["nbgrader"]["gradebook"]`. Without it, as when nbgrader's own commands run,
they behave like nbgrader's.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace

from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader import preprocessors as stock
from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry, Notebook
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from grading.compat import nbgrader as compat
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.gradebook_url import PATIENCE
from grading.gradebook.scores import read
from grading.gradebook.submission_rows import Cells, Entry, Scores, cells_of, write

UNINDEXED = (("grade", "notebook_id"), ("comment", "notebook_id"), ("submitted_notebook", "assignment_id"))


class ClassGradebook(Gradebook):
    """A gradebook that stays open while a class is graded.

    Attributes:
        valid_metadata: metadata of notebooks, as JSON text, that `CheckCellMetadata` found valid.
    """

    def __init__(self, course: Course):
        super().__init__(course.gradebook_url, course.coursedir.course_id)
        add_indexes(self.engine)
        self.valid_metadata: set[str] = set()
        self._released: dict[tuple[str, str], ReleasedCells] = {}
        self._cells: dict[str, list[Cells]] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything inside the block in one transaction; write nothing if an error is raised."""
        self.db.remove()
        try:
            with self.engine.begin() as connection:
                if connection.dialect.name == "sqlite":  # else it would begin only when the first row is written
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                self.db.configure(bind=connection, join_transaction_mode="rollback_only", expire_on_commit=False)
                session = self.db()
                session.commit = lambda: None  # nbgrader commits after each small step
                yield
                session.flush()
        finally:
            self.db.remove()
            self.db.configure(bind=self.engine, join_transaction_mode="conditional_savepoint", expire_on_commit=True)

    def check_connection(self) -> None:
        """Check that the database answers, after an error.

        Raises:
            CourseError: it does not answer.
        """
        self.db.remove()
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise CourseError(told(error)) from None

    def cells(self, assignment: str) -> list[Cells]:
        """The ids of an assignment's cells, which do not change while a class is graded."""
        if assignment not in self._cells:
            self._cells[assignment] = cells_of(self.db(), assignment)
        return self._cells[assignment]

    def write(self, entries: list[Entry]) -> None:
        """Write submissions of different students in the open transaction, see `submission_rows.write`."""
        write(self.db(), entries, self.cells)

    def released(self, notebook: str, assignment: str) -> "ReleasedCells":
        """The data of a released notebook, which do not change while a class is graded."""
        key = (assignment, notebook)
        if key not in self._released:
            self._released[key] = ReleasedCells.of(self.find_notebook(notebook, assignment))
        return self._released[key]

    def find_source_cell(self, name: str, notebook: str, assignment: str) -> SimpleNamespace:
        return self.released(notebook, assignment).find_source_cell(name, notebook, assignment)

    def find_graded_cell(self, name: str, notebook: str, assignment: str) -> SimpleNamespace:
        return self.released(notebook, assignment).find_graded_cell(name, notebook, assignment)


@dataclass(frozen=True)
class ReleasedCells:
    """What a gradebook knows of one released notebook, as plain data that can be sent to another process.

    It has those of a gradebook's methods that preprocessors use before a notebook is executed.

    Attributes:
        kernelspec: which kernel the release asks for, as JSON text.
        source_cells, grade_cells, solution_cells, task_cells: as nbgrader's `Notebook` has them.
        valid_metadata: what `CheckCellMetadata` has found valid.
    """

    kernelspec: str | None
    source_cells: list[SimpleNamespace]
    grade_cells: list[SimpleNamespace]
    solution_cells: list[SimpleNamespace]
    task_cells: list[SimpleNamespace]
    valid_metadata: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def of(cls, entry: Notebook) -> "ReleasedCells":
        """The released cells of a notebook in the gradebook."""

        def plain(cells: list, *columns: str) -> list[SimpleNamespace]:
            return [SimpleNamespace(**{name: getattr(cell, name) for name in columns}) for cell in cells]

        return cls(
            entry.kernelspec,
            plain(entry.source_cells, "name", "cell_type", "locked", "checksum", "source"),
            plain(entry.grade_cells, "name", "max_score"),
            plain(entry.solution_cells, "name"),
            plain(entry.task_cells, "name", "max_score"),
        )

    @cached_property
    def graded(self) -> dict[str, SimpleNamespace]:
        """All cells that have points, by name."""
        return {cell.name: cell for cell in [*self.grade_cells, *self.task_cells]}

    @cached_property
    def _sources(self) -> dict[str, SimpleNamespace]:
        return {cell.name: cell for cell in self.source_cells}

    def find_notebook(self, notebook: str, assignment: str) -> "ReleasedCells":
        return self

    def find_source_cell(self, name: str, notebook: str, assignment: str) -> SimpleNamespace:
        return _known(self._sources, name, f"{assignment}/{notebook}")

    def find_graded_cell(self, name: str, notebook: str, assignment: str) -> SimpleNamespace:
        return _known(self.graded, name, f"{assignment}/{notebook}")


def _known(cells: dict[str, SimpleNamespace], name: str, place: str) -> SimpleNamespace:
    if name not in cells:
        raise MissingEntry(f"No such cell: {place}/{name}")
    return cells[name]


class _Shared(NbGraderPreprocessor):
    """A preprocessor that uses the gradebook of the class, if there is one, and nbgrader's way otherwise."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        names = resources["nbgrader"]
        if "gradebook" not in names:
            return super().preprocess(nb, resources)
        self.notebook_id, self.assignment_id = names["notebook"], names["assignment"]
        self.student_id, self.gradebook = names["student"], names["gradebook"]
        return self.use(nb, resources)

    def use(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Do what the preprocessor does, with `self.gradebook` open."""
        return NbGraderPreprocessor.preprocess(self, nb, resources)


class OverwriteCells(_Shared, stock.OverwriteCells):
    """nbgrader's `OverwriteCells`; as the gradebook of the class it takes a `ReleasedCells`."""

    def use(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        nb, resources = super().use(nb, resources)
        graded = self.gradebook.find_notebook(self.notebook_id, self.assignment_id).graded
        if self.add_missing_cells and not graded.keys() <= notebooks.by_id(nb).keys():
            nb, resources = self.add_missing_grade_cells(nb, resources)
            nb, resources = self.add_missing_task_cells(nb, resources)
        return nb, resources


class OverwriteKernelspec(_Shared, stock.OverwriteKernelspec):
    """nbgrader's `OverwriteKernelspec`; as the gradebook of the class it takes a `ReleasedCells`."""

    def use(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        kernelspec = self.gradebook.find_notebook(self.notebook_id, self.assignment_id).kernelspec
        if kernelspec:
            nb.metadata["kernelspec"] = json.loads(kernelspec)
        return nb, resources


class SaveAutoGrades(_Shared, compat.SaveAutoGrades):
    """nbgrader's `SaveAutoGrades`. A broken hidden test, see `Execute`, gives no points until a person has looked.

    While a class is graded, it writes nothing: `resources["nbgrader"]["scores"]` gets the `Scores`.
    """

    def use(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        self.scores = Scores({}, {}, notebooks.answers_of(nb))
        for cell in nb.cells:
            name = notebooks.grade_id(cell)
            if name is None:
                continue
            if utils.is_grade(cell):
                fault = "fault" in cell.metadata.get("grading", {})
                self.scores.auto[name] = None if fault else utils.determine_grade(cell, self.log)[0]
            if utils.is_task(cell):
                self.scores.comments[name] = None
            elif utils.is_solution(cell):
                untouched = cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
                self.scores.comments[name] = "No response." if untouched else None
        resources["nbgrader"]["scores"] = self.scores
        return nb, resources

    def save_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        super().save_score(cell, resources)
        if "fault" in cell.metadata.get("grading", {}):
            name = cell.metadata["nbgrader"]["grade_id"]
            grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
            grade.auto_score, grade.needs_manual_grade = None, True
            self.gradebook.db.commit()


class AssignLatePenalties(_Shared, compat.AssignLatePenalties):
    """nbgrader's `AssignLatePenalties`.

    While a class is graded, it does nothing; the writer asks for the penalty when it knows what people have given.
    """

    def use(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        return nb, resources

    def penalty(self, student: str, reached: float, seconds_late: float) -> float | None:
        """The points to take off a notebook that has reached so many and is so late; None for none."""
        self.init_plugin()
        penalty = self.plugin_inst.late_submission_penalty(student, reached, seconds_late)
        return None if penalty is None else self.checked(SimpleNamespace(score=reached), penalty)


class CheckCellMetadata(_Shared, stock.CheckCellMetadata):
    """nbgrader's `CheckCellMetadata`, which checks the same metadata once for a class and not for each student."""

    def use(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        key = json.dumps([[cell.cell_type, cell.metadata.get("nbgrader")] for cell in nb.cells], sort_keys=True)
        if key not in self.gradebook.valid_metadata:
            nb, resources = stock.CheckCellMetadata.preprocess(self, nb, resources)
            self.gradebook.valid_metadata.add(key)
        return nb, resources


def preprocess(
    steps: Sequence[Preprocessor], notebook: NotebookNode, resources: dict, gradebook: object
) -> tuple[NotebookNode, dict]:
    """Let preprocessors change a notebook; those of this module use this gradebook."""
    resources["nbgrader"]["gradebook"] = gradebook
    for step in steps:
        notebook, resources = step(notebook, resources)
    del resources["nbgrader"]["gradebook"]
    return notebook, resources


def scores(course: Course, assignment: str) -> dict[str, dict[str, float]]:
    """The points of every test cell by student, including manual ones; 0 for those without a score."""
    with course.gradebook() as gradebook:
        found = read(gradebook, assignment)
    return {student: {cell.name: cell.points for cell in own.cells.values()} for student, own in found.items()}


def add_indexes(engine: Engine) -> None:
    """Add the indexes that nbgrader's tables lack: without them the time for a class grows quadratically.

    If they cannot be created, because the database is read-only or locked, reading works without them.
    """
    with contextlib.suppress(SQLAlchemyError):
        there = inspect(engine)
        for table, column in UNINDEXED:
            name = f"ix_{table}_{column}"  # as SQLAlchemy would name it
            if name not in {index["name"] for index in there.get_indexes(table)}:  # to ask PostgreSQL again would lock
                with engine.begin() as connection:
                    connection.execute(text(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({column})"))


def is_lost(error: Exception) -> bool:
    """Whether the connection to the gradebook's server was lost; the next transaction gets a new one."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def told(error: SQLAlchemyError) -> str:
    """What is wrong with the gradebook, in a sentence without its password and without SQL."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if cause is None:
        return f"The gradebook cannot be used: {type(error).__name__}."
    said = " ".join(str(cause).split())
    if "database is locked" in said or "lock timeout" in said:
        return (
            f"The gradebook was locked by another program, formgrader perhaps, for {PATIENCE} seconds; nothing is "
            "written. Run this again."
        )
    if is_lost(error):
        return (
            f"The connection to the gradebook's server was lost; the last write was not saved. "
            f"Run this again. (It said: {said})"
        )
    if "connection failed" in said or "connection is bad" in said or "connection timeout" in said:
        return f"The gradebook's server cannot be reached; nothing is written. Check that it runs. (It said: {said})"
    return f"The gradebook cannot be used: {said}"
