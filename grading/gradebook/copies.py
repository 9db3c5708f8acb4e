"""Copies of the gradebook: dated ones that are kept, and a SQLite file for the preview of a regrade."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from nbgrader.api import Base, Gradebook
from sqlalchemy import URL, Connection, create_engine, delete, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from grading.course import gradebook_url
from grading.course.errors import CourseError
from grading.course.folder import Course

DUMP = b"PGDMP"  # how a file of `pg_dump --format=custom` begins
ROWS = 5_000  # that are in memory at a time
NONE_YET = "There is no gradebook yet. Run: make release grade"


def keep_copy(course: Course, now: datetime) -> Path:
    """Copy the gradebook to `gradebook.db.<time>`: a SQLite file as it is, a server's database by pg_dump.

    Raises:
        CourseError: no copy could be made, with the reason. The caller should then not write to the gradebook.
    """
    book = course.gradebook_file
    there = book or course.root / "gradebook.db"
    copy = there.with_name(f"{there.name}.{now:%Y-%m-%d-%H%M%S}")
    if book is None:
        wait = f"--lock-wait-timeout={gradebook_url.PATIENCE}s"
        _run(_url(course), "pg_dump", "--format=custom", wait, "--file", str(copy), failed=copy)
        copy.chmod(0o600)
    elif book.is_file():
        copy_database(book, copy)
    else:
        raise CourseError(f"No copy of the gradebook can be made: {book} is missing.")
    return copy


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as one transaction: a program that has it open sees the old or the new one."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as write:
        read.backup(write)


def take(course: Course, target: Path) -> str:
    """Copy the gradebook to a new SQLite file.

    Returns:
        A digest of its content, for `put_back`.

    Raises:
        CourseError: there is no gradebook yet.
    """
    book = course.gradebook_file
    if book is not None:
        if not book.is_file():
            raise CourseError(NONE_YET)
        copy_database(book, target)
        return hashlib.sha256(book.read_bytes()).hexdigest()
    engine = create_engine(_url(course), isolation_level="REPEATABLE READ")
    try:
        if not inspect(engine).has_table("grade"):
            raise CourseError(NONE_YET)
        with engine.connect() as rows, Gradebook(f"sqlite:///{target}", course.coursedir.course_id) as copy:
            with copy.engine.begin() as new:
                _replace_rows(rows, new)
            return _digest(rows)
    finally:
        engine.dispose()


def put_back(course: Course, source: Path, digest: str) -> Path:
    """Replace the gradebook's content with that of a SQLite file, if nobody has changed it since `take`.

    Returns:
        The path of a copy of the old gradebook.

    Raises:
        CourseError: somebody has written to the gradebook since, or no copy could be made.
    """
    changed = "has been changed since the preview, perhaps in formgrader. Run make regrade again."
    book = course.gradebook_file
    if book is not None:
        if not book.is_file() or hashlib.sha256(book.read_bytes()).hexdigest() != digest:
            raise CourseError(f"{book}: {changed}")
        kept = keep_copy(course, datetime.now())
        copy_database(source, book)
        return kept
    engine, other = create_engine(_url(course)), create_engine(f"sqlite:///{source}")
    try:
        with engine.begin() as rows, other.connect() as new:
            names = ", ".join(table.name for table in Base.metadata.sorted_tables)
            rows.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))  # others read the old rows, and nobody writes
            if _digest(rows) != digest:
                raise CourseError(f"The gradebook on {engine.url.host or 'the server'} {changed}")
            kept = keep_copy(course, datetime.now())
            _replace_rows(new, rows)
        return kept
    finally:
        engine.dispose()
        other.dispose()


@contextmanager
def restored(course: Course, dump: Path) -> Iterator[Gradebook]:
    """The gradebook in a copy by pg_dump, restored to a temporary database on the course's server for reading.

    Raises:
        CourseError: the course's gradebook is not on a server, or its user may not create a database there.
    """
    if course.gradebook_file is not None:
        raise CourseError(
            f"{dump}: is a copy by pg_dump; it can be read only where {gradebook_url.SETTING} names a server."
        )
    url = gradebook_url.parse(_url(course))
    own = url.set(database=f"{url.database}_copy_{os.getpid()}")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    name = engine.dialect.identifier_preparer.quote(own.database or "")
    try:
        with engine.connect() as server:
            try:
                server.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
            except DBAPIError as error:
                reason = str(error.orig).splitlines()[0]
                raise CourseError(
                    f"{dump}: cannot be read, because no temporary database can be created on the server ({reason}). "
                    f"An administrator can allow it: ALTER ROLE {url.username} CREATEDB"
                ) from None
            try:
                _run(own.render_as_string(hide_password=False), "pg_restore", "--no-owner", "--no-acl", str(dump))
                with Gradebook(own.render_as_string(hide_password=False), course.coursedir.course_id) as gradebook:
                    yield gradebook
            finally:
                server.execute(text(f"DROP DATABASE {name}"))
    finally:
        engine.dispose()


def _replace_rows(old: Connection, new: Connection) -> None:
    """Replace the rows in the tables of `new` by those of `old`."""
    tables = Base.metadata.sorted_tables
    for table in reversed(tables):
        new.execute(delete(table))
    for table in tables:
        for rows in old.execute(select(table)).mappings().partitions(ROWS):
            new.execute(insert(table), [dict(row) for row in rows])


def _digest(rows: Connection) -> str:
    """A digest of all of nbgrader's tables."""
    whole = hashlib.sha256()
    for table in Base.metadata.sorted_tables:
        whole.update(f"\0{table.name}\0".encode())
        for row in rows.execute(select(table).order_by(*table.primary_key.columns)):
            whole.update(repr(tuple(row)).encode())
    return whole.hexdigest()


def _url(course: Course) -> str:
    return course.coursedir.db_url


def _run(address: str, program: str, *arguments: str, failed: Path | None = None) -> None:
    """Run one of PostgreSQL's programs on a database. The password is in its environment and on no command line."""
    from psycopg.conninfo import make_conninfo  # an extra of the package

    url: URL = gradebook_url.parse(address)
    if shutil.which(program) is None:
        raise CourseError(
            f"No copy of the gradebook can be made or read: {program} is not installed. On Debian and Ubuntu: "
            "sudo apt-get install postgresql-client"
        )
    parts = url.translate_connect_args(username="user", database="dbname")
    password = parts.pop("password", None)
    where = make_conninfo(**{**url.query, **parts})
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    target = ("--dbname", where)
    done = subprocess.run([program, *target, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        if failed is not None:
            failed.unlink(missing_ok=True)
        said = done.stderr.strip().splitlines()
        raise CourseError(f"No copy of the gradebook could be made or read: {said[0] if said else program + ' failed'}")
