"""The guard ends what takes too much together, and leaves alone what does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grading.sandbox import watchdog
from grading.sandbox.watchdog import Watchdog

MIB = 2**20
FAMILY = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        held = bytearray(int(sys.argv[1]) * 2**20)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


@pytest.fixture
def family():
    """`family(30)`: a process with three children that hold 30 MiB each."""
    started = []

    def start(mib: int) -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, "-c", FAMILY, str(mib)], start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def watch(process, folder, write=lambda: None, spared: int = 0, seconds: float = 8, **limits) -> str:
    """What trips a guard over this process; `write` is what happens when it looks already."""
    guard = Watchdog(process.pid, spared, folder, **{"memory": 150 * MIB, "disk": MIB, **limits})
    guard.start()
    write()
    give_up = time.monotonic() + seconds
    while not guard.tripped and time.monotonic() < give_up:
        time.sleep(0.05)
    guard.stop()
    return guard.tripped


def test_many_small_processes_over_the_common_limit_are_ended(family, tmp_path):
    process = family(60)
    assert watch(process, tmp_path) == "more than 0.146484 GiB of memory were taken"
    assert process.wait(timeout=10) == -9


CROWD = """
import os, sys, threading, time
threading.stack_size(2**16)
def compute():
    while True: pass
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        compute()
for _ in range(int(sys.argv[2])):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(60)
"""


@pytest.mark.parametrize(("computing", "waiting", "ended"), [(20, 0, True), (2, 100, False)])
def test_a_crowd_that_computes_is_ended_and_one_that_waits_is_not(tmp_path, monkeypatch, computing, waiting, ended):
    monkeypatch.setattr(watchdog, "CROWD", 16)
    monkeypatch.setattr(watchdog, "SECONDS", 0.1)
    line = [sys.executable, "-c", CROWD, str(computing), str(waiting)]
    process = subprocess.Popen(line, start_new_session=True)
    try:
        tripped = watch(process, tmp_path, seconds=20 if ended else 3)
        words = "more than 16 processes and threads of it went on computing at the same time"
        assert tripped == (words if ended else "")
    finally:
        for child in watchdog.children(process.pid):
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()


OPENS = """
import os, time
for _ in range(9):
    if os.fork() == 0:
        held = [open(os.devnull) for _ in range(1000)]
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


def test_thousands_of_open_files_are_too_many_together(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", OPENS], start_new_session=True)
    try:
        assert watch(process, tmp_path) == "more than 8192 files and sockets were open at the same time"
        assert process.wait(timeout=10) == -9
    finally:
        process.kill()


def test_processes_started_by_a_kernel_get_lower_priority(family, tmp_path):
    process = family(1)
    assert watch(process, tmp_path, seconds=2) == ""
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in watchdog.children(process.pid)} == {watchdog.NICENESS}
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0)


SESSIONS = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this system shares among processes alone")
def test_a_session_of_their_own_gives_children_no_more_of_the_processor(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SESSIONS], start_new_session=True)
    try:
        assert watch(process, tmp_path, seconds=2) == ""
        groups = [Path(f"/proc/{pid}/autogroup").read_text() for pid in watchdog.children(process.pid)]
        assert [group.split()[-1] for group in groups] == [str(watchdog.NICENESS)] * 3
        assert Path(f"/proc/{process.pid}/autogroup").read_text().split()[-1] == "0"
    finally:
        for child in watchdog.children(process.pid):
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()


def test_the_time_a_kernel_waited_for_a_processor_is_known(tmp_path):
    """Two processes that compute on one processor wait for each other."""
    core = min(os.sched_getaffinity(0))
    line = ["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"]
    first, second = [subprocess.Popen(line) for _ in range(2)]
    try:
        guard = Watchdog(first.pid, 0, tmp_path, 2**30, 2**20)
        time.sleep(2)
        assert 0.3 < guard.waited() < 2.5
    finally:
        for one in (first, second):
            one.kill()
            one.wait()
    assert guard.waited() == 0


def test_it_knows_how_long_a_kernel_has_computed(tmp_path):
    line = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert Watchdog(process.pid, 0, tmp_path, 2**30, 2**20).processor_time() >= 0.3
        assert Watchdog(os.getpid(), 1, tmp_path, 2**30, 2**20).processor_time() >= 0.3
        process.communicate(b"\n")
    assert Watchdog(process.pid, 0, tmp_path, 2**30, 2**20).processor_time() is None


def test_generations_above_the_kernel_are_spared(family, tmp_path):
    process = family(60)
    assert watch(process, tmp_path, spared=1, memory=100 * MIB)
    assert process.poll() is None


def test_a_kernel_within_the_limits_is_left_alone(family, tmp_path):
    process = family(1)
    assert watch(process, tmp_path, seconds=1.5) == ""
    assert process.poll() is None


def test_many_small_files_are_noticed(family, tmp_path):
    process = family(1)
    (tmp_path / "given").write_bytes(bytes(3 * MIB))

    def write():
        for number in range(20):
            (tmp_path / f"{number}").write_bytes(bytes(MIB // 10))

    assert watch(process, tmp_path, write) == "more than 1 MiB were written outside the scratch folder"
    assert process.wait(timeout=10) == -9


def test_empty_files_are_counted_too(family, tmp_path):
    process = family(1)

    def write():
        for number in range(300):
            (tmp_path / f"{number}").touch()

    assert watch(process, tmp_path, write) == "more than 1 MiB were written outside the scratch folder"


def test_folders_that_are_too_deep_are_noticed(family, tmp_path):
    process = family(1)

    def write():
        (tmp_path / "/".join(["d" * 99] * 30)).mkdir(parents=True)

    assert watch(process, tmp_path, write) == "unreadable folders were made outside the scratch folder"
    assert process.wait(timeout=10) == -9


def test_a_folder_that_has_vanished_or_become_a_file_meanwhile_counts_nothing(tmp_path):
    (tmp_path / "file").touch()
    assert watchdog._size(tmp_path / "file", MIB) == watchdog._size(tmp_path / "gone", MIB) == 0


def test_an_ended_process_uses_no_memory(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert watch(process, tmp_path, seconds=1) == ""


def test_processes_may_end_while_they_are_looked_at():
    shell = subprocess.Popen(["sh", "-c", "while :; do (:); done"])
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for child in watchdog.children(shell.pid):
                watchdog.children(child)
    finally:
        shell.kill()
        shell.wait()
