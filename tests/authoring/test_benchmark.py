"""The benchmark measures whole commands, on classes that are the same each time."""

import subprocess
import sys
from pathlib import Path

import pytest

from grading.authoring.benchmark import Cost, Result, mixed_class, write_report
from grading.course import notebooks
from grading.course.folder import Course
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
    script = "import sys; from pathlib import Path; from grading.authoring.benchmark import measure\n"
    script += "cost = measure([sys.executable, '-c', sys.argv[1]], Path(sys.argv[2]))\n"
    script += "print(cost.cpu, cost.wall, cost.memory)"
    command = [sys.executable, "-c", script, code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_command_is_measured_with_what_it_leaves_running(tmp_path):
    cpu, wall, memory = map(float, measured(BUSY, tmp_path).stdout.split())
    assert cpu > 1.1 and wall > 0.5
    assert memory > 60 * 2**20


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path):
    said = measured("raise SystemExit('no such course')", tmp_path).stderr
    assert "RuntimeError: " in said and said.rstrip().endswith("no such course")


def test_the_class_is_the_same_each_time_and_mixed():
    course = Course(ROOT)
    students = mixed_class(course, "optimizers", 40)
    assert students == mixed_class(course, "optimizers", 40)
    exercises = len(notebooks.tests_of(notebooks.read(course.source("optimizers"))))
    wrong = sum(len(student.answers) for student in students) / (40 * exercises)
    assert 0.15 < wrong < 0.35


def test_the_report_shows_ratio_growth_and_other_scores(tmp_path):
    growth = {10: Cost(20, 30, 2**30), 110: Cost(120, 130, 2**30)}
    result = Result("averages", 2, Cost(60, 50, 0), Cost(4, 4, 0), Cost(5, 5, 0), growth, 0.7, ["ada"])
    assert result.each == pytest.approx((10, 1))
    write_report([result], 2, tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| averages | 30.0 | 1.09 | **28** | 25.0 | 1.18 | 1.00 GiB | NO: ada |" in text
    assert "| averages | 110 | 120.0 | 130.0 | 1.00 GiB |" in text
    assert "| averages | 10.0 | 1.00 | 0.70 |" in text
    assert (tmp_path / "report.png").stat().st_size > 5000
