"""A long day of `make watch`: nothing is lost, and nothing stays behind.

`SUBMISSIONS=5000` in the environment makes it as long as the day of a large course: about 20 minutes on two cores.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from grading.benchmark.hand_in import prepare
from grading.course.folder import Course
from grading.run.attempts import GRADED
from grading.run.watch import journal_of
from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, scores_of, submit
from tests.processes import processes_with

SUBMISSIONS = int(os.environ.get("SUBMISSIONS", "120"))
STUDENTS = 40 if SUBMISSIONS < 1000 else 250
RENEW_AFTER = 30 if SUBMISSIONS < 1000 else 400  # interpreters are started afresh three times, or twelve times
AT_ONCE = 10
STARTS = "import sys, grading.run.watch as watch; watch.RENEW_AFTER = {}; from grading.cli.main import main; main()"


class Day:
    """A course with an exchange, a folder for temporary files of its own, and a grader that watches it."""

    def __init__(self, course: Course, tmp: Path):
        self.exchange, self.temporary = course.root / "exchange", tmp
        for name in ("inbound", "outbound", "feedback"):
            (self.exchange / course.coursedir.course_id / name).mkdir(parents=True)
        settings = course.root / "nbgrader_config.py"
        more = f"\nc.Exchange.root = {str(self.exchange)!r}\nc.AttemptPolicy.attempts = 0\n"
        settings.write_text(settings.read_text(encoding="utf-8") + more, encoding="utf-8")
        self.course, self.log = Course(course.root), course.root / "watch.log"
        self.homes = course.root / "homes"
        for student in ("right", "wrong"):
            submit(self.course, student, RIGHT if student == "right" else FORGETS_TO_DIVIDE)
        (course.root / "submitted").rename(self.homes)
        with self.log.open("wb") as log:
            line = [sys.executable, "-c", STARTS.format(RENEW_AFTER), "--root", str(course.root), "watch"]
            environment = os.environ | {"TMPDIR": str(tmp)}
            self.grader = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT, env=environment)

    def hand_in(self, student: str, kind: str) -> Path:
        """The page that will be there."""
        inbound = self.exchange / self.course.coursedir.course_id
        folder, target, page = prepare(inbound, self.course, "averages", student, self.homes / kind / "averages")
        folder.rename(target)
        return page

    def wait(self, pages: list[Path]) -> None:
        give_up = time.monotonic() + 300
        while missing := [page for page in pages if not page.is_file()]:
            assert self.grader.poll() is None and time.monotonic() < give_up, self.log.read_text(encoding="utf-8")
            pages = missing
            time.sleep(0.02)

    def state(self) -> dict[str, int]:
        """What the grader uses while it has nothing to do."""
        main = psutil.Process(self.grader.pid)
        started = main.children(recursive=True)
        return {
            # Only what is their own: other programs on this machine may share the pages of PyTorch's libraries.
            "MiB": sum(map(own_memory, [main, *started])) >> 20,
            "processes": len(started),
            "files": main.num_fds(),
            "threads": main.num_threads(),
            "entries": len(list(self.temporary.iterdir())),
        }


def own_memory(process: psutil.Process) -> int:
    """Bytes that a process shares with no other; 0 if it has just ended."""
    try:
        return process.memory_full_info().uss
    except psutil.NoSuchProcess:
        return 0


@pytest.mark.slow
def test_a_long_day_leaves_nothing_behind(tiny, tmp_path):
    temporary = Path("/var/tmp") / f"day-{os.getpid()}"  # short, for the paths of sockets
    temporary.mkdir()
    day = Day(tiny, temporary)
    seen: list[dict[str, int]] = []
    try:
        for first in range(0, SUBMISSIONS, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, SUBMISSIONS))
            day.wait([day.hand_in(f"s{number % STUDENTS}", ("right", "wrong")[number % 3 == 0]) for number in numbers])
            if (first + AT_ONCE) % RENEW_AFTER == RENEW_AFTER // 3:  # between two renewals
                time.sleep(1)
                seen.append(day.state())
                print(first + AT_ONCE, seen[-1], flush=True)
    finally:
        day.grader.send_signal(signal.SIGTERM)
        day.grader.wait(60)
    said = day.log.read_text(encoding="utf-8")
    renewed = [int(number) for number in re.findall(r"interpreters are started afresh after (\d+)", said)]
    assert len(renewed) >= SUBMISSIONS // RENEW_AFTER - 1 and min(renewed) >= RENEW_AFTER, said
    attempts = journal_of(day.course).attempts()
    assert [attempt.state for attempt in attempts] == [GRADED] * SUBMISSIONS
    wanted = {number: 0 if number % 3 == 0 else 3 for number in range(SUBMISSIONS)}
    last = {f"s{number % STUDENTS}": points for number, points in wanted.items()}
    assert {student: sum(scores_of(day.course, student).values()) for student in last} == last
    assert not processes_with(f"TMPDIR={temporary}")
    assert not list(temporary.iterdir())
    temporary.rmdir()
    start, *later = seen
    for state in later:
        assert state["MiB"] <= 1.25 * start["MiB"] + 30, seen
        for what in ("processes", "files", "threads", "entries"):
            assert state[what] <= start[what] + 3, (what, seen)
