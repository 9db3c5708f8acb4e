"""Regrade without fear: grade in a copy of the course, show what would change, and only then write."""

import hashlib
import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from grading.authoring.release import release
from grading.course import catalogue, notebooks
from grading.course.folder import Course, CourseError
from grading.gradebook import changed_tests, differences, late_penalties, records, scores, secret
from grading.gradebook.database import copy_database, keep_copy
from grading.gradebook.differences import Change
from grading.gradebook.records import Record
from grading.run.grade import grade


@dataclass
class Preview:
    """What a regrade would do.

    Attributes:
        own: the copy of the course in which everything is graded already.
        changes: what would change, see `difference.compare`.
        tests: tests that are new, gone or worth other points, in words.
        failed: submissions that could not be graded, by student, with the reason.
        digest: of the gradebook that this was made from.
    """

    own: Course
    assignments: list[str]
    changes: list[Change] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    digest: str = ""


def preview(
    course: Course,
    assignments: list[str],
    jobs: int | None = None,
    executor: Executor | None = None,
    done: Callable[[Record], None] = lambda ended: None,
) -> Preview:
    """Grade in `build/regrade/` and compare; nothing else is touched. For the arguments see `grade.grade`.

    Raises:
        CourseError: the gradebook is no file in the course folder, or nothing is submitted.
        CatalogueError: an entry does not fit the changed notebook; then no mistake could be named.
    """
    book = gradebook_file(course)
    secret.of(course)
    for assignment in assignments:
        catalogue.load(course.root / "mistakes" / f"{assignment}.toml", notebooks.read(course.source(assignment)))
    made = Preview(_copy(course, book, assignments), assignments, digest=_digest(book))
    for assignment in assignments:
        made.tests += [f"{assignment}: {words}" for words in changed_tests.fit(made.own, assignment)]
        release(made.own, assignment)
        for ended in grade(made.own, assignment, jobs, executor, done):
            if not ended.has_grade:
                made.failed[ended.student] = _as_here(ended.reason, made, course)
        late_penalties.apply(made.own)  # a penalty is a share of the points
        with course.gradebook() as old, made.own.gradebook() as new:
            before, after = scores.read(old, assignment), scores.read(new, assignment)
        exercises = list(notebooks.tests_of(notebooks.read(course.source(assignment))))
        made.changes += differences.compare(before, after, exercises, records.read(made.own, assignment))
    return made


def accept(course: Course, made: Preview) -> Path | None:
    """Write what the preview showed: scores, graded notebooks, records, the release.

    Returns:
        The copy of the old gradebook, see `keep_copy`.

    Raises:
        CourseError: somebody has written to the gradebook since, or is grading.
    """
    with course.alone():
        book = gradebook_file(course)
        if _digest(book) != made.digest:
            raise CourseError(
                f"{book}: has been changed since the preview, perhaps in formgrader. Run make regrade again."
            )
        kept = keep_copy(course, datetime.now())
        copy_database(gradebook_file(made.own), book)
        for assignment in made.assignments:
            for folder in sorted((made.own.root / "autograded").glob(f"*/{assignment}")):
                _replace(folder, course.root / folder.relative_to(made.own.root))
            for part in (Path("records") / assignment, Path("release") / assignment):
                if (made.own.root / part).exists():
                    _replace(made.own.root / part, course.root / part)
            for ended in records.read(course, assignment).values():
                ended.reason = _as_here(ended.reason, made, course)
                ended.save(course)
        return kept


def gradebook_file(course: Course) -> Path:
    """The file of the gradebook.

    Raises:
        CourseError: it is elsewhere (a database server), or there is none yet.
    """
    book = course.root / "gradebook.db"
    url = course.coursedir.db_url
    if url != f"sqlite:///{book}":
        raise CourseError(f"The gradebook is not {book} but {url}, of which no copy can be made here.")
    if not book.is_file():
        raise CourseError("There is no gradebook yet. Run: make release grade")
    return book


def _copy(course: Course, book: Path, assignments: list[str]) -> Course:
    """A copy of all that grading needs, with the same settings and a gradebook of its own."""
    root = course.root / "build" / "regrade"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name in ("nbgrader_config.py", "students.csv", secret.file_of(course).name):
        if (course.root / name).is_file():
            shutil.copy2(course.root / name, root)
    for name in ("source", "mistakes", "release"):
        if (course.root / name).is_dir():
            shutil.copytree(course.root / name, root / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    # Only read, and what students hand in is not always something that can be copied: links, pipes, locked files.
    (root / "submitted").symlink_to(course.root / "submitted")
    for assignment in assignments:
        for folder in sorted((course.root / "autograded").glob(f"*/{assignment}")):
            shutil.copytree(folder, root / folder.relative_to(course.root), symlinks=True)
        if (course.root / "records" / assignment).is_dir():
            shutil.copytree(course.root / "records" / assignment, root / "records" / assignment)
    copy_database(book, root / book.name)
    own = Course(root)
    config = deepcopy(course.config)
    config.CourseDirectory.root = str(root)
    own.__dict__["config"] = config  # also what was set after the file was read
    return own


def _as_here(reason: str, made: Preview, course: Course) -> str:
    """A reason that names files where the course has them."""
    return reason.replace(f"{made.own.root}/", f"{course.root}/")


def _replace(new: Path, old: Path) -> None:
    if old.exists():
        shutil.rmtree(old)
    shutil.copytree(new, old, symlinks=True)


def _digest(book: Path) -> str:
    return hashlib.sha256(book.read_bytes()).hexdigest()
