"""A grader that is killed at any moment and started again finishes the class as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grading.gradebook import records
from grading.gradebook.database import scores
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, RIGHT, graded, submit
from tests.processes import processes_with

STUDENTS = {f"{name}{i}": source for i in range(4) for name, source in (("right", RIGHT), ("sum", FORGETS_TO_DIVIDE))}


@pytest.fixture
def place():
    """A folder with a short path: names of sockets may not be long."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


def left(marker: str) -> list[str]:
    """The processes that are still there after some time."""
    give_up = time.monotonic() + 20
    while processes_with(marker) and time.monotonic() < give_up:
        time.sleep(0.05)
    return processes_with(marker)


@pytest.mark.parametrize(
    ("warm", "kills"), [("yes", 1), *(pytest.param(warm, 3, marks=pytest.mark.slow) for warm in ("yes", "no"))]
)
def test_kills_lose_nothing_and_grade_nothing_twice(tiny, pool, place, warm, kills):
    for student, source in STUDENTS.items():
        submit(tiny, student, source)
    submit(tiny, "signs", DROPS_THE_SIGN)
    marker = f"killed-{os.getpid()}-{warm}-{kills}"
    draw = random.Random(7)
    command = [sys.executable, "-m", "grading", "--root", str(tiny.root), "grade", "--jobs", "2"]
    environment = {**os.environ, "WARM": warm, "MARKER": marker, "TMPDIR": str(place)}
    done: dict[str, str] = {}
    for kill in range(kills + 1):
        process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
        if kill < kills:
            # Wait until something more is graded, so that every start gets on, then strike at a random moment.
            give_up = time.monotonic() + 60
            while process.poll() is None and len(records.read(tiny, "averages")) <= len(done):
                assert time.monotonic() < give_up, "nothing gets on"
                time.sleep(0.02)
            time.sleep(draw.uniform(0, 0.5))
            process.kill()
        process.wait(timeout=120)
        assert left(marker) == [], "workers outlive a grader that was killed"
        found = {student: one.graded_at for student, one in records.read(tiny, "averages").items()}
        assert {student: found[student] for student in done} == done, "what was done has been done again"
        done = found
    killed = scores(tiny, "averages")
    outcomes = records.read(tiny, "averages")
    assert set(killed) == {*STUDENTS, "signs"} and {one.state for one in outcomes.values()} == {"graded"}
    assert not list(tiny.root.glob("autograded/*/.*"))
    assert not [path.name for path in place.glob("grading-*")], "temporary folders outlive graders that were killed"
    again = graded(tiny, pool, force=True)
    assert again.outcomes == outcomes and scores(tiny, "averages") == killed


@pytest.mark.parametrize("seconds", [1.6, *(pytest.param(other, marks=pytest.mark.slow) for other in (0.8, 2.4, 3.2))])
def test_a_grader_that_is_killed_while_it_starts_leaves_no_process(tiny, place, seconds):
    for student, source in STUDENTS.items():
        submit(tiny, student, source)
    marker = f"started-{os.getpid()}-{seconds}"
    process = subprocess.Popen(
        [sys.executable, "-m", "grading", "--root", str(tiny.root), "grade", "--jobs", "2"],
        env={**os.environ, "MARKER": marker, "TMPDIR": str(place)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert left(marker) == []
