"""What a cluster costs: the table, of classes that both ways have graded."""

import subprocess
import sys

import pytest

from grading.benchmark.cluster import table
from grading.benchmark.measure import Cost
from grading.course.folder import Course


def test_the_last_row_excludes_the_start():
    costs = {10: (Cost(10, 15, 0), Cost(22, 30, 0)), 60: (Cost(60, 65, 0), Cost(77, 130, 0))}
    rows = list(zip(*(column.cells for column in table("averages", costs).columns)))
    assert rows[0] == ("10", "10.00 s", "22.00 s", "+120%", "15.00 s", "30.00 s")
    assert rows[-1] == ("each more", "1.00 s", "1.10 s", "+10%", "1.00 s", "2.00 s")
    assert [row[0] for row in zip(*(column.cells for column in table("averages", {10: costs[10]}).columns))] == ["10"]


@pytest.mark.slow
def test_both_ways_are_measured(tiny: Course):
    line = [sys.executable, "-m", "grading", "--root", str(tiny.root), "bench", "--cluster", "--sizes", "1,2"]
    said = subprocess.run([*line, "--jobs", "2"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "averages: 2 submissions, one machine, 2 at once" in said.stdout
    assert "each more" in said.stdout and not (tiny.root / "docs").exists()
    assert not (tiny.root / "build" / "bench").exists()
