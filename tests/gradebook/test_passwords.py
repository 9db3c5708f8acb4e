"""No command shows the password of the gradebook's server: not in what it prints, writes, or passes on."""

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from grading.authoring.release import release
from grading.cli.main import main
from grading.cluster.security import require_safe
from grading.course import gradebook_url
from grading.course.errors import CourseError
from grading.course.folder import Course
from tests.conftest import RIGHT, submit, tiny_source
from tests.postgresql import PASSWORD, Server, server

# Not among them: what reads no gradebook and runs for minutes or until it is stopped (lock, mutants, scheduler,
# worker), and what makes a gradebook of its own (demo, bench).
COMMANDS = [
    ("release",),
    ("handout",),
    ("check",),
    ("normalize",),
    ("new-exercise", "-a", "averages", "median"),
    ("grade",),
    ("grade", "--cluster", f"tls://grader:{PASSWORD}@host:8786"),
    ("feedback",),
    ("grades",),
    ("report",),
    ("similar",),
    ("mark",),
    ("late",),
    ("export", "--yes"),
    ("return-feedback",),
    ("regrade", "--yes"),
    ("diff-grades", "gradebook.db", "gradebook.db"),
    ("diff-grades", "{url}", "gradebook.db"),
    ("status",),
    ("doctor", "--cluster", f"tls://grader:{PASSWORD}@host:8786"),
]
SOME = [("grades",), ("late",), ("regrade", "--yes"), ("diff-grades", "{url}", "{url}")]  # every fault with these
AT = "postgresql+psycopg://grader:{}@127.0.0.1:{port}/{database}"
WRONG = {
    "password": AT.format(f"{PASSWORD}x", port="{port}", database="{database}"),
    "password in the query": "postgresql+psycopg://grader@127.0.0.1:{port}/{database}?password=" + f"{PASSWORD}x",
    "server": AT.format(PASSWORD, port=9, database="{database}"),
    "host": f"postgresql+psycopg://grader:{PASSWORD}@nowhere.invalid/course",
    "database": AT.format(PASSWORD, port="{port}", database="missing"),
    "no database": f"postgresql+psycopg://grader:{PASSWORD}@127.0.0.1",
    "port": AT.format(PASSWORD, port="none", database="course"),
    "@": AT.format(f"a@{PASSWORD}", port="{port}", database="{database}"),
    "#": AT.format(f"a#{PASSWORD}", port="{port}", database="{database}"),
    "/": AT.format(f"a/{PASSWORD}", port="{port}", database="{database}"),
    "?": AT.format(f"a?{PASSWORD}", port="{port}", database="{database}"),
    "no @": f"postgresql+psycopg://grader:{PASSWORD}/course",
    "key": f"postgresql+psycopg://grader@127.0.0.1/course?sslpassword={PASSWORD}",
    "program": f"mysql://grader:{PASSWORD}@127.0.0.1/course",
    "not closed": f"postgresql+psycopg://grader:{PASSWORD}@127.0.0.1/course",
}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Course:
    made = tiny_source(tmp_path_factory.mktemp("released") / "course")
    release(made, "averages")
    submit(made, "ada", RIGHT)
    return made


def with_gradebook(course: Course, root: Path, url: str, end: str = "'") -> Course:
    """A copy of the course with its gradebook at this URL."""
    shutil.copytree(course.root, root, ignore=shutil.ignore_patterns("gradebook.db"))
    with (root / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
        settings.write(f"\nc.CourseDirectory.db_url = '{url}{end}\n")
    return Course(root)


def run(course: Course, *arguments: str) -> str:
    """What a command prints, with the traceback if it has failed."""
    result = CliRunner(env={"COLUMNS": "300", "WARM": "no"}).invoke(main, ["--root", str(course.root), *arguments])
    failed = result.exception
    assert failed is None or isinstance(failed, SystemExit), f"{arguments}: {failed!r}"
    return result.output


def holding(root: Path) -> list[Path]:
    """The files that hold the password, other than the settings."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != "nbgrader_config.py"]
    return [path for path in files if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_no_command_shows_the_password(wrong: str, tmp_path: Path, released: Course, postgresql: Server, monkeypatch):
    database = make_url(postgresql.new_database()).database
    url = WRONG[wrong].format(port=postgresql.port, database=database)
    course = with_gradebook(released, tmp_path / "course", url, "" if wrong == "not closed" else "'")
    monkeypatch.chdir(course.root)
    told = 0
    for command in COMMANDS if wrong in ("password", "@") else SOME:
        said = run(Course(course.root), *(word.format(url=url) for word in command))
        assert PASSWORD not in said and quote(PASSWORD) not in said and "Traceback" not in said, (command, said)
        told += bool(re.search(r"gradebook|db_url|nbgrader_config|the URL", said))
    assert told >= len(SOME)
    assert holding(course.root) == []


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["password", "server", "@"])
def test_watch_shows_no_password(wrong: str, tmp_path: Path, released: Course, postgresql: Server):
    database = make_url(postgresql.new_database()).database
    course = with_gradebook(released, tmp_path / "course", WRONG[wrong].format(port=postgresql.port, database=database))
    line = [sys.executable, "-m", "grading", "--root", str(course.root), "watch"]
    watch = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    timer = threading.Timer(20, watch.send_signal, [signal.SIGINT])
    timer.start()
    said, _ = watch.communicate(timeout=120)
    timer.cancel()
    assert re.search(r"gradebook|db_url", said), said
    assert PASSWORD not in said + run(course, "status") and "Traceback" not in said
    assert holding(course.root) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["usual", "in the query"])
def test_no_process_has_the_password_on_its_command_line(kind: str, tmp_path, released, postgresql, monkeypatch):
    usual = make_url(postgresql.new_database())
    shown = usual.render_as_string(hide_password=False)
    there = shown if kind == "usual" else shown.replace(f":{PASSWORD}", "") + f"?password={PASSWORD}"
    course = with_gradebook(released, tmp_path / "course", there)
    monkeypatch.chdir(course.root)
    lines: set[str] = set()
    over = threading.Event()

    def look() -> None:
        me = psutil.Process()
        while not over.wait(0.005):
            for process in me.children(recursive=True):
                try:
                    lines.add("\0".join(process.cmdline()))
                except psutil.Error:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        said = run(course, "release") + run(course, "grade")
        source = course.source("averages")
        source.write_text(source.read_text().replace('"points": 2', '"points": 4', 1))
        said += run(course, "regrade", "--yes")
        (kept,) = course.root.glob("gradebook.db.*")
        said += run(course, "diff-grades", str(kept), "gradebook.db") + run(course, "diff-grades", there, str(kept))
    finally:
        over.set()
        thread.join()
    assert "3 of" in said or "ada" in said, said
    assert any("pg_dump" in line for line in lines) and any("pg_restore" in line for line in lines), said
    assert [line for line in lines if PASSWORD in line] == []
    assert PASSWORD not in said and holding(course.root) == []


def test_the_query_keeps_no_password():
    url = gradebook_url.parse(f"postgresql://grader@host/course?password={PASSWORD}&sslmode=require")
    assert url.password == PASSWORD and dict(url.query) == {"sslmode": "require"}
    assert PASSWORD not in str(url)


def test_settings_that_cannot_be_read_show_their_line_number_only(tmp_path: Path, released: Course):
    for end in ("", "' + nothing", "' % 3 % 4"):
        course = with_gradebook(released, tmp_path / f"course{len(end)}", f"postgresql://grader:{PASSWORD}@host/c", end)
        number = len((course.root / "nbgrader_config.py").read_text().splitlines())
        with pytest.raises(CourseError, match=rf"nbgrader_config\.py, line {number}: ") as caught:
            course.config  # noqa: B018
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("address", ["tls://grader:{}@host:8786", "tls://a/{}@host:1", "{}@host", "tls://a@b#{}@c:1"])
def test_an_address_with_a_password_is_refused(address: str):
    with pytest.raises(CourseError, match="is not the address of a scheduler") as caught:
        require_safe(address.format(PASSWORD))
    assert PASSWORD not in str(caught.value)
