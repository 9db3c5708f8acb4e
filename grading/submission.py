"""What a student handed in: which files, which notebook, read with care and never changed."""

import fnmatch
import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from grading import notebooks, record
from grading.course import Course, CourseError

MIB = 2**20
MAX_NOTEBOOK = 30 * MIB
MAX_FILES = 100 * MIB  # all others together: more does not fit into the sandbox's scratch folder
MARKER = re.compile(r"^(<{7} .*|={7}|>{7} .*)$", re.MULTILINE)


class SubmissionError(Exception):
    """A submission that cannot be graded.

    Attributes:
        state: how it ends, see `grading.record`.
    """

    def __init__(self, state: str, reason: str):
        super().__init__(reason)
        self.state = state


@dataclass
class Submission:
    """A student's folder `submitted/<student>/<assignment>/`, and what was repaired while reading it."""

    student: str
    assignment: str
    folder: Path
    ignore: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)

    def notebook(self) -> NotebookNode:
        """The submitted notebook.

        Raises:
            SubmissionError: it is missing, a link, too large, or no notebook.
        """
        path = self._path()
        size = path.stat().st_size
        if size > MAX_NOTEBOOK:
            raise SubmissionError(
                record.UNREADABLE,
                f"{path}: is {size / MIB:.0f} MiB large, and at most {MAX_NOTEBOOK // MIB} are read; ask for it again "
                "without outputs (in JupyterLab: Edit > Clear Outputs of All Cells)",
            )
        try:
            return notebooks.read(path)
        except notebooks.NotebookError as error:
            merged = without_conflicts(path.read_bytes().decode("utf-8-sig", "replace"), _is_json)
            if merged is None:
                raise SubmissionError(record.UNREADABLE, str(error)) from None
        try:
            notebook = notebooks.parse(merged, path)
        except notebooks.NotebookError as error:
            raise SubmissionError(record.UNREADABLE, str(error)) from None
        self.repairs.append("the file held a merge conflict, of which the first version was kept")
        return notebook

    def files(self) -> list[Path]:
        """All regular files but the notebooks and what nbgrader is told to ignore, in order."""
        found = []
        for path in sorted(self.folder.rglob("*")):
            inner = path.relative_to(self.folder).parts
            ignored = any(fnmatch.fnmatch(part, pattern) for part in inner for pattern in self.ignore)
            if not ignored and path.suffix != ".ipynb" and path.is_file() and not path.is_symlink():
                found.append(path)
        return found

    def copy_files(self, target: Path) -> None:
        """Copy the files beside the notebook; links and what is too large are left out, and that is noted."""
        for link in sorted(path for path in self.folder.rglob("*") if path.is_symlink()):
            self.repairs.append(f"the symbolic link {link.name} was left out")
        room = MAX_FILES
        for path in self.files():
            size = path.stat().st_size
            if size > room:
                self.repairs.append(f"the file {path.name} was left out: it has {size / MIB:.0f} MiB")
                continue
            room -= size
            copy = target / path.relative_to(self.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def digest(self) -> str:
        """A hash of the names and contents of everything that was handed in."""
        whole = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            whole.update(
                f"\0{path.relative_to(self.folder)}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape")
            )
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()

    def _path(self) -> Path:
        """The notebook's file; a renamed one if it is the only one there."""
        expected = self.folder / f"{self.assignment}.ipynb"
        others = sorted(path for path in self.folder.glob("*.ipynb") if path != expected)
        for path in [self.folder, expected, *([] if expected.exists() else others)]:
            if path.is_symlink():
                raise SubmissionError(
                    record.LINK, f"{path}: is a symbolic link, which is never followed; ask for the file itself"
                )
        if expected.is_file():
            return expected
        if len(others) == 1 and others[0].is_file():
            self.repairs.append(f"the notebook was renamed to {others[0].name}")
            return others[0]
        if others:
            names = ", ".join(path.name for path in others)
            raise SubmissionError(
                record.UNCLEAR,
                f"{expected}: is missing, and it is not clear which of {names} it is; rename the right one",
            )
        raise SubmissionError(record.MISSING, f"{expected}: is missing; ask the student for it, or remove the folder")


def find(course: Course, assignment: str, students: list[str] | None = None) -> list[Submission]:
    """The submissions in `submitted/<student>/<assignment>/`, by student.

    Raises:
        CourseError: there are none.
    """
    root = course.root / "submitted"
    folders = sorted(path for path in root.glob(f"*/{assignment}") if path.is_dir()) if root.is_dir() else []
    ignore = course.coursedir.ignore
    found = [Submission(folder.parent.name, assignment, folder, ignore) for folder in folders]
    if students is not None:
        found = [submission for submission in found if submission.student in students]
    if not found:
        raise CourseError(
            f"Nothing is submitted for '{assignment}'. Put each student's notebook at\n"
            f"  {root}/<student>/{assignment}/{assignment}.ipynb"
        )
    return found


def without_conflicts(text: str, sound) -> str | None:
    """A text with its merge conflicts resolved to the first version, or the second if only that is sound.

    Lines that look like markers are no conflict if the text is sound with them: a string may hold such lines.

    Args:
        sound: says of a text whether it can be used.

    Returns:
        The resolved text; None if there is no conflict, or no version is sound.
    """
    if not MARKER.search(text) or sound(text):
        return None
    for wanted in (0, 1):
        kept, side = [], None
        for line in text.split("\n"):
            if re.match(r"<{7} ", line):
                side = 0
            elif side is not None and line.rstrip("\r") == "=" * 7:
                side = 1
            elif side is not None and re.match(r">{7} ", line):
                side = None
            elif side in (None, wanted):
                kept.append(line)
        if sound(version := "\n".join(kept)):
            return version
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
