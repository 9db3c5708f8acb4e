"""A real PostgreSQL on loopback: Debian's package, with a cluster of its own, run by a user without privileges."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

PASSWORD = "s3cret-Pa55word"  # no message may hold it


@dataclass
class Server:
    """A running server.

    Attributes:
        data: its folder.
        user: who runs it, empty for the one who runs the tests.
    """

    data: Path
    port: int
    programs: Path
    user: str

    def url(self, database: str) -> str:
        """With the user and the password of its owner."""
        return f"postgresql+psycopg://grader:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """The URL of a new database, empty or with what is in another one."""
        name = f"course_{uuid.uuid4().hex[:8]}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, database: str, statement: str) -> list:
        """Run a statement as another program would; its rows, if it has any."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return list(result) if result.returns_rows else []
        finally:
            engine.dispose()

    def control(self, *words: str) -> None:
        """pg_ctl: start, stop or restart it."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c fsync=off"
        command = [self.programs / "pg_ctl", "-D", self.data, "-w", "-l", self.data / "log", "-o", options, *words]
        _as(self.user, command)


@contextmanager
def server() -> Iterator[Server]:
    """A server for as long as the block runs; the test is skipped where PostgreSQL is missing."""
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here (Debian: apt-get install postgresql)")
    user = ""
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})
    folder = Path(tempfile.mkdtemp(prefix="grading-postgresql-", dir="/tmp"))
    try:
        (folder / "password").write_text(PASSWORD, encoding="ascii")
        if user:
            entry = pwd.getpwnam(user)
            for path in (folder, folder / "password"):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        made = Server(folder / "data", port, programs, user)
        options = ("--username=grader", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", "--no-sync")
        _as(user, [programs / "initdb", "-D", made.data, "--encoding=UTF8", "--locale=C.UTF-8", *options])
        made.control("start")
        try:
            yield made
        finally:
            made.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of initdb, which Debian keeps off the PATH."""
    for path in [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True), shutil.which("initdb")]:
        if path and Path(path).is_file():
            return Path(path).resolve().parent
    return None


def _as(user: str, command: list) -> None:
    done = subprocess.run(command, user=user or None, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
