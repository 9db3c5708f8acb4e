"""A course folder: its nbgrader settings, its assignments, and the nbgrader objects that work on it."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from grading.course.errors import CourseError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory


@dataclass(frozen=True)
class Course:
    """A folder with `nbgrader_config.py`, `source/`, and what nbgrader makes of them.

    Attributes:
        root: the folder, absolute.
    """

    root: Path

    @cached_property
    def config(self) -> Config:
        """The settings of `nbgrader_config.py`, for this folder.

        Raises:
            CourseError: there is no such file.
        """
        if not (self.root / "nbgrader_config.py").is_file():
            raise CourseError(
                f"{self.root} is not a course folder: it has no nbgrader_config.py. Change to the course folder first."
            )
        try:
            config = PyFileConfigLoader("nbgrader_config.py", path=str(self.root)).load_config()
        except Exception as error:  # a traceback would show the line, which may hold the password of the gradebook
            raise CourseError(f"nbgrader_config.py, line {_where(error)}") from None
        config.CourseDirectory.root = str(self.root)
        return config

    @property
    def coursedir(self) -> "CourseDirectory":
        """A fresh nbgrader CourseDirectory.

        Raises:
            CourseError: the URL of the gradebook is wrong.
        """
        from nbgrader.coursedir import CourseDirectory  # nbgrader takes a second to import, and not all need it

        from grading.course.gradebook_url import patient

        coursedir = CourseDirectory(config=self.config)
        coursedir.db_url = patient(coursedir.db_url)
        return coursedir

    @property
    def assignments(self) -> list[str]:
        """The names of all assignments, `source/<name>/<name>.ipynb`."""
        return sorted(path.parent.name for path in (self.root / "source").glob("*/*.ipynb"))

    def source(self, assignment: str) -> Path:
        """The instructor's notebook of an assignment.

        Raises:
            CourseError: there is no such assignment.
        """
        path = self.root / "source" / assignment / f"{assignment}.ipynb"
        if not path.is_file():
            known = ", ".join(self.assignments) or "none"
            raise CourseError(f"There is no assignment '{assignment}' in {self.root / 'source'}. There are: {known}.")
        return path

    def chosen(self, assignment: str | None) -> list[str]:
        """The named assignment alone, or all of them.

        Raises:
            CourseError: there is no such assignment, or none at all.
        """
        if assignment:
            self.source(assignment)
            return [assignment]
        if not self.assignments:
            raise CourseError(f"There is no assignment: {self.root / 'source'} is empty.")
        return self.assignments

    def require_complete(self, assignment: str) -> None:
        """Check that everything needed for a correct grade exists.

        Raises:
            CourseError: the release, the source or the catalogue of the assignment is missing.
        """
        self.source(assignment)
        complete(self.root, assignment, assignment)

    def gradebook(self) -> "Gradebook":
        """nbgrader's database of this course; use it in a `with` block."""
        from nbgrader.api import Gradebook

        return Gradebook(self.gradebook_url, self.coursedir.course_id)

    @property
    def gradebook_url(self) -> str:
        """The URL of the gradebook, with a time to wait while another program has locked it."""
        from grading.course.gradebook_url import PATIENCE

        url: str = self.coursedir.db_url
        return f"{url}?timeout={PATIENCE}" if url.startswith("sqlite:///") and "?" not in url else url

    @property
    def gradebook_file(self) -> Path | None:
        """The SQLite file of the gradebook; None if it is on a server."""
        from grading.course.gradebook_url import parse

        url = parse(self.coursedir.db_url)
        return self.root / (url.database or "") if url.get_backend_name() == "sqlite" else None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the course, so that no other command grades in it.

        Raises:
            CourseError: another command holds the lock, or `records` is a file.
        """
        folder = self.root / "records"
        if folder.exists() and not folder.is_dir():
            raise CourseError(f"{folder} should be a folder, and it is a file. Move it away, then run this again.")
        folder.mkdir(exist_ok=True)
        lock = FileLock(self.root / "records" / ".lock")  # the system lets go of it when its process ends
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise CourseError(
                "Another command is grading in this course. Wait until it has finished, then try again."
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the block in the course folder, as nbgrader's converters expect."""
        before = Path.cwd()
        os.chdir(self.root)
        try:
            yield
        finally:
            os.chdir(before)


def with_own_gradebook(course: Course) -> Course:
    """Give a copy of a course its own gradebook, even if its settings name another one."""
    own = f"sqlite:///{course.root / 'gradebook.db'}"
    if course.coursedir.db_url == own:
        return course
    with (course.root / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
        settings.write(f"\nc.CourseDirectory.db_url = {own!r}  # this is a copy of the course\n")
    return Course(course.root)


def _where(error: Exception) -> str:
    """The line of the settings in which an error was raised, and what it says."""
    if isinstance(error, SyntaxError):
        return f"{error.lineno}: {error.msg}"
    lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename.endswith("_config.py")]
    return f"{lines[0] if lines else '?'}: {type(error).__name__}: {error}"


def complete(root: Path, assignment: str, notebook: str) -> tuple[Path, Path]:
    """The release and the source of a notebook.

    Raises:
        CourseError: one of them, or the catalogue of mistakes, is missing: nothing could be restored or judged.
    """
    source = root / "source" / assignment / f"{notebook}.ipynb"
    release = root / "release" / assignment / f"{notebook}.ipynb"
    needed = {
        source: "the instructor's notebook",
        release: f"run: make release ASSIGNMENT={assignment}",
        root / "mistakes" / f"{notebook}.toml": "the catalogue of mistakes, which may be an empty file",
    }
    missing = [f"{path} ({what})" for path, what in needed.items() if not path.is_file()]
    if missing:
        raise CourseError(f"Nothing is graded: there is no {', no '.join(missing)}.")
    return release, source
