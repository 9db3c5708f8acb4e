"""What differs between two gradebooks, and why."""

import io
import shutil

import pytest
from rich.console import Console

from grading.course.errors import CourseError
from grading.gradebook import differences, scores
from grading.gradebook.records import Record
from tests.marks import mark


@pytest.fixture
def files(tiny):
    """A gradebook before and after a change to everything that may change."""
    old, new = tiny.root / "gradebook.db", tiny.root / "new.db"
    for student in ("same", "better", "worse", "hand", "late", "gone"):
        mark(tiny, student, (2, 0) if student == "better" else (2, 1))
    shutil.copy(old, new)
    tiny.config.CourseDirectory.db_url = f"sqlite:///{new}"
    mark(tiny, "better", (2, 1))
    mark(tiny, "worse", (0, 1))
    mark(tiny, "comes")
    with tiny.gradebook() as gradebook:
        gradebook.find_grade("test_mean", "averages", "averages", "hand").manual_score = 1.0
        gradebook.find_submission_notebook("averages", "averages", "late").late_submission_penalty = 0.5
        gradebook.remove_submission("averages", "gone")
        gradebook.db.commit()
    return old, new


def test_two_gradebook_files_are_compared(tiny, files):
    found = {c.student: (c.exercise, c.old, c.new, c.why) for c in differences.compare_files(tiny, *files)}
    assert found == {
        "better": ("mean", 2, 3, "test_mean_negative: passes now"),
        "worse": ("mean", 3, 1, "test_mean: loses points now"),
        "hand": ("mean", 3, 2, "test_mean: graded by hand"),
        "late": ("late", 0, -0.5, "the penalty differs"),
        "gone": ("everything", 3, None, "not in the new gradebook"),
        "comes": ("everything", None, 3, "not in the old gradebook"),
    }
    assert differences.compare_files(tiny, files[0], files[0]) == []


def test_tests_that_come_or_go_without_changing_a_score_are_not_listed():
    def one(**cells: tuple[float, float, float | None]) -> dict[str, scores.Submission]:
        made = {n: scores.Cell(n, p, full, p, manual, None, False) for n, (p, full, manual) in cells.items()}
        return {"ada": scores.Submission("ada", "averages", made, {}, 0.0)}

    before = one(test_a=(0, 1, None), test_b=(0, 1, None), test_c=(1, 2, 1))
    after = one(test_a=(0, 3, None), test_d=(0, 1, None), test_c=(1, 4, 1))
    (change,) = differences.compare(before, after, ["a", "b", "c", "d"])
    assert (change.exercise, change.why) == (
        "c",
        "test_c: gives 4 points instead of 2, the 1 points given by hand stay",
    )


def test_a_difference_shows_the_reason_from_the_record(files):
    with differences.open_gradebook(files[0]) as old, differences.open_gradebook(files[1]) as new:
        before, after = scores.read(old, "averages"), scores.read(new, "averages")
    test = {"error": "should be 3", "mistake": "mean_x"}
    records = {"worse": Record("worse", "averages", "graded", tests={"test_mean": test})}
    (worse,) = [c for c in differences.compare(before, after, ["mean"], records) if c.student == "worse"]
    assert worse.why == "test_mean: should be 3 (mean_x)"


def test_the_table_shows_missing_points_as_dashes(tiny, files):
    console = Console(file=io.StringIO(), width=160)
    console.print(differences.table(differences.compare_files(tiny, *files)))
    said = " ".join(console.file.getvalue().split())
    assert "│ gone │ averages │ everything │ 3 │ - │ not in the new gradebook │" in said


def test_a_missing_gradebook_is_refused_and_not_created(tiny):
    with pytest.raises(CourseError, match="no such gradebook"):
        differences.compare_files(tiny, tiny.root / "gradebook.db", tiny.root / "none.db")
    assert not (tiny.root / "none.db").exists()
    with pytest.raises(CourseError, match="is not an nbgrader gradebook"):
        differences.open_gradebook(tiny.root / "README.md")
