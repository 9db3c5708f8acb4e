"""Make the students' notebooks with nbgrader: `release/` from `source/`."""

import logging
import shutil
import tempfile
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import SQLAlchemyError

from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import secret
from grading.gradebook.database import told


def release(course: Course, assignment: str) -> Path:
    """Generate `release/<assignment>/`, and tell the gradebook about its cells; make the course's secret if need be.

    Returns:
        The folder that was written.

    Raises:
        CourseError: nbgrader refused, the message holds what it said; or there are grades and no secret.
    """
    course.source(assignment)
    secret.of(course)
    folder = course.root / "release" / assignment
    coursedir = course.coursedir
    coursedir.assignment_id = assignment
    messages: list[str] = []
    converter = GenerateAssignment(coursedir=coursedir, config=course.config, force=True)
    converter.log = quiet_logger("release", messages)
    # nbgrader deletes the old release before it makes the new one; if it then refuses, the old one must still be there.
    before = Path(tempfile.mkdtemp()) / "release"
    if folder.exists():
        shutil.copytree(folder, before)
    try:
        with course.entered():
            converter.start()
    except NbGraderException as error:
        if isinstance(error.__context__, SQLAlchemyError):  # nbgrader would have the database upgraded
            messages, error = [], NbGraderException(told(error.__context__))
        if before.exists() and not folder.exists():
            shutil.copytree(before, folder)
        raise CourseError(
            "\n".join([f"{assignment}: nbgrader could not make the release: {error}", *messages])
        ) from None
    finally:
        shutil.rmtree(before.parent)
    for leftover in folder.rglob(".ipynb_checkpoints"):
        shutil.rmtree(leftover)
    return folder


def quiet_logger(name: str, messages: list[str], level: int = logging.ERROR) -> logging.Logger:
    """A logger that keeps messages in a list and prints nothing: nbgrader's converters log a lot."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger = logging.Logger(f"grading.{name}", level)
    logger.addHandler(Keep())
    return logger
