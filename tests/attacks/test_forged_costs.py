"""Answers whose time grows with the square, and that pretend it does not: the grader measures from outside.

Each cell below runs in a real follower, after an honest notebook whose one answer looks nodes up in a list.
"""

from pathlib import Path

import numpy as np
import pytest

from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions
from grading.kernels.follower import Followers, Seconds
from grading.kernels.guarded_channel import GuardedChannel
from grading.oracle import autodiff
from grading.oracle.student_code import InProcess, StudentError, connected, student
from grading.sandbox.watchdog import Watchdog
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("mini-torch"))
ENTRIES = {entry.name: entry for entry in catalogue.load(ROOT / "mistakes/mini-torch.toml", SOURCE)}
SLOW = {
    "topological_order": ENTRIES["topological_order_visited_list"],
    "shared_tensor": ENTRIES["shared_tensor_visited_list"],
}

CLOCKS = """
import time
for name in ("thread_time", "process_time", "perf_counter", "monotonic", "time"):
    setattr(time, name, lambda: 0.0)
time.clock_gettime = lambda clock: 0.0
"""

# What an answer can do around the quadratic one, which is `slow`.
AROUND = """
import sys, threading, time
probes = sys.modules["grading.probe.autodiff"]
honest = probes.long_order

def slow(sources, root):
    return honest(globals(), sources, root)

{body}

probes.long_order = lambda namespace, sources, root: forged(sources, root)
"""

REMEMBERS = """
known = {}

def forged(sources, root):
    if len(sources) not in known:
        known[len(sources)] = slow(sources, root)
    return known[len(sources)]
"""

THREADS = """
def forged(sources, root):
    found = []
    worker = threading.Thread(target=lambda: found.append(slow(sources, root)))
    worker.start()
    worker.join()
    return found[0]
"""

CHILDREN = """
import json, os

def forged(sources, root):
    reads, writes = os.pipe()
    if os.fork() == 0:
        os.write(writes, json.dumps(slow(sources, root)).encode())
        os._exit(0)
    os.close(writes)
    return json.loads(open(reads).read())
"""

CLAIMS_NOTHING = """
def forged(sources, root):
    return None
"""

FORGERIES = {
    "as it is": "",
    "false clocks": CLOCKS,
    "an earlier answer": AROUND.format(body=REMEMBERS),
    "threads": AROUND.format(body=THREADS),
    "children": AROUND.format(body=CHILDREN),
    "no answer": AROUND.format(body=CLAIMS_NOTHING),
}


class Claims(InProcess):
    """The student's own kernel. What it says about its costs is what the right answer says."""

    def __init__(self, namespace: dict, sources: list[str]):
        super().__init__(namespace, sources)
        self.sources = sources


def watch(**guarded) -> Watchdog:
    guard = Watchdog(**guarded, memory=2**31, disk=2**26)
    guard.start()
    return guard


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["warm", "cold"])
def graded(request, tmp_path):
    """Grade a cell after the cells of the notebook that end with an exercise."""
    started: list[Followers] = []

    def judge(exercise: str, *more: str, slow: bool = True) -> None:
        entry = SLOW[exercise]
        namespace, _ = definitions(SOURCE, until=exercise)
        _, sources = definitions(SOURCE, {entry.cell: entry.source} if slow else {}, until=exercise)
        sources = [*sources, *more]
        followers = Followers(Path(tmp_path), sources, Seconds(question=60, cell=60, cells=120), request.param, watch)
        started.append(followers)
        channel = GuardedChannel(Claims(namespace, sources), followers, set())
        test = autodiff.linear_ordering if exercise == "topological_order" else autodiff.linear_cost
        with connected(channel):
            test(student, np.random.default_rng(7))

    yield judge
    for followers in started:
        followers.close()


@pytest.mark.parametrize("name", FORGERIES)
def test_no_pretence_makes_a_slow_answer_fast(graded, name):
    with pytest.raises(AssertionError) as refused:
        graded("topological_order", FORGERIES[name])
    about = {
        "children": "PermissionError",
        "no answer": "should return a list",
        "an earlier answer": "which it was made from",
    }
    assert about.get(name, "Among thousands of nodes, each one takes too long") in str(refused.value)
    assert isinstance(refused.value, StudentError) == (name == "children")


def test_a_slow_tensor_loses_and_the_right_one_passes(graded):
    with pytest.raises(AssertionError, match="Among thousands of operations, each one takes too long"):
        graded("shared_tensor", CLOCKS)
    graded("shared_tensor", slow=False)
    graded("topological_order", slow=False)
