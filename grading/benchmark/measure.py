"""What a command takes: time on the clock, processor time, and memory, with all processes that it starts."""

import ctypes
import os
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from grading.sandbox.watchdog import proportional_tree

PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Cost:
    """The resources that a command used.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of processor time.
        memory: bytes at the peak; pages that several processes share are counted once.
    """

    wall: float
    cpu: float
    memory: int


def measure(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message holds the end of its output.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # counts processes that outlive their parent
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (folder / "bench.log").open("w+b") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT
        )
        peak, ended = [0], threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peak, ended))
        sampler.start()
        code = process.wait()
        wall = time.monotonic() - began
        ended.set()
        sampler.join()
        _reap()
        if code:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{log.read().decode(errors='replace')[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0])


def _sample(pid: int, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        peak[0] = max(peak[0], proportional_tree(pid))


def _reap(seconds: float = 10) -> None:
    """Wait for the orphans of a command, so that their processor time is known."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            return
