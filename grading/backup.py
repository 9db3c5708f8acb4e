"""Copies of the gradebook, made before anything is overwritten."""

import sqlite3
from datetime import datetime
from pathlib import Path

from grading.course import Course, CourseError


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


def keep(course: Course) -> Path:
    """Keep a copy of the gradebook beside it, named after the time."""
    book = gradebook_file(course)
    kept = book.with_name(f"{book.name}.{datetime.now():%Y-%m-%d-%H%M%S}")
    copy_database(book, kept)
    return kept


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as SQLite does it: whoever has it open, formgrader perhaps, sees the old or the new one."""
    read, write = sqlite3.connect(source), sqlite3.connect(target)
    try:
        read.backup(write)
    finally:
        read.close()
        write.close()
