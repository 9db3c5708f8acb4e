"""One submission from reading to what is saved of it; `finishing` saves it."""

import shutil
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from grading.authoring.release import quiet_logger
from grading.compat.nbgrader import Autograde
from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.bounded import Bounded, BoundedPool, LimitError
from grading.gradebook import records, secret
from grading.gradebook.database import AssignLatePenalties, ClassGradebook, told
from grading.gradebook.records import Record
from grading.intake.submission import Submission, SubmissionError
from grading.oracle import inputs
from grading.run import fingerprint
from grading.run.results import Executed, Finished, after_execution, finished
from grading.run.sanitizing import Sanitized, Sanitizer, sanitize_within


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

    def finish(self, sanitized: Sanitized, executed: Executed | Finished) -> Finished:
        """What is saved of a result; the preprocessors that no worker could apply are applied here."""
        if isinstance(executed, Finished):
            return executed
        steps = [step(parent=self, log=self.log) for step in after_execution(self.autograde_preprocessors)]
        return finished(executed, sanitized.resources, steps, self.gradebook)

    def graded_before(self) -> dict[str, str]:
        """The answers for a person in the notebook that was graded before, if there is one."""
        try:
            return notebooks.answers_of(notebooks.read(self.target / f"{self.submission.assignment}.ipynb"))
        except notebooks.NotebookError:
            return {}

    def record(self, finished: Finished) -> Record:
        """How it ended."""
        submission, tests, findings = self.submission, finished.tests, finished.findings
        state, reason = records.GRADED, ""
        if submission.repairs:
            state, reason = records.REPAIRED, "; ".join(submission.repairs)
        if findings.troubles:
            state = findings.troubles[0][0]
            reason = "; ".join([*(words for _, words in findings.troubles), *submission.repairs])
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
            isolated=self.isolated if finished.isolated is None else finished.isolated,
            fingerprint=self.fingerprint,
            graded_at=now(),
        )


def penalties(course: Course) -> Callable[[str, float, float], float | None] | None:
    """Computes the points to take off, see `AssignLatePenalties.penalty`; None if penalties stay as they are."""
    converter = Autograde(coursedir=course.coursedir, config=course.config)
    found = [step for step in converter.autograde_preprocessors if issubclass(step, AssignLatePenalties)]
    if not found:
        return None
    step = found[0](parent=converter, log=quiet_logger("autograde", []))
    return step.penalty if step.enabled else None


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
