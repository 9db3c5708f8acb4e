"""The course's secret, from which, with a student and a notebook, hidden tests draw inputs, see `oracle.inputs`.

It is a file beside the gradebook. Anybody who has it can compute the inputs of any attempt, and without it no attempt
can be regraded with the same inputs. So it is made once, and renewed only on request.
"""

import os
import re
import secrets
from pathlib import Path

from nbgrader.api import Grade
from sqlalchemy import or_

from grading.course.errors import CourseError
from grading.course.folder import Course

N_BYTES = 32


def file_of(course: Course) -> Path:
    """Where the secret is."""
    return course.root / "gradebook.secret"


def of(course: Course) -> bytes:
    """The secret; made now if the course has none and nothing is graded yet.

    Raises:
        CourseError: it cannot be read, or it is missing and there are grades.
    """
    path = file_of(course)
    try:
        if not path.exists():
            if has_grades(course):
                raise CourseError(
                    f"There are grades, but {path.name} is missing, from which the inputs of their hidden tests were "
                    f"drawn: bring {path} back from a backup, or run make release NEW_SECRET=yes and then make grade, "
                    "which grades everybody again with other inputs."
                )
            _write(path)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read ({error}): nothing is graded without it.") from None
    if not re.fullmatch(rf"[0-9a-f]{{{2 * N_BYTES}}}", text):
        raise CourseError(
            f"{path} is damaged: it should hold {2 * N_BYTES} hexadecimal digits. Bring it back from a backup, or "
            "delete it and run make release NEW_SECRET=yes."
        )
    return bytes.fromhex(text)


def renew(course: Course) -> None:
    """Make another secret, so that the next grading draws other inputs for everybody."""
    file_of(course).unlink(missing_ok=True)
    _write(file_of(course))


def has_grades(course: Course) -> bool:
    """Whether the gradebook has a score of any test, automatic or manual."""
    book = course.gradebook_file
    if book is not None and not book.is_file():
        return False
    with course.gradebook() as gradebook:
        scored = or_(Grade.auto_score.isnot(None), Grade.manual_score.isnot(None))
        return gradebook.db.query(Grade.id).filter(scored).first() is not None


def _write(path: Path) -> None:
    """Write a secret that only its owner may read; one that another command has just made stays."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(N_BYTES) + "\n")
    except OSError:  # a full disk
        path.unlink()
        raise
