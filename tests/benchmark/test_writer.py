"""The writer's rate: every student's scores and records are really saved."""

import pytest

from grading.benchmark.writer import Saved, run, table
from grading.course.folder import Course
from grading.gradebook import records
from tests.conftest import scores_of


def test_a_row_excludes_earlier_rows():
    shown = table("averages", {100: Saved(2, 1), 300: Saved(10, 5)})
    rows = list(zip(*(column.cells for column in shown.columns)))
    assert rows == [("1 to 100", "50", "20.0", "10.0"), ("101 to 300", "25", "40.0", "20.0")]


@pytest.mark.slow
def test_all_submissions_are_saved(tiny: Course):
    found = run(tiny, "averages", [2, 5], "")
    assert 0 < found[2].wall < found[5].wall and 0 < found[2].cpu <= found[5].cpu
    own = Course(tiny.root / "build" / "bench" / "writer")
    assert sorted(records.read(own, "averages")) == [f"student-{number}" for number in range(5)]
    assert {sum(scores_of(own, f"student-{number}").values()) for number in range(5)} == {3}
