"""The page for a student's attempt, with as much feedback as the course's policy allows now."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from nbgrader.utils import notebook_hash

from grading import templates
from grading.course.folder import Course
from grading.report.feedback import Overview, without_paths


class Attempt(Protocol):
    """What a page says of an attempt, see `grading.run.attempts.Attempt`."""

    @property
    def id(self) -> int: ...

    @property
    def assignment(self) -> str: ...

    @property
    def student(self) -> str: ...

    @property
    def received(self) -> datetime: ...

    @property
    def state(self) -> str: ...

    @property
    def number(self) -> int | None: ...

    @property
    def score(self) -> float | None: ...

    @property
    def max_score(self) -> float | None: ...

    @property
    def note(self) -> str: ...


class Policy(Protocol):
    """What a page says of the rules, see `grading.run.attempts.AttemptPolicy`."""

    attempts: int
    per_day: int
    pause: float
    counts: str
    after_due: str


def render(
    course: Course,
    attempt: Attempt,
    attempts: Sequence[Attempt],
    policy: Policy,
    level: str,
    overview: Overview | None = None,
    refused: bool = False,
) -> str:
    """The page of an attempt, as HTML.

    Args:
        attempts: all of this student in this assignment, in order.
        level: "points", "mistakes" or "everything"; or the state of an attempt that was not graded.
        overview: the result, for "points" and "mistakes"; without it the page has the points of the tests alone.
        refused: the page shows less than the policy allows, because more could not be made.
    """
    values = {
        "attempt": attempt,
        "note": without_paths(course, attempt.note),
        "graded": [other for other in attempts if other.state == "graded"],
        "policy": policy,
        "level": level,
        "overview": overview,
        "refused": refused,
    }
    if level != "everything":
        return templates.render("attempt.html.j2", **values)
    path = course.root / "feedback" / attempt.student / attempt.assignment / f"{attempt.assignment}.html"
    head, body, rest = path.read_text(encoding="utf-8").partition("<main>\n")
    return head + body + templates.render("attempt_banner.html.j2", **values) + rest


def release(text: str, exchange: Path, secret: str, assignment: str) -> Path:
    """Put a page where nbgrader's *Fetch Feedback* looks for it.

    Args:
        exchange: the course's folder in the exchange.
        secret: of the submission; only with it can the page's name be computed.
    """
    folder = exchange / "feedback"
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(0o711)  # as nbgrader makes it: a page can be read, and the folder cannot be listed
    path = folder / f"{notebook_hash(secret=secret, notebook_id=assignment)}.html"
    write(text, path)
    path.chmod(0o644)
    return path


def write(text: str, path: Path) -> None:
    """Write a page; a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
