"""From hand-in to page: how long `make watch` takes, measured with nbgrader's exchange."""

import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.utils import make_unique_key, notebook_hash

from grading.authoring import sample_class
from grading.authoring.sample_class import SampleStudent
from grading.course.folder import Course
from grading.run.inbox import exchange_folder
from grading.sandbox.watchdog import proportional_tree

GIVE_UP = 600  # seconds for one page


@dataclass
class HandIn:
    """The time from a folder's arrival in the exchange to its feedback page.

    Attributes:
        alone: seconds, one student at a time.
        rush: how many then hand in at the same time; `rush_seconds` until the last page of these is there.
        memory: bytes of the grader and all that it starts, after the rush.
    """

    alone: list[float]
    rush: int
    rush_seconds: float
    memory: int

    @property
    def median(self) -> float:
        return statistics.median(self.alone)

    @property
    def slowest(self) -> float:
        """The 95th percentile; of fewer than 20 it is the slowest."""
        return sorted(self.alone)[min(len(self.alone) - 1, int(0.95 * len(self.alone)))]


def measure_hand_in(
    course: Course, assignment: str, students: list[SampleStudent], alone: int, said: Callable[[str], None]
) -> HandIn:
    """Start `make watch` on a course that is released, and hand in.

    Args:
        course: a course that nothing else uses; its settings get an exchange.
        students: the first one warms the grader up, the next `alone` hand in one after another, the others together.

    Raises:
        RuntimeError: no page came, or the grader ended.
    """
    exchange = course.root / "exchange"
    for name in ("inbound", "outbound", "feedback"):
        (exchange / course.coursedir.course_id / name).mkdir(parents=True)
    settings = course.root / "nbgrader_config.py"
    settings.write_text(
        settings.read_text(encoding="utf-8") + f"\nc.Exchange.root = {str(exchange)!r}\n", encoding="utf-8"
    )
    course = Course(course.root)
    sample_class.hand_in(course, assignment, students)
    waiting = course.root / "homes"
    (course.root / "submitted").rename(waiting)  # else the grader would take them from there
    with watching(course, assignment) as grader:
        said(f"{assignment}: make watch starts")
        names = [student.id for student in students]
        seconds = [_page_of(course, assignment, [name], waiting, grader) for name in names[: alone + 1]]
        said(f"{assignment}: {len(names) - alone - 1} hand in at once")
        rush = _page_of(course, assignment, names[alone + 1 :], waiting, grader)
        return HandIn(seconds[1:], len(names) - alone - 1, rush, proportional_tree(grader.pid))


@contextmanager
def watching(course: Course, assignment: str) -> Iterator[subprocess.Popen]:
    """A running `make watch`, with its log in `watch.log` of the course; it is stopped at the end."""
    command = [sys.executable, "-m", "grading", "watch", "--assignment", assignment]
    with (course.root / "watch.log").open("wb") as log:
        grader = subprocess.Popen(command, cwd=course.root, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield grader
    finally:
        grader.send_signal(signal.SIGTERM)
        try:
            grader.wait(60)
        except subprocess.TimeoutExpired:
            grader.kill()


def _page_of(course: Course, assignment: str, names: list[str], homes: Path, grader: subprocess.Popen) -> float:
    """Hand in for several students at once. Returns the seconds until the last page is written."""
    exchange = exchange_folder(course)
    if exchange is None:
        raise RuntimeError(f"{course.root}: no exchange")
    ready = [prepare(exchange, course, assignment, name, homes / name / assignment) for name in names]
    began = time.monotonic()
    for folder, target, _ in ready:
        folder.rename(target)
    missing = [page for *_, page in ready]
    while missing := [page for page in missing if not page.is_file()]:
        if grader.poll() is not None or time.monotonic() - began > GIVE_UP:
            raise RuntimeError(f"no page came: see {course.root / 'watch.log'}")
        time.sleep(0.01)
    return time.monotonic() - began


def prepare(exchange: Path, course: Course, assignment: str, student: str, work: Path) -> tuple[Path, Path, Path]:
    """A folder as nbgrader's `submit` makes it; where it will be in the exchange, and its page.

    Args:
        work: the folder with the student's notebook.

    The name of the page follows from a secret that is handed in, see `nbgrader.exchange.default.submit`.
    """
    stamp, folder = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC", work.with_name(f"{assignment}-ready")
    shutil.copytree(work, folder)
    key = make_unique_key(course.coursedir.course_id, assignment, "", student, stamp)
    secret = f"{key}{secrets.token_hex(8)}"
    (folder / "timestamp.txt").write_text(stamp, encoding="utf-8")
    (folder / "submission_secret.txt").write_text(secret, encoding="utf-8")
    folder.chmod(0o777)  # nbgrader's last step, from which the grader knows that all is there
    target = exchange / "inbound" / f"{student}+{assignment}+{stamp}+{secrets.token_hex(8)}"
    return folder, target, exchange / "feedback" / f"{notebook_hash(secret=secret, notebook_id=assignment)}.html"
