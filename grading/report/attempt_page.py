"""The page for a student's attempt, with as much feedback as the course's policy allows now."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from nbformat import NotebookNode
from nbgrader.utils import notebook_hash

from grading import templates
from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook import records
from grading.report.feedback import sentence


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


def render(course: Course, attempt: Attempt, attempts: Sequence[Attempt], policy: Policy, level: str) -> str:
    """The page of an attempt, as HTML.

    Args:
        attempts: all of this student in this assignment, in order.
        level: "points", "mistakes" or "everything"; or the state of an attempt that was not graded.
    """
    own = Path(attempt.student) / attempt.assignment
    summary, answers = [], 0
    if level in ("points", "mistakes"):
        notebook = notebooks.read(course.root / "autograded" / own / f"{attempt.assignment}.ipynb")
        ended = records.Record.load(records.file_of(course, attempt.assignment, attempt.student))
        answers = len(notebooks.answers_of(notebook))
        summary = _summary(notebook, ended.tests if ended else {}, say=level == "mistakes")
    values = {
        "attempt": attempt,
        "graded": [other for other in attempts if other.state == "graded"],
        "policy": policy,
        "level": level,
        "summary": summary,
        "answers": answers,
    }
    if level != "everything":
        return templates.render("attempt.html.j2", **values)
    page = (course.root / "feedback" / own / f"{attempt.assignment}.html").read_text(encoding="utf-8")
    head, body, rest = page.partition("<main>\n")
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


def _summary(notebook: NotebookNode, tests: dict[str, dict], say: bool) -> list[dict]:
    """One row for each exercise: its points and, if wanted, one sentence on what went wrong."""
    cells, rows = notebooks.by_id(notebook), []
    for exercise, names in notebooks.tests_of(notebook).items():
        known = [tests[name] for name in names if name in tests]
        if known:
            said = next((sentence(cells[name]) for name in names if name in cells and sentence(cells[name])), "")
            score, full = sum(test["points"] for test in known), sum(test["max"] for test in known)
            rows.append({"exercise": exercise, "score": score, "full": full, "said": said if say else ""})
    return rows
