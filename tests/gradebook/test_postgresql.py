"""The gradebook on a PostgreSQL server: the same as in a SQLite file, and no fault shows a password."""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from grading.authoring.release import release
from grading.authoring.sample_class import prepare
from grading.cli.main import main
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook import copies, marking, records
from grading.gradebook.database import UNINDEXED, ClassGradebook, scores, told
from grading.gradebook.differences import compare_files
from grading.gradebook.submission_rows import Entry
from grading.run import regrade
from tests.conftest import DROPS_THE_SIGN, RIGHT, graded, submit, tiny_source
from tests.marks import mark
from tests.postgresql import PASSWORD, Server, server
from tests.run.test_watch import Class
from tests.terminal import Terminal
from tests.written import answer, by_formgrader, given, question_source

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def released_there(tmp_path_factory: pytest.TempPathFactory, postgresql: Server) -> Course:
    """The tiny course, released to a database; copy both."""
    made = on_server(tiny_source(tmp_path_factory.mktemp("released") / "course"), postgresql.new_database())
    release(made, "averages")
    return made


@pytest.fixture
def course(tmp_path: Path, postgresql: Server, released_there: Course) -> Course:
    """The tiny course, released, with a database of its own."""
    own = Course(Path(shutil.copytree(released_there.root, tmp_path / "server" / "course")))
    return on_server(own, postgresql.new_database(database_of(released_there)))


def on_server(course: Course, url: str) -> Course:
    with (course.root / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
        settings.write(f"\nc.CourseDirectory.db_url = {url!r}\nc.Execute.timeout = c.Execute.question_timeout = 4\n")
    return Course(course.root)


def run(course: Course, *arguments: str) -> Result:
    environment = {"COLUMNS": "300", "WARM": "no"}
    return CliRunner(env=environment).invoke(main, ["--root", str(course.root), *arguments])


def words(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def database_of(course: Course) -> str:
    return course.config.CourseDirectory.db_url.rsplit("/", 1)[1]


def test_every_command_gives_the_same_results_as_with_sqlite(course, tiny):
    said = {}
    for own in (course, tiny):
        submit(own, "ada", RIGHT)
        submit(own, "bob", DROPS_THE_SIGN)
        told = words(run(own, "release")) + words(run(own, "grade", "--jobs", "2"))
        for command in ("late", "report", "grades", "status"):
            told += words(run(own, command))
        told += words(run(own, "feedback", "--jobs", "2")) + words(run(own, "export", "--yes"))
        with own.gradebook() as gradebook:
            gradebook.find_grade("test_mean_negative", "averages", "averages", "bob").manual_score = 0.5
            gradebook.db.commit()
        notebook = notebooks.read(own.source("averages"))
        notebooks.by_id(notebook)["test_mean"].metadata.nbgrader.points = 4
        notebooks.write(notebook, own.source("averages"))
        told += words(run(own, "regrade", "--yes"))
        (kept,) = own.root.glob("gradebook.db.*")
        told += words(run(own, "diff-grades", str(kept), str(own.root / "gradebook.db")))
        lines = told.replace(str(own.root), "").replace(kept.name, "").splitlines()
        said[own] = [line for line in lines if not line.startswith(("Grading ", "Feedback for "))]  # with times
    assert said[course] == said[tiny]
    assert "2 differences." in said[course] and PASSWORD not in "".join(said[course])
    assert not (course.root / "gradebook.db").exists()
    assert scores(course, "averages") == {
        "ada": {"test_mean": 4, "test_mean_negative": 1},
        "bob": {"test_mean": 4, "test_mean_negative": 0.5},
    }
    assert (course.root / "grades.csv").read_text() == (tiny.root / "grades.csv").read_text()


def test_watch_grades_into_the_server(course, tmp_path):
    watched = Class(course, tmp_path)
    watched.hand_in("ada", DROPS_THE_SIGN)
    watched.grade()
    assert scores(watched.course, "averages") == {"ada": {"test_mean": 2, "test_mean_negative": 0}}
    assert not (course.root / "gradebook.db").exists()


def test_the_indexes_are_created_on_the_server_too(course):
    with ClassGradebook(course) as gradebook:
        there = inspect(gradebook.engine)
        for table, column in UNINDEXED:
            assert [column] in [index["column_names"] for index in there.get_indexes(table)]


COMMANDS = [
    ("release",),
    ("release", "--new-secret"),
    ("grade",),
    ("late",),
    ("feedback",),
    ("grades",),
    ("report",),
    ("export", "--yes"),
    ("regrade", "--yes"),
    ("diff-grades", "gradebook.db", "gradebook.db"),
]
WRONG = {
    "password": lambda url: url.replace(PASSWORD, f"{PASSWORD}x"),
    "server": lambda url: re.sub(r":\d+/", ":9/", url),
    "database": lambda url: f"{url}_none",
    "unescaped @": lambda url: url.replace(PASSWORD, f"a@{PASSWORD}"),
    "unescaped /": lambda url: url.replace(PASSWORD, f"12/{PASSWORD}").replace("@", "#"),
    "driver": lambda url: url.replace("psycopg", "psycopg2"),
}


# Every command, and every kind of fault.
FAULTS = [("password", command) for command in COMMANDS] + [(wrong, ("grades",)) for wrong in WRONG]


@pytest.mark.parametrize(("wrong", "command"), FAULTS, ids=str)
def test_no_commands_error_shows_the_password(wrong, command, tmp_path, released_there, monkeypatch):
    course = Course(Path(shutil.copytree(released_there.root, tmp_path / "course")))
    monkeypatch.chdir(course.root)
    submit(course, "ada", RIGHT)
    course = on_server(course, WRONG[wrong](course.config.CourseDirectory.db_url))
    result = run(course, *command)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert re.search(r"Error: .*(gradebook|db_url)", result.output, re.IGNORECASE), result.output
    assert PASSWORD not in result.output and "[SQL" not in result.output
    for path in course.root.rglob("*"):
        if path.is_file() and path.name != "nbgrader_config.py":
            assert PASSWORD.encode() not in path.read_bytes(), path


def test_a_locked_row_is_waited_for_and_then_reported(course, postgresql, pool):
    submit(course, "ada", RIGHT)
    graded(course, pool)
    before = scores(course, "averages")
    submit(course, "ada", DROPS_THE_SIGN)
    with course.gradebook() as formgrader:
        formgrader.find_submission("averages", "ada").extension = None
        formgrader.find_grade("test_mean_negative", "averages", "averages", "ada").manual_score = 0.5
        formgrader.db.flush()  # and no commit
        url = course.config.CourseDirectory.db_url
        impatient = on_server(course, f"{url}?options=-c%20lock_timeout%3D500")
        ended = graded(impatient, pool).outcomes["ada"]
    assert ended.state == records.NOT_GRADABLE and "was locked by another program" in ended.reason
    assert scores(course, "averages") == before
    assert graded(course, pool).outcomes["ada"].state == records.GRADED


def test_how_long_to_wait_is_set_on_the_server(course):
    with course.gradebook() as gradebook:
        assert gradebook.db.connection().exec_driver_sql("SHOW lock_timeout").scalar() == "1min"


def disconnect(postgresql: Server, course: Course) -> None:
    others = f"datname = '{database_of(course)}' AND pid <> pg_backend_pid()"
    postgresql.execute("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


def test_a_connection_lost_in_a_transaction_writes_nothing_and_is_reported(course, postgresql):
    with ClassGradebook(course) as gradebook:
        with pytest.raises(SQLAlchemyError) as caught, gradebook.transaction():
            gradebook.write([Entry("ada", "averages", "averages", None, None, dict, None)])
            disconnect(postgresql, course)
            gradebook.find_grade("test_mean", "averages", "averages", "ada").auto_score = 2
        assert told(caught.value).startswith("The connection to the gradebook's server was lost")
        assert scores(course, "averages") == {}
        gradebook.check_connection()
        with gradebook.transaction():
            gradebook.write([Entry("ada", "averages", "averages", None, None, dict, None)])
    assert list(scores(course, "averages")) == ["ada"]


def test_a_lost_connection_costs_nobody_a_grade(course, postgresql, pool):
    for student in ("ada", "bob", "cleo"):
        submit(course, student, RIGHT)
    ended = graded(course, pool, done=lambda record: disconnect(postgresql, course)).outcomes
    assert [one.score for one in ended.values()] == [3, 3, 3]
    assert {sum(points.values()) for points in scores(course, "averages").values()} == {3}


def test_a_server_that_is_gone_stops_the_class_with_a_sentence(course, postgresql, pool):
    submit(course, "ada", RIGHT)
    submit(course, "bob", f"import time\n\ntime.sleep(3)\n{RIGHT}")  # is not ready together with ada
    try:
        with pytest.raises(CourseError, match="server cannot be reached") as caught:
            graded(course, pool, done=lambda record: postgresql.control("stop", "-m", "immediate"))
    finally:
        postgresql.control("start")
    assert PASSWORD not in str(caught.value)
    ended = graded(course, pool).outcomes
    assert [one.score for one in ended.values()] == [3, 3] and sum(one.unchanged for one in ended.values()) == 1


def test_copies_are_dumps_that_diff_grades_reads(course, postgresql):
    mark(course, "ada", (2, 0))
    copy = copies.keep_copy(course, datetime(2026, 5, 4, 13, 2, 1))
    assert copy.name == "gradebook.db.2026-05-04-130201" and copy.read_bytes().startswith(copies.DUMP)
    assert copy.stat().st_mode & 0o077 == 0 and PASSWORD.encode() not in copy.read_bytes()
    mark(course, "ada", (2, 1))
    (change,) = compare_files(course, copy, course.root / "gradebook.db")
    assert (change.student, change.old, change.new) == ("ada", 2, 3)
    left = postgresql.execute("postgres", "SELECT datname FROM pg_database WHERE datname LIKE '%_copy_%'")
    assert left == []


@pytest.mark.parametrize("program", ["missing", "refuses"])
def test_without_a_copy_nothing_is_written_over_old_grades(course, pool, monkeypatch, tmp_path, program):
    submit(course, "ada", DROPS_THE_SIGN)
    graded(course, pool)
    submit(course, "ada", RIGHT)
    if program == "refuses":
        fake = tmp_path / "bin" / "pg_dump"
        fake.parent.mkdir()
        fake.write_text("#!/bin/sh\necho 'pg_dump: error: aborting because of server version mismatch' >&2\nexit 1\n")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    words = {"missing": "pg_dump is not installed", "refuses": "server version mismatch"}[program]
    with pytest.raises(CourseError, match=words):
        graded(course, pool)
    assert scores(course, "averages") == {"ada": {"test_mean": 2, "test_mean_negative": 0}}
    assert not list(course.root.glob("gradebook.db.*"))


def test_a_gradebook_that_was_changed_since_the_preview_is_not_overwritten(course, pool):
    submit(course, "ada", RIGHT)
    mark(course, "ada", (0, 0))
    made = regrade.preview(course, ["averages"], executor=pool)
    assert [(change.old, change.new) for change in made.changes] == [(0, 3)]
    mark(course, "ada", (2, 0))
    with pytest.raises(CourseError, match="has been changed since the preview"):
        regrade.accept(course, made)
    assert scores(course, "averages")["ada"] == {"test_mean": 2, "test_mean_negative": 0}


def test_a_copy_of_the_course_leaves_the_servers_gradebook_alone(course, tmp_path):
    own = prepare(course, tmp_path / "own")
    release(own, "averages")
    mark(own, "ada")
    assert (own.root / "gradebook.db").is_file() and scores(course, "averages") == {}
    assert scores(Course(own.root), "averages")["ada"]["test_mean"] == 2


def test_workers_do_not_get_the_password(course):
    from grading.run.pool import execution_settings

    assert PASSWORD not in str(execution_settings(course.config)) and PASSWORD in str(course.config)


def test_other_databases_are_refused_and_their_passwords_kept(tiny):
    tiny.config.CourseDirectory.db_url = f"mysql://grader:{PASSWORD}@localhost/course"
    with pytest.raises(CourseError, match="begins with mysql://") as caught:
        copies.keep_copy(tiny, datetime(2026, 1, 1))
    assert PASSWORD not in str(caught.value)


def test_a_missing_sqlite_file_is_no_copy(tiny):
    (tiny.root / "gradebook.db").unlink()
    with pytest.raises(CourseError, match=r"No copy of the gradebook can be made: .*gradebook\.db is missing"):
        copies.keep_copy(tiny, datetime(2026, 1, 1))


def test_two_people_grade_answers_on_the_server(tmp_path, postgresql):
    course = on_server(question_source(tmp_path / "course"), postgresql.new_database())
    release(course, "averages")
    for student in ("ada", "bob"):
        answer(course, student, "An outlier.")
    with Terminal(course.root, "mark") as one, Terminal(course.root, "mark") as other:
        one.until("? help: ")
        other.until("? help: ")
        one.line("1 # by one", "in another terminal")
        assert "0 wait for a person" in other.line("2 # by the other", "make feedback")
    assert {given(course, student)[:2] for student in ("ada", "bob")} == {(1, False)}
    (question,) = marking.questions(course, "averages")
    seen = marking.read(course, marking.Place(question, "ada"))
    by_formgrader(course, "ada", 0.5)
    with pytest.raises(marking.ChangedError):
        marking.save(course, seen, 2.0, "")
    assert given(course, "ada") == (0.5, False, None)
