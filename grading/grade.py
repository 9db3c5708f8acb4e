"""Autograde a class: sanitize and save in one process, execute in parallel.

The process that calls `grade` is the only one that touches the gradebook and `autograded/`. Workers get a sanitized
notebook and give it back executed. Any `concurrent.futures.Executor` will do.
"""

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbconvert.writers import FilesWriter
from nbgrader.api import MissingEntry
from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute as StockExecute
from traitlets.config import Config

from grading import notebooks
from grading.course import Course, CourseError
from grading.execute import Execute
from grading.release import quiet_logger
from grading.sandbox import why_not


@dataclass
class Outcome:
    """How the grading of one submission ended.

    Attributes:
        state: "graded", "repaired" (graded, after a repair that `reason` names), or "failed" (not graded).
        reason: in plain words, empty if graded.
    """

    student: str
    assignment: str
    state: str
    reason: str = ""


@dataclass
class Submission:
    """A student's folder, and the notebook in it."""

    student: str
    assignment: str
    folder: Path
    notebook: Path | None = None
    repairs: list[str] = field(default_factory=list)


def grade(
    course: Course,
    assignment: str,
    jobs: int | None = None,
    executor: Executor | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    students: list[str] | None = None,
) -> list[Outcome]:
    """Grade every submission of an assignment in `submitted/`.

    Args:
        jobs: how many submissions run at the same time; by default the number of cores.
        executor: where they run; by default a pool of processes that is made and closed here.
        done: called as each submission is finished.
        students: only these.

    Returns:
        An outcome for each student, in their order.

    Raises:
        CourseError: unknown assignment, nothing released, or nothing submitted.
    """
    course.source(assignment)
    _require_release(course, assignment)
    if course.config.Execute.get("sandbox") != "none" and why_not():
        raise CourseError(why_not())
    submissions = find(course, assignment, students)
    outcomes: dict[str, Outcome] = {}

    def finish(outcome: Outcome) -> None:
        outcomes[outcome.student] = outcome
        done(outcome)

    own = executor is None
    pool = executor or make_pool(jobs)
    try:
        with course.entered():
            waiting = {}
            for submission in submissions:
                try:
                    converter = _Converter(course, submission)
                    text = converter.sanitize()
                    task = pool.submit(execute, text, converter.resources, course.config, str(course.root))
                    waiting[task] = converter
                except Exception as error:
                    finish(_failed(submission, error))
            for future in as_completed(waiting):
                converter = waiting.pop(future)
                submission = converter.submission
                try:
                    converter.save(future.result())
                    state = "repaired" if submission.repairs else "graded"
                    finish(Outcome(submission.student, assignment, state, "; ".join(submission.repairs)))
                except Exception as error:
                    shutil.rmtree(converter.folder, ignore_errors=True)
                    finish(_failed(submission, error))
    finally:
        if own:
            pool.shutdown()
    return [outcomes[student] for student in sorted(outcomes)]


def make_pool(jobs: int | None = None) -> ProcessPoolExecutor:
    """Workers that each run one submission at a time; fresh processes, so that they share no threads or state."""
    return ProcessPoolExecutor(jobs or os.cpu_count() or 1, mp_context=get_context("spawn"))


def find(course: Course, assignment: str, students: list[str] | None = None) -> list[Submission]:
    """The submissions in `submitted/<student>/<assignment>/`, by student.

    Raises:
        CourseError: there are none.
    """
    root = course.root / "submitted"
    folders = sorted(path for path in root.glob(f"*/{assignment}") if path.is_dir()) if root.is_dir() else []
    found = [Submission(folder.parent.name, assignment, folder) for folder in folders]
    if students is not None:
        found = [submission for submission in found if submission.student in students]
    if not found:
        raise CourseError(
            f"Nothing is submitted for '{assignment}'. Put each student's notebook at\n"
            f"  {root}/<student>/{assignment}/{assignment}.ipynb"
        )
    return found


def execute(notebook: str, resources: dict, config: Config, root: str) -> str:
    """Run a sanitized notebook in a worker: JSON text in, JSON text out; `resources` as nbgrader has them."""
    os.chdir(root)
    os.environ["NBGRADER_EXECUTION"] = "autograde"  # as stock nbgrader does: long demonstrations may look at it
    nb = nbformat.reads(notebook, as_version=4)
    preprocessor = Execute(config=config)
    preprocessor.log = logging.Logger("grading.execute", logging.CRITICAL)
    nb, _ = preprocessor.preprocess(nb, resources)
    return nbformat.writes(nb)


class _Converter(Autograde):
    """nbgrader's Autograde, cut where the notebook is executed."""

    def __init__(self, course: Course, submission: Submission):
        coursedir = course.coursedir
        coursedir.assignment_id, coursedir.student_id = submission.assignment, submission.student
        super().__init__(coursedir=coursedir, config=course.config, force=True)
        self.messages: list[str] = []
        self.log = quiet_logger("autograde", self.messages)
        self.submission = submission
        self.writer = FilesWriter(parent=self, config=self.config)
        self.exporter = self.exporter_class(parent=self, config=self.config)

    @property
    def folder(self) -> Path:
        """Where the graded submission goes."""
        return Path(self._format_dest(self.submission.assignment, self.submission.student))

    def sanitize(self) -> str:
        """Restore what the student must not change; the notebook to execute, as JSON text."""
        submission = self.submission
        links = _links(submission)
        path = _find_notebook(submission)
        notebook = notebooks.read(path)
        self.notebooks = [str(submission.folder / f"{submission.assignment}.ipynb")]
        dest = self.folder
        if dest.exists():
            shutil.rmtree(dest)
        self.init_assignment(submission.assignment, submission.student)
        dest.mkdir(parents=True, exist_ok=True)
        for link in links:  # nbgrader has copied what it points at
            (dest / link.relative_to(submission.folder)).unlink(missing_ok=True)
            submission.repairs.append(f"the symbolic link {link.name} was left out")
        self.resources = self.init_single_notebook_resources(
            self._format_source(submission.assignment, submission.student) + f"/{submission.assignment}.ipynb"
        )
        self.resources["metadata"] = {"path": str(dest), "name": submission.assignment}
        notebook = self._preprocess(notebook, self.sanitize_preprocessors)
        submission.repairs += self.resources["nbgrader"].pop("repairs", [])
        return nbformat.writes(notebook)

    def save(self, executed: str) -> None:
        """Write the executed notebook to `autograded/` and its scores to the gradebook."""
        notebook = nbformat.reads(executed, as_version=4)
        after = [p for p in self.autograde_preprocessors if not issubclass(p, StockExecute)]
        notebook = self._preprocess(notebook, after)
        self.write_single_notebook(nbformat.writes(notebook), {**self.resources, "output_extension": ".ipynb"})
        self.set_permissions(self.submission.assignment, self.submission.student)

    def _preprocess(self, notebook: nbformat.NotebookNode, preprocessors: list) -> nbformat.NotebookNode:
        for preprocessor in preprocessors:
            step = preprocessor(parent=self)
            step.log = self.log
            notebook, self.resources = step(notebook, self.resources)
        return notebook


def _find_notebook(submission: Submission) -> Path:
    """The submitted notebook; a renamed one if it is the only one there."""
    expected = submission.folder / f"{submission.assignment}.ipynb"
    if expected.is_file():
        return expected
    others = sorted(submission.folder.glob("*.ipynb"))
    if len(others) == 1:
        submission.repairs.append(f"the notebook was renamed to {others[0].name}")
        return others[0]
    if others:
        names = ", ".join(path.name for path in others)
        raise CourseError(f"{expected}: is missing, and it is not clear which of {names} it is; rename the right one")
    raise CourseError(f"{expected}: is missing; ask the student for it, or remove the folder")


def _links(submission: Submission) -> list[Path]:
    """The symbolic links in a submission: one could point at the solutions, or at another student's work.

    Raises:
        CourseError: the folder or a notebook is one.
    """
    links = [path for path in sorted(submission.folder.rglob("*")) if path.is_symlink()]
    for path in [submission.folder, *links]:
        if path.is_symlink() and (path == submission.folder or path.suffix == ".ipynb"):
            raise CourseError(f"{path}: is a symbolic link, which is never followed; ask for the file itself")
    return links


def _failed(submission: Submission, error: Exception) -> Outcome:
    known = isinstance(error, (CourseError, notebooks.NotebookError))
    reason = str(error) if known else f"{submission.folder}: {type(error).__name__}: {error}"
    return Outcome(submission.student, submission.assignment, "failed", reason)


def _require_release(course: Course, assignment: str) -> None:
    with course.gradebook() as gradebook:
        try:
            gradebook.find_notebook(assignment, assignment)
        except MissingEntry:
            raise CourseError(
                f"The gradebook does not know '{assignment}' yet. Run: make release ASSIGNMENT={assignment}"
            ) from None
