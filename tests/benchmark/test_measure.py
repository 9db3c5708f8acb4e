"""A command is measured with all that it starts."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

BUSY = """
import os, time
def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
held = bytearray(60 * 2**20)
held[::4096] = b"x" * len(held[::4096])
if os.fork() == 0:  # nobody waits for this one
    work(0.6)
    os._exit(0)
work(0.6)
"""


def measured(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Measure a Python program, in a process of its own: what measures waits for all children that it has."""
    script = "import sys; from pathlib import Path; from grading.benchmark.measure import measure\n"
    script += "cost = measure([sys.executable, '-c', sys.argv[1]], Path(sys.argv[2]))\n"
    script += "print(cost.cpu, cost.wall, cost.memory)"
    command = [sys.executable, "-c", script, code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_command_is_measured_with_what_it_leaves_running(tmp_path):
    cpu, wall, memory = map(float, measured(BUSY, tmp_path).stdout.split())
    assert cpu > 1.1 and wall > 0.5
    assert memory > 60 * 2**20


def test_a_failing_command_is_reported_with_its_output(tmp_path):
    said = measured("raise SystemExit('no such course')", tmp_path).stderr
    assert "RuntimeError: " in said and said.rstrip().endswith("no such course")
