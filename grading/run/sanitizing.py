"""From what a student handed in to a notebook that can be executed. It works on nothing else that a student wrote.

`sanitize_within` does it in a process with limits of time and memory, because a notebook can be made to take hours.
"""

import pickle
import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from nbformat import NotebookNode
from nbgrader import utils

from grading.authoring.release import quiet_logger
from grading.compat.nbgrader import Autograde
from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.bounded import Bounded, BoundedPool
from grading.gradebook.database import ReleasedCells, preprocess
from grading.intake.restore import is_untouched
from grading.intake.submission import Submission

SECONDS = 10.0  # of processor time for one submission; an ordinary one takes a fiftieth of a second
MEMORY = 2 * 2**30  # bytes; a notebook of the largest size that is read takes a third of this


@dataclass(frozen=True)
class Sanitized:
    """A notebook that can be executed.

    Attributes:
        resources: as nbgrader's preprocessors have them.
        handed_in: when, in UTC without a zone; None if that is not known.
    """

    notebook: NotebookNode
    resources: dict
    handed_in: datetime | None


class Sanitizer(Autograde):
    """nbgrader's Autograde up to where the notebook is executed.

    Args:
        released: what the gradebook knows of the released notebook.
        draft: the folder in which the notebook will run.
    """

    def __init__(self, course: Course, submission: Submission, released: ReleasedCells, draft: Path):
        coursedir = course.coursedir
        coursedir.assignment_id, coursedir.student_id = submission.assignment, submission.student
        super().__init__(coursedir=coursedir, config=course.config, force=True)
        self.log = quiet_logger("autograde", [])
        self.course, self.submission, self.released, self.draft = course, submission, released, draft

    def sanitize(self) -> Sanitized:
        """Restore what the student must not change; what was repaired is noted in the submission."""
        submission, name = self.submission, self.submission.assignment
        submission.repairs.clear()
        notebook, handed_in = submission.notebook(), submission.timestamp()
        shutil.rmtree(self.draft, ignore_errors=True)
        self.draft.mkdir(parents=True)
        submission.copy_files(self.draft)
        self._copy_given_files()
        source = self.source_folder(name, submission.student) / f"{name}.ipynb"
        resources = self.init_single_notebook_resources(str(source))
        resources["metadata"] = {"path": str(self.draft), "name": name}
        steps = [step(parent=self, log=self.log) for step in self.sanitize_preprocessors]
        notebook, resources = preprocess(steps, notebook, resources, self.released)
        submission.repairs += resources["nbgrader"].pop("repairs", [])
        if submission.beside and is_untouched(notebook, self._release()):
            others = ", ".join(submission.beside)
            submission.repairs.append(f"all its gaps are empty; the folder also holds {others}, which was not graded")
        return Sanitized(notebook, resources, handed_in)

    def _release(self) -> NotebookNode:
        name = self.submission.assignment
        return notebooks.read_once(self.course.root / "release" / name / f"{name}.ipynb")

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


def sanitize_within(
    process: Bounded | BoundedPool, course: Course, submission: Submission, released: ReleasedCells, draft: Path
) -> tuple[Submission, Sanitized]:
    """Sanitize in a process with limits; the submission that is returned has the repairs.

    Raises:
        SubmissionError: it cannot be read.
        LimitError: that takes too much.
    """
    changed = (course.root / "nbgrader_config.py").stat().st_mtime_ns
    return process(_sanitize, str(course.root), changed, submission, pickle.dumps(released), draft)


def _sanitize(
    root: str, changed: int, submission: Submission, released: bytes, draft: Path
) -> tuple[Submission, Sanitized]:
    course = _course(root, changed)
    with course.entered():
        return submission, Sanitizer(course, submission, _released(released), draft).sanitize()


@lru_cache(maxsize=1)
def _course(root: str, changed: int) -> Course:
    """The course with the settings of this time of change, cached for the next submissions."""
    return Course(Path(root))


@lru_cache(maxsize=8)
def _released(pickled: bytes) -> ReleasedCells:
    """The released cells, cached: they also remember which metadata are valid."""
    cells: ReleasedCells = pickle.loads(pickled)
    return cells
