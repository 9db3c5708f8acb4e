"""One submission from reading to saving: sanitize, execute, save. Each step returns its result as a value."""

import logging
import shutil
import traceback
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbconvert.writers.files import FilesWriter
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import Execute as StockExecute
from sqlalchemy.exc import SQLAlchemyError

from grading.authoring.release import quiet_logger
from grading.compat.nbgrader import Autograde
from grading.course import notebooks
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.execution.bounded import Bounded, BoundedPool, LimitError
from grading.execution.execute import Findings
from grading.gradebook import records, secret
from grading.gradebook.database import ClassGradebook, told
from grading.gradebook.records import Record
from grading.intake.submission import Submission, SubmissionError
from grading.oracle import inputs
from grading.report.table import first_line, is_empty
from grading.run import fingerprint
from grading.run.sanitizing import Sanitized, Sanitizer, preprocess, sanitize_within


@dataclass
class Executed:
    """What a worker returns.

    Attributes:
        findings: what else was found.
        isolated: whether the student's code was, if another machine says so; None if that follows from the settings.
    """

    notebook: NotebookNode
    findings: Findings
    isolated: bool | None = None


def is_unchanged(course: Course, submission: Submission, settings: str, before: Record, graded_before: dict) -> bool:
    """Whether this very submission was graded with these tests and settings, and the results still exist.

    Args:
        settings: the fingerprint of the course, see `fingerprint.of_course`.
        graded_before: the scores in the gradebook, by student.
    """
    if not before.has_grade or not graded_before.get(submission.student):
        return False
    name = submission.assignment
    there = (course.root / "autograded" / submission.student / name / f"{name}.ipynb").is_file()
    return there and before.fingerprint == fingerprint.of_submission(settings, submission.digest())


class Converter(Autograde):
    """nbgrader's Autograde, from where the notebook was executed, with one gradebook for the class.

    Args:
        settings: the fingerprint of the course, see `fingerprint.of_course`.
        draft: the folder in which the notebook runs; by default beside the graded one.
    """

    def __init__(
        self,
        course: Course,
        submission: Submission,
        gradebook: ClassGradebook,
        settings: str,
        isolated: bool,
        draft: Path | None = None,
    ):
        coursedir = course.coursedir
        coursedir.assignment_id, coursedir.student_id = submission.assignment, submission.student
        super().__init__(coursedir=coursedir, config=course.config, force=True)
        self.messages: list[str] = []
        self.log = quiet_logger("autograde", self.messages)
        self.course, self.submission, self.gradebook, self.isolated = course, submission, gradebook, isolated
        self.target = self.target_folder(submission.assignment, submission.student)
        self.draft = draft or self.target.with_name(f".{submission.assignment}.new")
        self.fingerprint = fingerprint.of_submission(settings, submission.digest())
        # `sanitize` may be called in another thread, which must leave the gradebook alone.
        self.released, self.secret = gradebook.released(submission.assignment, submission.assignment), secret.of(course)

    def sanitize(self, process: Bounded | BoundedPool | None = None) -> Sanitized:
        """Restore what the student must not change.

        Args:
            process: where that is done, within its limits; by default here.

        Raises:
            SubmissionError: it cannot be read.
            LimitError: that takes too much.
        """
        submission = self.submission
        if process is None:
            sanitized = Sanitizer(self.course, submission, self.released, self.draft).sanitize()
        else:  # what comes back has the repairs
            self.submission, sanitized = sanitize_within(process, self.course, submission, self.released, self.draft)
        drawn_by = inputs.key(self.secret, submission.student, submission.assignment, self.submission.attempt)
        sanitized.resources["nbgrader"]["inputs"] = drawn_by
        return sanitized

    def save(self, sanitized: Sanitized, executed: Executed) -> Record:
        """Write the scores to the gradebook, the executed notebook to `autograded/`, then the record."""
        submission, name = self.submission, self.submission.assignment
        with self.gradebook.transaction():
            entry = self.gradebook.open_submission(name, submission.student, sanitized.handed_in)
            entry.timestamp = sanitized.handed_in  # also none: an earlier submission's time says nothing about this one
            sanitized.resources["nbgrader"]["answered"] = self._answered(executed.notebook)
            after = [p for p in self.autograde_preprocessors if not issubclass(p, StockExecute)]
            notebook, resources = preprocess(self, after, executed.notebook, sanitized.resources, self.gradebook)
            # All files are written before the transaction ends: without room for them there are no new scores.
            writer = FilesWriter(parent=self, config=self.config, build_directory=str(self.draft))
            output = {**resources, "output_extension": ".ipynb"}
            writer.write(notebooks.dumps(notebook), output, notebook_name=name)
            ended = self._record(notebook, executed)
            prepared, path = ended.prepare(self.course), records.file_of(self.course, name, submission.student)
            path.unlink(missing_ok=True)  # it speaks of other scores than those that are there from now on
        if self.target.exists():
            shutil.rmtree(self.target)
        self.draft.rename(self.target)
        self.set_permissions(name, submission.student)
        prepared.replace(path)
        return ended

    def _answered(self, notebook: NotebookNode) -> dict[str, str]:
        """The answers in the notebook that was graded before, if there are any for a person."""
        if not notebooks.answers_of(notebook):
            return {}
        try:
            return notebooks.answers_of(notebooks.read(self.target / f"{self.submission.assignment}.ipynb"))
        except notebooks.NotebookError:
            return {}

    def _record(self, notebook: NotebookNode, executed: Executed) -> Record:
        submission, findings = self.submission, executed.findings
        state, reason = records.GRADED, ""
        if submission.repairs:
            state, reason = records.REPAIRED, "; ".join(submission.repairs)
        if findings.troubles:
            state = findings.troubles[0][0]
            reason = "; ".join([*(words for _, words in findings.troubles), *submission.repairs])
        tests = tests_of(notebook)
        return Record(
            submission.student,
            submission.assignment,
            state,
            reason,
            repairs=list(submission.repairs),
            suspicions=findings.suspicions,
            faults=findings.faults,
            score=sum(test["points"] for test in tests.values()),
            max_score=sum(test["max"] for test in tests.values()),
            tests=tests,
            seconds=round(sum(findings.cell_seconds.values()), 3),
            cell_seconds=findings.cell_seconds,
            isolated=self.isolated if executed.isolated is None else executed.isolated,
            fingerprint=self.fingerprint,
            graded_at=now(),
        )


def tests_of(notebook: NotebookNode) -> dict[str, dict]:
    """By test cell: the exercise, the points, and the error."""
    cells, found = notebooks.by_id(notebook), {}
    exercises = list(notebooks.tests_of(notebook))
    for name, cell in cells.items():
        if notebooks.kind(cell) == "test":
            told = cell.metadata.get("grading", {})
            points = 0.0 if "fault" in told else utils.determine_grade(cell, logging.getLogger("grading"))[0]
            exercise = notebooks.exercise_of(name, exercises) or ""
            error = f"The hidden test itself failed: {told['fault']}" if "fault" in told else first_line(cell)
            found[name] = {
                "exercise": exercise,
                "points": float(points or 0.0),
                "max": notebooks.points(cell),
                "error": printed(error),
                "mistake": told.get("mistake", ""),
                "empty": exercise in cells and is_empty(cells[exercise]),
            }
    return found


def without_grade(course: Course, submission: Submission, error: Exception, isolated: bool) -> Record:
    """The record of a submission that could not be graded; an earlier grade stays as it is."""
    state, reason = records.NOT_GRADABLE, f"{submission.folder}: {type(error).__name__}: {error}"
    if isinstance(error, SubmissionError):
        state, reason = error.state, str(error)
    elif isinstance(error, PermissionError) and Path(str(error.filename)).is_relative_to(submission.folder):
        state = records.UNREADABLE
        reason = f"{error.filename}: permission denied; run: chmod -R u+rX '{submission.folder.parent}'"
    elif isinstance(error, SQLAlchemyError):
        reason = told(error)
    elif isinstance(error, LimitError):
        reason = (
            f"{submission.folder}: reading the notebook exceeded a limit twice: {error}. It may have been made for "
            "this: look at it, and ask for it again or grade it by hand"
        )
    elif isinstance(error, BrokenExecutor):
        reason = f"{submission.folder}: grading it crashed twice; grade it by hand"
    shutil.rmtree(course.root / "autograded" / submission.student / f".{submission.assignment}.new", ignore_errors=True)
    ended = Record(submission.student, submission.assignment, state, reason, isolated=isolated, graded_at=now())
    if state == records.NOT_GRADABLE:
        ended.traceback = "".join(traceback.format_exception(error))
    try:
        ended.save(course)
    except OSError as problem:
        ended.reason += f" (And no record could be written: {problem.strerror}.)"
    return ended


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
