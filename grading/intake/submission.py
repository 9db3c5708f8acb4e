"""A student's submission: its files and its notebook, read safely and never changed."""

import errno
import fnmatch
import hashlib
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from pathlib import Path

from nbformat import NotebookNode

from grading.course import notebooks, times
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import records
from grading.intake import notebook_file
from grading.intake.archive import CLUTTER

MIB = 2**20
MAX_NOTEBOOK = 64 * MIB
MAX_TEXT = 32 * MIB  # characters of all cells and their pictures, which are what remains of a notebook
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)  # some browsers add an ending of their own
UNSTORABLE = re.compile(r"^\s|\s$|[\n\ud800-\udfff]")  # nbgrader accepts none of these in a student's id
# Wildcards, which would match other students' folders, and characters that formgrader does not escape.
UNSAFE = re.compile(r"[*?\[\]<>\"'`\\\x00-\x1f\x7f-\x9f]")
MAX_FILES = 100 * MIB  # all others together: more does not fit into the sandbox's scratch folder
MAX_PATHS = 5000  # files and folders in a submission


class SubmissionError(Exception):
    """A submission that cannot be graded.

    Attributes:
        state: how it ends, see `grading.gradebook.records`.
    """

    def __init__(self, state: str, reason: str):
        super().__init__(state, reason)  # both, so that it can be sent to another process
        self.state, self.reason = state, reason

    def __str__(self) -> str:
        return self.reason


@dataclass
class Submission:
    """A student's folder `submitted/<student>/<assignment>/`.

    Attributes:
        repairs: what was repaired while reading it, in plain words.
        zone: of a time in `timestamp.txt` that names none.
        beside: the names of notebooks that are not the one that was read.
        attempt: a digest of the notebook's file, once it was read.
    """

    student: str
    assignment: str
    folder: Path
    ignore: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    attempt: bytes = b""
    zone: tzinfo = UTC

    def notebook(self) -> NotebookNode:
        """The submitted notebook.

        Raises:
            SubmissionError: it is missing, a link, too large, or no notebook.
        """
        path = self._path()
        self.beside = [other.name for other in self._notebooks() if other != path]
        size = path.stat().st_size
        if size > MAX_NOTEBOOK:
            raise SubmissionError(
                records.UNREADABLE,
                f"{path}: is {size / MIB:.0f} MiB large, and at most {MAX_NOTEBOOK // MIB} are read; ask for it again "
                "without outputs (in JupyterLab: Edit > Clear Outputs of All Cells)",
            )
        self.attempt = digest(path)
        try:
            notebook, repairs = notebook_file.read(path)
        except notebooks.NotebookError as error:
            more = f" (beside it: {', '.join(self.beside)})" if self.beside else ""
            raise SubmissionError(records.UNREADABLE, f"{error}{more}") from None
        if reason := _too_much(notebook):
            raise SubmissionError(records.UNREADABLE, f"{path}: {reason}; ask for the notebook of this assignment")
        self.repairs += repairs
        return notebook

    def timestamp(self) -> datetime | None:
        """When it was handed in, as `timestamp.txt` says, in UTC; None if there is no such file, or no time in it."""
        path = self.folder / "timestamp.txt"
        if not path.exists() and not path.is_symlink():
            return None
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > 1000:
                raise ValueError
            text = path.read_text(encoding="utf-8").strip()
            return times.parse(text, self.zone) if text else None
        except (OSError, ValueError):
            self.repairs.append("timestamp.txt holds no valid time, so the time of submission is unknown")
            return None

    def files(self) -> list[Path]:
        """All regular files in order, except notebooks and what nbgrader ignores."""
        found = []
        for path in self._inside():
            inner = path.relative_to(self.folder).parts
            ignored = any(fnmatch.fnmatch(part, pattern) for part in inner for pattern in self.ignore)
            if not ignored and path.suffix != ".ipynb" and path.is_file() and not path.is_symlink():
                found.append(path)
        return found

    def copy_files(self, target: Path) -> None:
        """Copy the files beside the notebook; links and what is too large are left out, and that is noted."""
        if self._is_crowded:
            self.repairs.append(
                f"its folder holds more than {MAX_PATHS:,} files and folders, so none but the notebook was used"
            )
        for link in (path for path in self._inside() if path.is_symlink()):
            self.repairs.append(f"the symbolic link {link.name} was left out")
        fitting = _fitting(self.files())
        for path in self.files():
            if path not in fitting:
                size = path.stat().st_size
                self.repairs.append(f"the file {path.name} was left out: it has {size / MIB:.0f} MiB")
                continue
            copy = target / path.relative_to(self.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def digest(self) -> str:
        """A hash of the names and contents of everything that was handed in; of files that are left out, the sizes.

        Raises:
            SubmissionError: the folder is a link: what it leads to may be the whole machine; or nbgrader cannot store
                its name, or would take it for more than a name.
        """
        _refuse_link(self.folder)
        if UNSTORABLE.search(self.student):
            raise SubmissionError(
                records.NOT_GRADABLE,
                f"{self.folder.parent}: the folder's name begins or ends with a space, holds a line break, "
                "or is not UTF-8; rename it",
            )
        if UNSAFE.search(self.student):
            raise SubmissionError(
                records.NOT_GRADABLE,
                f"{self.folder.parent}: a student's id may hold none of * ? [ ] < > \" ' ` \\ and no control "
                "character; rename the folder",
            )
        expected = self.folder / f"{self.assignment}.ipynb"
        others = [path for path in self._notebooks() if path != expected and path.is_file() and not path.is_symlink()]
        used = {expected} | _fitting(self.files()) | _fitting(others)
        whole = hashlib.sha256()
        for path in self._inside():
            if path.is_symlink() or not path.is_file():
                continue
            content = _content(path) if path in used else path.stat().st_size
            line = f"\0{path.relative_to(self.folder)}\0{content}\0"
            whole.update(line.encode("utf-8", "surrogateescape"))
        return whole.hexdigest()

    def _inside(self) -> list[Path]:
        """Everything in the folder and its subfolders, in order; only the notebooks if the folder is crowded."""
        return self._notebooks() if self._is_crowded else sorted(self.folder.rglob("*"))

    @property
    def _is_crowded(self) -> bool:
        """Whether the folder has so many entries that looking at all of them takes long."""
        try:
            return next(islice(self.folder.rglob("*"), MAX_PATHS, None), None) is not None
        except RecursionError:
            return True
        except OSError as error:
            return error.errno == errno.ENAMETOOLONG

    def _notebooks(self) -> list[Path]:
        """What looks like a notebook in the folder, in order."""
        inside = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [path for path in inside if NOTEBOOK.search(path.name) and not path.name.startswith(".")]

    def _path(self) -> Path:
        """The notebook's file; a renamed one if it is the only one there."""
        expected = self.folder / f"{self.assignment}.ipynb"
        inside, others = sorted(self.folder.iterdir()) if self.folder.is_dir() else [], self._notebooks()
        for path in [self.folder, expected]:
            _refuse_link(path)
        if not expected.exists() and others and all(path.is_symlink() for path in others):
            _refuse_link(others[0])
        if expected.is_file():
            return expected
        if expected.exists():
            raise SubmissionError(records.MISSING, f"{expected}: is a folder, or no file; ask for the notebook")
        copies = {_content(path): path for path in reversed(others) if path.is_file() and not path.is_symlink()}
        if len(copies) == 1:
            (found,) = copies.values()
            self.repairs.append(f"the notebook was renamed to {found.name}")
            return found
        if copies:
            names = ", ".join(path.name for path in others)
            raise SubmissionError(
                records.UNCLEAR,
                f"{expected}: is missing, and it is not clear which of {names} it is; rename the right one",
            )
        seen = inside if self.folder.is_dir() else sorted(self.folder.parent.iterdir())
        names = ", ".join(path.name + "/" * path.is_dir() for path in seen[:5]) + ", ..." * (len(seen) > 5)
        there = f" (there is: {names})" if seen else " (the folder is empty)"
        raise SubmissionError(
            records.MISSING, f"{expected}: is missing{there}; ask the student for it, or remove the folder"
        )


def _too_much(notebook: NotebookNode) -> str:
    """Why a notebook is too large to be anybody's work; empty if it is not."""
    texts = [cell.get("source") for cell in notebook.cells]
    texts += [
        text for cell in notebook.cells for kinds in cell.get("attachments", {}).values() for text in kinds.values()
    ]
    size = sum(len(text) for text in texts if isinstance(text, str))
    if size > MAX_TEXT:
        return f"holds {size / MIB:.0f} MiB of text and pictures, and at most {MAX_TEXT // MIB} are read"
    return ""


def _fitting(paths: list[Path]) -> set[Path]:
    """The files that are used: in order, as long as there is room."""
    fitting, room = set(), MAX_FILES
    for path in paths:
        size = path.stat().st_size
        if size <= room:
            room -= size
            fitting.add(path)
    return fitting


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise SubmissionError(
            records.LINK, f"{path}: is a symbolic link, which is never followed; ask for the file itself"
        )


def digest(path: Path) -> bytes:
    """The identity of an attempt: a digest of the notebook as it was handed in."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _content(path: Path) -> str:
    """A digest of a file's content; for a file that is too large to be read, its size."""
    size = path.stat().st_size
    if size > MAX_FILES:
        return str(size)
    return digest(path).hex()


def find(course: Course, assignment: str, students: list[str] | None = None) -> list[Submission]:
    """The submissions in `submitted/<student>/<assignment>/`, by student.

    It includes misplaced ones, beside that folder or in a folder with another spelling: they are reported as missing.

    Raises:
        CourseError: there are none.
    """
    root = course.root / "submitted"
    people = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    people = [path for path in people if path.name not in CLUTTER]
    folders = [path / assignment for path in people if _holds(course, path, assignment)]
    ignore, zone = course.coursedir.ignore, times.zone_of(course)
    found = [Submission(folder.parent.name, assignment, folder, ignore, zone=zone) for folder in folders]
    if students is not None:
        found = [submission for submission in found if submission.student in students]
    if not found:
        raise CourseError(
            f"Nothing is submitted for '{assignment}'. Put each student's notebook at\n"
            f"  {root}/<student>/{assignment}/{assignment}.ipynb"
        )
    return found


def _holds(course: Course, folder: Path, assignment: str) -> bool:
    """Whether a student's folder contains a submission, or may: in a wrong place, or in an unreadable folder."""
    notebook = f"{assignment}.ipynb"
    try:
        inside = list(folder.iterdir())
        misnamed = (path / notebook for path in inside if path.name not in course.assignments)
        seems = any(path.name.casefold() in (assignment, notebook) for path in inside)
        return (folder / assignment).is_dir() or seems or any(path.is_file() for path in misnamed)
    except PermissionError:
        return True
