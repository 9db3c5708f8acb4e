"""Autograde a class: sanitize and save in one process, execute in parallel.

The process that calls `grade` is the only one that touches the gradebook, `autograded/` and `records/`. Workers get a
sanitized notebook and give it back executed. Any `concurrent.futures.Executor` will do.

A submission is saved in this order: scores in one transaction, the graded notebook, the record. Whoever is killed in
between and started again finds no record, or an older one, and grades that submission once more, with the same result.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from nbconvert.writers import FilesWriter
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import MissingEntry
from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute as StockExecute
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

import grading
from grading.authoring.release import quiet_logger, release
from grading.course import notebooks, temporary_folders
from grading.course.folder import Course, CourseError
from grading.execution import interpreters
from grading.execution.execute import FINDINGS, Execute, Findings
from grading.execution.interpreters import Interpreters
from grading.gradebook import records
from grading.gradebook.database import ClassGradebook, keep_copy, scores
from grading.gradebook.records import Record
from grading.intake.restore import is_untouched
from grading.intake.submission import Submission, SubmissionError, find
from grading.report.table import first_line, is_empty
from grading.sandbox.bubblewrap import why_not

AHEAD = 16  # submissions that are sanitized and not yet saved; their notebooks are in memory


@dataclass
class Executed:
    """What a worker gives back.

    Attributes:
        findings: what else was found.
    """

    notebook: NotebookNode
    findings: Findings


def grade(
    course: Course,
    assignment: str,
    jobs: int | None = None,
    executor: Executor | None = None,
    done: Callable[[Record], None] = lambda record: None,
    students: list[str] | None = None,
    force: bool = False,
    started: Interpreters | None = None,
) -> list[Record]:
    """Grade every submission of an assignment in `submitted/` that is new or has changed.

    If that changes grades which are there already, a dated copy of the gradebook is kept first.

    Args:
        jobs: how many submissions run at the same time; by default the number of cores.
        executor: where they run; by default a pool of processes that is made and closed here.
        done: called as each submission is finished.
        students: only these.
        force: grade again what has not changed.
        started: what such a pool is forked from; by default it is started when it is needed.

    Returns:
        A record for each student, in their order.

    Raises:
        CourseError: unknown assignment, no release can be made, nothing submitted, or somebody else is grading.
    """
    course.source(assignment)
    isolated = course.config.Execute.get("sandbox") != "none"
    if isolated and why_not():
        raise CourseError(why_not())
    submissions = find(course, assignment, students)
    release_if_unknown(course, assignment)
    course.require_complete(assignment)
    (course.root / "autograded").mkdir(exist_ok=True)
    temporary_folders.sweep()
    finished: dict[str, Record] = {}

    def finish(ended: Record) -> None:
        finished[ended.student] = ended
        done(ended)

    with course.alone(), course.entered(), ClassGradebook(course) as gradebook:
        known, graded_before = records.read(course, assignment), scores(course, assignment)
        settings, converters = _settings_digest(course, assignment, gradebook), []
        extensions = gradebook.extensions(assignment)
        for submission in submissions:
            before = known.get(submission.student)
            try:
                converter = _Converter(course, submission, gradebook, settings, isolated, extensions)
                if not force and before and converter.is_unchanged(before, graded_before):
                    before.unchanged = True
                    finish(before)
                else:
                    converters.append(converter)
            except Exception as error:
                finish(_without_grade(course, submission, error, isolated))
        if any(converter.submission.student in graded_before for converter in converters):
            keep_copy(course, datetime.now())
        with contextlib.ExitStack() as stack:
            if converters and started is None:
                warm = executor is None and isolated and course.config.Execute.get("warm", True)
                started = stack.enter_context(interpreters.start(course, [assignment], warm))
            for converter, result in _run(converters, jobs, executor, started):
                try:
                    finish(converter.save(result()))
                except Exception as error:
                    finish(_without_grade(course, converter.submission, error, isolated))
    return [finished[student] for student in sorted(finished)]


def execute(notebook: NotebookNode, resources: dict, config: Config, root: str) -> Executed:
    """Run a sanitized notebook in a worker; `resources` as nbgrader has them."""
    os.chdir(root)
    os.environ["NBGRADER_EXECUTION"] = "autograde"  # as stock nbgrader does: long demonstrations may look at it
    for last in (False, True):  # a kernel that could not be started is no student's fault
        preprocessor = Execute(config=config)
        preprocessor.log = logging.Logger("grading.execution.execute", logging.CRITICAL)
        try:
            notebook, resources = preprocessor.preprocess(notebook, resources)
            break
        except Exception:
            if last:
                raise
    findings = resources.pop(FINDINGS)
    findings.cell_seconds = {name: round(value, 3) for name, value in findings.cell_seconds.items()}
    return Executed(notebook, findings)


def _run(
    converters: list["_Converter"], jobs: int | None, executor: Executor | None, started: Interpreters
) -> Iterator[tuple["_Converter", Callable[[], Executed]]]:
    """Sanitize and execute; each submission with a function that gives its result, or raises, as they come in.

    A worker that ends takes with it all that was under way. These run once more, each in a worker of its own, so that
    it is known which of them it was.
    """
    if not converters:
        return
    again = []
    started.prepare_followers()
    pool = executor or started.make_pool(jobs)
    try:
        for converter, future in _submit(converters, pool):
            if isinstance(future.exception(), BrokenExecutor):
                again.append(converter)
            else:
                yield converter, future.result
    finally:
        if executor is None:
            pool.shutdown()
    for converter in again:
        with started.make_pool(1) as pool:
            yield from ((one, future.result) for one, future in _submit([converter], pool))


def _submit(converters: list["_Converter"], pool: Executor) -> Iterator[tuple["_Converter", Future]]:
    """Hand submissions to a pool, a few ahead of what it can do, and yield them as they are finished."""
    waiting: dict[Future, _Converter] = {}
    queue = iter(converters)
    while True:
        ready = []
        for converter in islice(queue, AHEAD - len(waiting)):
            try:
                ready.append((converter, converter.sanitize()))
            except Exception as error:
                waiting[_failed(error)] = converter
        for converter, notebook in ready:  # the first may wait here until the processes of the pool have imported
            try:
                settings, root = _execution(converter.course.config), str(converter.course.root)
                task = pool.submit(execute, notebook, converter.resources, settings, root)
            except Exception as error:
                task = _failed(error)
            waiting[task] = converter
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield waiting.pop(future), future


def _failed(error: Exception) -> Future:
    task = Future()
    task.set_exception(error)
    return task


def _execution(config: Config) -> Config:
    """The settings that a worker needs; others may hold classes that are known only in the settings file."""
    names = {cls.__name__ for cls in Execute.mro()} | {"CourseDirectory"}
    return Config({name: section for name, section in config.items() if name in names})


class _Converter(Autograde):
    """nbgrader's Autograde, cut where the notebook is executed, and with one gradebook for the class."""

    def __init__(
        self,
        course: Course,
        submission: Submission,
        gradebook: ClassGradebook,
        settings: str,
        isolated: bool,
        extensions: dict[str, timedelta | None] | None = None,
    ):
        coursedir = course.coursedir
        coursedir.assignment_id, coursedir.student_id = submission.assignment, submission.student
        super().__init__(coursedir=coursedir, config=course.config, force=True)
        self.messages: list[str] = []
        self.log = quiet_logger("autograde", self.messages)
        self.course, self.submission, self.gradebook, self.isolated = course, submission, gradebook, isolated
        self.target = Path(self._format_dest(submission.assignment, submission.student))
        self.draft = self.target.with_name(f".{submission.assignment}.new")
        content = submission.digest()
        if extensions is None:
            extensions = gradebook.extensions(submission.assignment)
        when = extensions.get(submission.student)  # it decides a late penalty
        self.fingerprint = hashlib.sha256(f"{settings} {when} {content}".encode()).hexdigest()

    def is_unchanged(self, before: Record, graded_before: dict) -> bool:
        """Whether the submission was graded, as it is, with these tests and settings, and all that is still there."""
        there = (self.target / f"{self.submission.assignment}.ipynb").is_file()
        recorded = before.has_grade and before.fingerprint == self.fingerprint
        return there and recorded and bool(graded_before.get(self.submission.student))

    def sanitize(self) -> NotebookNode:
        """Restore what the student must not change; the notebook to execute."""
        submission, name = self.submission, self.submission.assignment
        self.submission.repairs.clear()
        notebook, self.when = submission.notebook(), submission.timestamp()
        shutil.rmtree(self.draft, ignore_errors=True)
        self.draft.mkdir(parents=True)
        submission.copy_files(self.draft)
        self._copy_given_files()
        source = Path(self._format_source(name, submission.student)) / f"{name}.ipynb"
        self.resources = self.init_single_notebook_resources(str(source))
        self.resources["metadata"] = {"path": str(self.draft), "name": name}
        notebook = self._preprocess(notebook, self.sanitize_preprocessors)
        submission.repairs += self.resources["nbgrader"].pop("repairs", [])
        if submission.beside and is_untouched(notebook, self._released()):
            others = ", ".join(submission.beside)
            submission.repairs.append(f"all its gaps are empty, and beside it there is {others}, which was not graded")
        return notebook

    def _released(self) -> NotebookNode:
        name = self.submission.assignment
        return notebooks.read_once(self.course.root / "release" / name / f"{name}.ipynb")

    def save(self, executed: Executed) -> Record:
        """Write the scores to the gradebook and the executed notebook to `autograded/`, then the record."""
        submission, name = self.submission, self.submission.assignment
        with self.gradebook.transaction():
            self.gradebook.open_submission(name, submission.student, self.when)
            after = [p for p in self.autograde_preprocessors if not issubclass(p, StockExecute)]
            notebook = self._preprocess(executed.notebook, after)
            # All files are written before the transaction ends: without room for them there are no new scores.
            writer = FilesWriter(parent=self, config=self.config, build_directory=str(self.draft))
            output = {**self.resources, "output_extension": ".ipynb"}
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

    def _record(self, notebook: NotebookNode, executed: Executed) -> Record:
        submission, findings = self.submission, executed.findings
        state, reason = records.GRADED, ""
        if submission.repairs:
            state, reason = records.REPAIRED, "; ".join(submission.repairs)
        if findings.troubles:
            state = findings.troubles[0][0]
            reason = "; ".join([*(words for _, words in findings.troubles), *submission.repairs])
        tests = _tests(notebook)
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
            isolated=self.isolated,
            fingerprint=self.fingerprint,
            graded_at=_now(),
        )

    def _copy_given_files(self) -> None:
        """Put the assignment's own files over the student's, as nbgrader does."""
        name = self.submission.assignment
        given = Path(self.coursedir.format_path(self.coursedir.source_directory, ".", name))
        theirs = {str(given / path) for path in self.exclude_overwriting.get(name, [])}
        for path in utils.find_all_files(str(given), [*self.coursedir.ignore, "*.ipynb"]):
            if path not in theirs:
                copy = self.draft / Path(path).relative_to(given)
                copy.parent.mkdir(parents=True, exist_ok=True)
                if copy.is_dir():
                    shutil.rmtree(copy)
                    self.submission.repairs.append(f"the folder {copy.name} was replaced by the file of that name")
                shutil.copyfile(path, copy)

    def _preprocess(self, notebook: NotebookNode, preprocessors: list) -> NotebookNode:
        self.resources["nbgrader"]["gradebook"] = self.gradebook
        for preprocessor in preprocessors:
            step = preprocessor(parent=self)
            step.log = self.log
            notebook, self.resources = step(notebook, self.resources)
        del self.resources["nbgrader"]["gradebook"]
        return notebook


def _tests(notebook: NotebookNode) -> dict[str, dict]:
    """Of every test cell: the exercise, the points, and what it found."""
    cells, found = notebooks.by_id(notebook), {}
    exercises = list(notebooks.tests_of(notebook))
    for name, cell in cells.items():
        if notebooks.kind(cell) == "test":
            told = cell.metadata.get("grading", {})
            points = 0.0 if "fault" in told else utils.determine_grade(cell, logging.getLogger("grading"))[0]
            exercise = notebooks.exercise_of(name, exercises) or ""
            found[name] = {
                "exercise": exercise,
                "points": float(points or 0.0),
                "max": notebooks.points(cell),
                "error": f"The hidden test itself failed: {told['fault']}" if "fault" in told else first_line(cell),
                "mistake": told.get("mistake", ""),
                "empty": exercise in cells and is_empty(cells[exercise]),
            }
    return found


def _settings_digest(course: Course, assignment: str, gradebook: ClassGradebook) -> str:
    """A hash of all that decides grades beside the submission: the tests, the catalogue, the settings, the grader."""
    settings = {name: value for name, value in course.config.Execute.items() if name != "warm"}  # it decides nothing
    whole = hashlib.sha256(repr(sorted(settings.items())).encode())
    whole.update(str(gradebook.find_assignment(assignment).duedate).encode())
    paths = [course.root / "nbgrader_config.py", course.root / "mistakes" / f"{assignment}.toml"]
    for folder in (course.root / "source" / assignment, course.root / "release" / assignment):
        paths += sorted(path for path in folder.rglob("*") if path.is_file() and ".ipynb_checkpoints" not in path.parts)
    paths += sorted(Path(grading.__file__).parent.rglob("*.py"))
    for path in paths:
        if path.is_file():
            whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _without_grade(course: Course, submission: Submission, error: Exception, isolated: bool) -> Record:
    """The record of a submission that could not be graded; an earlier grade stays as it is."""
    state, reason = records.NOT_GRADABLE, f"{submission.folder}: {type(error).__name__}: {error}"
    if isinstance(error, SubmissionError):
        state, reason = error.state, str(error)
    elif isinstance(error, PermissionError) and Path(str(error.filename)).is_relative_to(submission.folder):
        state = records.UNREADABLE
        reason = (
            f"{error.filename}: may not be read; give yourself the right: chmod -R u+rX '{submission.folder.parent}'"
        )
    elif isinstance(error, OperationalError) and "locked" in str(error):
        reason = "The gradebook was locked by another program, formgrader perhaps, for a minute; grade again."
    elif isinstance(error, BrokenExecutor):
        reason = f"{submission.folder}: the process that graded it ended twice; look at it by hand"
    shutil.rmtree(course.root / "autograded" / submission.student / f".{submission.assignment}.new", ignore_errors=True)
    ended = Record(submission.student, submission.assignment, state, reason, isolated=isolated, graded_at=_now())
    if state == records.NOT_GRADABLE:
        ended.traceback = "".join(traceback.format_exception(error))
    try:
        ended.save(course)
    except OSError as problem:
        ended.reason += f" (And no record could be written: {problem.strerror}.)"
    return ended


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def release_if_unknown(course: Course, assignment: str) -> bool:
    """Release an assignment whose tests the gradebook does not know yet; whether that was needed.

    Raises:
        CourseError: nbgrader refused to release it, or somebody else is grading.
    """
    with course.alone():
        with course.gradebook() as gradebook, contextlib.suppress(MissingEntry):
            gradebook.find_notebook(assignment, assignment)
            return False
        release(course, assignment)
        return True
