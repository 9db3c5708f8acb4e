"""Regrade safely: grade in a copy of the course, show what would change, and only then write."""

import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from grading.authoring.release import release
from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.gradebook import changed_tests, copies, differences, late_penalties, records, scores, secret
from grading.gradebook.differences import Change
from grading.gradebook.records import Record
from grading.run.grade import grade


@dataclass
class Preview:
    """The preview of a regrade.

    Attributes:
        own: the copy of the course, in which everything has been graded.
        changes: what would change, see `difference.compare`.
        tests: tests that are new, gone or worth other points, in words.
        failed: submissions that could not be graded, by student, with the reason.
        digest: of the original gradebook.
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
    connect: Callable[[Course], AbstractContextManager[Executor]] | None = None,
) -> Preview:
    """Grade in `build/regrade/` and compare; nothing else is touched. For the arguments see `grade.grade`.

    Args:
        connect: makes the executor, other machines, for the copy, which they must have with its new release.

    Raises:
        CourseError: there is no gradebook yet, or nothing is submitted.
        CatalogueError: an entry does not fit the changed notebook; then no mistake could be named.
    """
    secret.of(course)
    for assignment in assignments:
        catalogue.load(course.root / "mistakes" / f"{assignment}.toml", notebooks.read(course.source(assignment)))
    own, digest = _copy(course, assignments)
    made = Preview(own, assignments, digest=digest)
    for assignment in assignments:
        made.tests += [f"{assignment}: {words}" for words in changed_tests.fit(made.own, assignment)]
        release(made.own, assignment)
    with nullcontext(executor) if connect is None else connect(made.own) as executor:
        for assignment in assignments:
            for ended in grade(made.own, assignment, jobs, executor, done):
                if not ended.has_grade:
                    made.failed[ended.student] = _as_here(ended.reason, made, course)
    late_penalties.apply(made.own)  # a penalty is a share of the points
    for assignment in assignments:
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
        CourseError: somebody has written to the gradebook since, or is grading, or no copy of it can be made.
    """
    with course.alone():
        kept = copies.put_back(course, made.own.root / "gradebook.db", made.digest)
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


def _copy(course: Course, assignments: list[str]) -> tuple[Course, str]:
    """A copy of the course with the same settings and its own gradebook, and the digest of the original gradebook."""
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
    digest = copies.take(course, root / "gradebook.db")
    own = Course(root)
    config = deepcopy(course.config)
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    own.__dict__["config"] = config  # also what was set after the file was read
    return own, digest


def _as_here(reason: str, made: Preview, course: Course) -> str:
    """A reason that names files where the course has them."""
    return reason.replace(f"{made.own.root}/", f"{course.root}/")


def _replace(new: Path, old: Path) -> None:
    if old.exists():
        shutil.rmtree(old)
    shutil.copytree(new, old, symlinks=True)
