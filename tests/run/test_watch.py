"""The resident grader, with nbgrader's real exchange: from a hand-in to the page that the student fetches."""

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import ExchangeFetchFeedback, ExchangeReleaseAssignment, ExchangeSubmit
from traitlets.config import Config

from grading.cli.main import main
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.report import feedback
from grading.run import canary, inbox, regrade, sanitizing
from grading.run.attempts import FAILED, GRADED, HELD, WAITING
from grading.run.watch import Watcher, health_file, journal_of
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, RIGHT, scores_of, submit
from tests.run.test_sanitizing import takes_long
from tests.written import answer, by_formgrader, with_question

pytestmark = pytest.mark.usefixtures("shared_interpreters")


class Class:
    """A course with an exchange, and students who hand in through it."""

    def __init__(self, course: Course, folder: Path):
        self.course, self.folder = course, folder
        self.exchange = folder / "exchange"
        self.exchange.mkdir(exist_ok=True)
        text = (course.root / "nbgrader_config.py").read_text(encoding="utf-8")
        more = f'\nc.Exchange.root = "{self.exchange}"\nc.Execute.timeout = 4\n'
        (course.root / "nbgrader_config.py").write_text(text + more, encoding="utf-8")
        self.course = Course(course.root)
        self._exchange(ExchangeReleaseAssignment, self.course.config, self.course.root)

    def settings(self, **policy) -> None:
        path = self.course.root / "nbgrader_config.py"
        lines = [f"c.AttemptPolicy.{name} = {value!r}\n" for name, value in policy.items()]
        path.write_text(path.read_text(encoding="utf-8") + "".join(lines), encoding="utf-8")
        self.course = Course(self.course.root)

    def hand_in(self, student: str, solution: str | None, edit=lambda notebook: None) -> Path:
        """Submit as a student does; the new folder in the exchange."""
        home = self.folder / "homes" / student
        made = submit(self.course, student, solution, edit)
        shutil.rmtree(home / "averages", ignore_errors=True)
        shutil.move(made.parent, home / "averages")
        shutil.rmtree(made.parents[1])
        before = set((self.exchange / "optimization" / "inbound").iterdir())
        self._exchange(ExchangeSubmit, self._config(student), home, student)
        (new,) = set((self.exchange / "optimization" / "inbound").iterdir()) - before
        return new

    def pages(self, student: str) -> list[str]:
        """The pages that a student can fetch, by the time of the attempt."""
        home = self.folder / "homes" / student
        self._exchange(ExchangeFetchFeedback, self._config(student), home, student)
        return [path.read_text(encoding="utf-8") for path in sorted(home.rglob("feedback/**/*.html"))]

    def attempts(self, student: str):
        return journal_of(self.course).attempts("averages", student)

    def grade(self, **options) -> Watcher:
        watcher = Watcher(self.course, ["averages"], jobs=2, **options)
        watcher.until_idle()
        return watcher

    def _config(self, student: str) -> Config:
        config = Config()
        config.Exchange.root, config.Exchange.cache = str(self.exchange), str(self.folder / "cache" / student)
        config.Exchange.assignment_dir = str(self.folder / "homes" / student)
        return config

    def _exchange(self, action: type, config: Config, root: Path, student: str = "*") -> None:
        names = {"course_id": "optimization", "assignment_id": "averages", "student_id": student}
        coursedir = CourseDirectory(config=config, root=str(root), **names)
        before = Path.cwd()
        os.chdir(root)
        try:
            action(coursedir=coursedir, authenticator=Authenticator(config=config), config=config).start()
        finally:
            os.chdir(before)


@pytest.fixture
def klass(tiny, tmp_path) -> Class:
    return Class(tiny, tmp_path)


def test_a_student_hands_in_and_fetches_the_page(klass):
    klass.hand_in("ada", FORGETS_TO_DIVIDE)
    klass.grade()
    (attempt,) = klass.attempts("ada")
    assert (attempt.state, attempt.number, attempt.score, attempt.max_score) == (GRADED, 1, 0.0, 3.0)
    assert sum(scores_of(klass.course, "ada").values()) == 0
    (page,) = klass.pages("ada")
    assert "Attempt 1" in page and "The sum is not divided by the number of values." in page
    klass.hand_in("ada", RIGHT)
    klass.grade()
    assert sum(scores_of(klass.course, "ada").values()) == 3
    assert len(klass.pages("ada")) == 2 and "Your points so far: 0, 3 (this one)." in klass.pages("ada")[1]


def test_nothing_is_graded_twice(klass):
    klass.hand_in("ada", RIGHT)
    assert klass.grade().graded == 1
    time.sleep(inbox.SETTLED + 0.2)
    assert klass.grade().graded == 0
    assert len(klass.attempts("ada")) == 1


def test_the_folder_submitted_is_watched_too(klass):
    submit(klass.course, "bob", RIGHT)
    assert klass.grade().graded == 0, "somebody may still be copying"
    time.sleep(inbox.SETTLED + 0.2)
    assert klass.grade(pages=klass.folder / "pages").graded == 1
    assert klass.attempts("bob")[0].origin == "submitted"
    assert "3 of 3 points" in (klass.folder / "pages" / "bob" / "averages.html").read_text(encoding="utf-8")
    time.sleep(inbox.SETTLED + 0.2)
    assert klass.grade().graded == 0


def test_an_attempt_over_the_limit_does_not_count_and_is_kept(klass):
    klass.settings(attempts=1)
    klass.hand_in("ada", RIGHT)
    klass.grade()
    handed_in = klass.hand_in("ada", FORGETS_TO_DIVIDE)
    klass.grade()
    first, second = klass.attempts("ada")
    assert (first.state, second.state) == (GRADED, HELD)
    assert sum(scores_of(klass.course, "ada").values()) == 3
    page = klass.pages("ada")[1]
    assert "this attempt does not count" in page and "all 1 attempts are used up" in page
    assert (handed_in / "averages.ipynb").is_file()
    assert len(list((klass.course.root / "attempts" / "averages" / "ada").iterdir())) == 2


def test_the_page_says_from_when_the_next_attempt_counts(klass):
    klass.settings(pause=30)
    klass.hand_in("ada", FORGETS_TO_DIVIDE)
    klass.hand_in("ada", RIGHT)
    klass.grade()
    assert [attempt.state for attempt in klass.attempts("ada")] == [GRADED, HELD]
    ready = klass.attempts("ada")[0].received + timedelta(minutes=30)
    assert f"{ready.astimezone():%Y-%m-%d %H:%M:%S}" in klass.pages("ada")[1]


def test_if_the_best_attempt_counts_a_worse_one_changes_nothing(klass):
    klass.settings(counts="best")
    for solution in (DROPS_THE_SIGN, RIGHT, FORGETS_TO_DIVIDE):
        klass.hand_in("ada", solution)
        klass.grade()
    assert [attempt.score for attempt in klass.attempts("ada")] == [2.0, 3.0, 0.0]
    assert sum(scores_of(klass.course, "ada").values()) == 3
    assert "0 of 3 points" in klass.pages("ada")[2], "the page is of this attempt"


@pytest.mark.parametrize(("level", "named"), [("points", False), ("mistakes", True)])
def test_before_the_due_date_a_page_shows_what_the_policy_allows(klass, level, named):
    klass.settings(before_due=level)
    due = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    with klass.course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("averages", duedate=due)
    klass.hand_in("ada", FORGETS_TO_DIVIDE)
    klass.grade()
    (page,) = klass.pages("ada")
    assert "0 of 3 points" in page and "mean([2, 3, 7])" not in page
    assert ("The sum is not divided" in page) is named
    with klass.course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("averages", duedate=due - timedelta(days=2))
    klass.grade()
    shutil.rmtree(klass.folder / "homes" / "ada" / "averages" / "feedback")
    assert "mean([2, 3, 7])" in klass.pages("ada")[0], "after the due date everything is shown"


@pytest.mark.needs_root("only root can give a folder away")
def test_files_of_another_user_are_refused(klass):
    folder = klass.hand_in("ada", RIGHT)
    os.chown(folder, 12345, 12345)
    klass.grade()
    (attempt,) = klass.attempts("ada")
    assert attempt.state == FAILED and "user id 12345" in attempt.note


def test_a_time_that_a_student_has_written_does_not_count(klass):
    folder = klass.hand_in("ada", RIGHT)
    (folder / "timestamp.txt").chmod(0o600)
    (folder / "timestamp.txt").write_text("2001-01-01 00:00:00.0 UTC", encoding="utf-8")
    klass.grade()
    with klass.course.gradebook() as gradebook:
        noted = gradebook.find_submission("averages", "ada").timestamp.replace(tzinfo=UTC)
    assert abs(noted - datetime.now(UTC)) < timedelta(minutes=2)
    assert "2001-01-01" in klass.attempts("ada")[0].note


def test_an_unreadable_notebook_needs_a_person_and_stops_nobody_else(klass):
    folder = klass.hand_in("ada", RIGHT)
    notebook = folder / "averages.ipynb"
    notebook.chmod(0o600)
    notebook.write_text("no notebook", encoding="utf-8")
    klass.hand_in("bob", RIGHT)
    klass.grade()
    assert [klass.attempts(name)[0].state for name in ("ada", "bob")] == [FAILED, GRADED]
    assert "could not be graded" in klass.pages("ada")[0]


def test_a_notebook_that_takes_long_to_read_stops_nobody_and_is_tried_twice(klass, monkeypatch, caplog):
    monkeypatch.setattr(sanitizing, "SECONDS", 1.0)
    caplog.set_level(logging.INFO, "grading.watch")
    klass.hand_in("ada", RIGHT, takes_long)
    klass.hand_in("ada", RIGHT)
    klass.hand_in("bob", RIGHT)
    klass.grade()
    said = [message for message in caplog.messages if message.startswith(("ada", "bob"))]
    said = [message.split(",")[0] for message in said]
    last = ["ada averages: not graded", "ada averages: attempt 2"]
    assert said[2:] == last, said
    assert sorted(said[:2]) == ["ada averages: reading it exceeded a limit", "bob averages: attempt 1"]
    first, second = klass.attempts("ada")
    assert (first.state, second.state) == (FAILED, GRADED)
    assert first.note == "reading the notebook exceeded a limit twice: it took more than 1 s"
    assert "exceeded a limit twice: it took more than 1 s." in klass.pages("ada")[0]
    shown = status_of(klass.course)
    assert re.search("by hand +1", shown) and first.note in shown
    assert sum(scores_of(klass.course, "ada").values()) == 3
    assert not list((klass.course.root / "autograded").rglob(".averages.new"))


def status_of(course: Course) -> str:
    return CliRunner().invoke(main, ["--root", str(course.root), "status"]).output


def test_status_says_that_a_regrade_is_due_until_it_is_done(klass):
    klass.hand_in("ada", RIGHT)
    klass.hand_in("bob", RIGHT)
    klass.grade()
    assert "regrade" not in status_of(klass.course)
    source = klass.course.source("averages")
    source.write_text(source.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "since 2 grades were made: make regrade ASSIGNMENT=averages" in status_of(klass.course)
    regrade.accept(klass.course, regrade.preview(klass.course, ["averages"], jobs=1))
    assert "regrade" not in status_of(klass.course)


def test_status_says_that_the_reference_is_graded_first(klass, monkeypatch):
    said = []
    right = canary.require_right

    def look(*arguments):
        said.append(status_of(klass.course))
        right(*arguments)

    monkeypatch.setattr(canary, "require_right", look)
    klass.hand_in("ada", RIGHT)
    klass.grade()
    assert len(said) == 1 and "grades the reference of averages first" in said[0]
    assert "reference" not in status_of(klass.course)


def test_an_unreleased_assignment_is_released_first(tiny):
    (tiny.root / "gradebook.db").unlink()
    Watcher(Course(tiny.root), ["averages"])
    with tiny.gradebook() as gradebook:
        assert gradebook.find_notebook("averages", "averages").max_score == 3


def start(course: Course) -> subprocess.Popen:
    line = [sys.executable, "-m", "grading", "--root", str(course.root), "watch"]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition, seconds: float = 180.0) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.05)
    return False


def states(klass: Class, *students: str) -> list[str]:
    return [attempt.state for student in students for attempt in klass.attempts(student)]


def test_a_killed_grader_resumes_where_it_stopped(klass):
    students = [f"s{i}" for i in range(4)]
    for student in students:
        klass.hand_in(student, RIGHT)
    process = start(klass.course)
    assert wait_for(lambda: GRADED in states(klass, *students))
    process.kill()
    process.communicate()
    process = start(klass.course)
    try:
        assert wait_for(lambda: states(klass, *students) == [GRADED] * 4), process.stdout
        assert wait_for(lambda: all(klass.attempts(student)[0].page for student in students))
    finally:
        process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "stopped after" in said
    assert all(sum(scores_of(klass.course, student).values()) == 3 for student in students)
    assert all(len(klass.pages(student)) == 1 for student in students)
    assert not health_file(klass.course).exists()


def test_two_watchers_and_other_commands_do_not_disturb_each_other(klass):
    klass.hand_in("ada", RIGHT)
    process = start(klass.course)
    try:
        assert wait_for(lambda: states(klass, "ada") == [GRADED])
        line = [sys.executable, "-m", "grading", "--root", str(klass.course.root)]
        second = subprocess.run([*line, "watch"], capture_output=True, text=True, check=False)
        assert second.returncode == 1 and "Another `make watch`" in second.stderr
        status = subprocess.run([*line, "status"], capture_output=True, text=True, check=False)
        assert "running since" in status.stdout and "1 graded" in status.stdout
        assert json.loads(health_file(klass.course).read_text(encoding="utf-8"))["pid"] == process.pid
        with klass.course.alone():  # as `make grade` does
            klass.hand_in("bob", RIGHT)
            assert not wait_for(lambda: GRADED in states(klass, "bob"), 4)
        assert wait_for(lambda: states(klass, "bob") == [GRADED])
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def answered(tmp_path) -> Watcher:
    """A watcher that has graded ada's tests and released her page, in a course with a question for a person."""
    course = with_question(tmp_path / "course")
    (course.root / "nbgrader_config.py").write_text("c.AttemptPolicy.after_due = 'points'\n", encoding="utf-8")
    answer(course, "ada", "An outlier.")
    watcher = Watcher(Course(course.root), ["averages"], jobs=1, pages=tmp_path / "pages")
    attempt = watcher.journal.add("averages", "ada", inbox.SUBMITTED, "x", datetime.now(UTC), GRADED, 1)
    watcher.journal.update(attempt, score=3.0, max_score=3.0, page="points")
    return watcher


def test_points_given_by_a_person_reach_the_page_of_the_attempt(answered):
    assert answered.pages is not None
    page = answered.pages / "ada" / "averages.html"
    answered.until_idle()
    assert "3 of 5 points</strong> so far: 1 answer is still to be" in page.read_text(encoding="utf-8")
    by_formgrader(answered.course, "ada", 1.5)
    answered.until_idle()
    assert "4.5 of 5 points</strong></p>" in page.read_text(encoding="utf-8")
    page.unlink()
    answered.until_idle()
    assert not page.exists() and answered.graded == 0, "nothing has changed since"


def test_attempts_wait_while_the_grader_is_broken_and_everything_else_continues(answered):
    course, path = answered.course, answered.course.source("averages")
    notebook = notebooks.read(path)
    notebooks.by_id(notebook)["test_mean"].source += "\n# not released"
    notebooks.write(notebook, path)
    submit(course, "bob", RIGHT)
    submit(course, "cleo", RIGHT)
    time.sleep(inbox.SETTLED + 0.2)
    for _ in range(2):
        with pytest.raises(CourseError, match="not those that were released"):
            answered.until_idle()
        assert [attempt.state for attempt in answered.journal.attempts()] == [GRADED, WAITING, WAITING]
        assert len(answered.queue) == 2
    assert not list(course.root.glob("records/averages/[bc]*")) and not list(course.root.glob("autograded/[bc]*"))
    assert (answered.pages / "ada" / "averages.html").exists()


def test_a_page_that_exceeds_a_limit_shows_the_points_of_the_tests_and_says_so(answered, monkeypatch):
    assert answered.pages is not None
    monkeypatch.setattr(feedback, "MEMORY", 0)
    answered.until_idle()
    page = (answered.pages / "ada" / "averages.html").read_text(encoding="utf-8")
    assert "3 of 3 points</strong> from the tests" in page
    (attempt,) = answered.journal.attempts()
    assert "no full feedback page could be made: " in attempt.note
    answered.until_idle()
    assert answered.journal.attempts() == [attempt], "it is not tried again and again"


def test_a_broken_grader_accepts_no_attempt_until_it_is_repaired(tiny):
    submit(tiny, "ada", RIGHT)
    path = tiny.root / "release" / "averages" / "averages.ipynb"
    good = path.read_text(encoding="utf-8")
    notebook = notebooks.read(path)
    notebooks.by_id(notebook)["mean"].source = RIGHT
    notebooks.write(notebook, path)
    time.sleep(inbox.SETTLED + 0.2)
    watcher = Watcher(tiny, ["averages"], jobs=1)
    with pytest.raises(CourseError, match="the untouched release has 2 instead of 0 points in test_mean"):
        watcher.until_idle()
    assert not (tiny.root / "records" / "averages" / "ada.json").exists()
    path.write_text(good, encoding="utf-8")
    watcher.until_idle()
    assert scores_of(tiny, "ada") == {"test_mean": 2, "test_mean_negative": 1}


@pytest.mark.slow
@pytest.mark.needs_root("it mounts a small disk")
def test_a_full_disk_loses_nothing(tiny, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    process = None
    try:
        klass = Class(Course(Path(shutil.copytree(tiny.root, disk / "course"))), tmp_path)
        process = start(klass.course)
        klass.hand_in("ada", RIGHT)
        assert wait_for(lambda: states(klass, "ada") == [GRADED])
        process.send_signal(signal.SIGSTOP)
        klass.hand_in("bob", RIGHT)
        with contextlib.suppress(OSError), (disk / "filler").open("wb") as filler:
            while filler.write(bytes(2**16)):
                filler.flush()
        process.send_signal(signal.SIGCONT)
        time.sleep(8)  # it looks twice meanwhile
        assert process.poll() is None and GRADED not in states(klass, "bob")
        (disk / "filler").unlink()
        assert wait_for(lambda: states(klass, "bob") == [GRADED])
        assert wait_for(lambda: klass.attempts("bob")[0].page is not None)
        process.terminate()
        said, _ = process.communicate(timeout=60)
        assert "cannot continue: " in said and "Traceback" not in said, said
        assert [sum(scores_of(klass.course, student).values()) for student in ("ada", "bob")] == [3, 3]
        assert "3 of 3 points" in klass.pages("bob")[0]
    finally:
        if process is not None:
            process.kill()
            process.communicate()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
