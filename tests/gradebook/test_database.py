"""One gradebook for the class: all of a submission or nothing, and nbgrader's own rules about manual grades."""

import sqlite3
import threading
from datetime import datetime

import pytest
from nbgrader.api import MissingEntry

from grading.course import notebooks
from grading.gradebook.copies import keep_copy
from grading.gradebook.database import ClassGradebook, OverwriteCells, scores
from grading.gradebook.submission_rows import Entry
from tests.conftest import DROPS_THE_SIGN, RIGHT, graded, scores_of, submit


def hand_in(gradebook: ClassGradebook, timestamp: datetime | None) -> None:
    """The rows of a submission of ada's that has no scores."""
    gradebook.write([Entry("ada", "averages", "averages", timestamp, None, dict, None)])


def test_a_transaction_is_written_whole_or_not_at_all(tiny):
    with ClassGradebook(tiny) as gradebook:
        with pytest.raises(ZeroDivisionError), gradebook.transaction():
            hand_in(gradebook, None)
            gradebook.find_grade("test_mean", "averages", "averages", "ada").auto_score = 1 / 0
        assert scores(tiny, "averages") == {}
        with gradebook.transaction():
            hand_in(gradebook, datetime(2026, 1, 1))
            gradebook.find_grade("test_mean", "averages", "averages", "ada").auto_score = 2
            assert scores(tiny, "averages") == {}
    assert scores(tiny, "averages") == {"ada": {"test_mean": 2, "test_mean_negative": 0}}
    with tiny.gradebook() as gradebook:
        assert gradebook.find_submission("averages", "ada").timestamp == datetime(2026, 1, 1)


def test_absent_cells_and_grades_raise_missing_entry(tiny):
    with ClassGradebook(tiny) as gradebook:
        assert gradebook.find_source_cell("mean", "averages", "averages").cell_type == "code"
        assert gradebook.find_graded_cell("test_mean", "averages", "averages").max_score == 2
        with pytest.raises(MissingEntry):
            gradebook.find_source_cell("median", "averages", "averages")
        with gradebook.transaction():
            hand_in(gradebook, None)
            with pytest.raises(MissingEntry):
                gradebook.find_grade("test_median", "averages", "averages", "ada")


@pytest.mark.parametrize("gone", ["test_mean", "mean", None])
def test_a_missing_test_cell_is_put_back_also_without_the_release(tiny, gone):
    notebook = notebooks.read(tiny.source("averages"))
    names = list(notebooks.by_id(notebook))
    notebook.cells = [cell for cell in notebook.cells if gone is None or notebooks.grade_id(cell) != gone]
    with ClassGradebook(tiny) as gradebook:
        released = gradebook.released("averages", "averages")
        there = {"notebook": "averages", "assignment": "averages", "student": "ada", "gradebook": released}
        notebook, _ = OverwriteCells(add_missing_cells=True).preprocess(notebook, {"nbgrader": there})
    assert list(notebooks.by_id(notebook)) == [name for name in names if name == "test_mean" or name != gone]


def test_a_copy_holds_what_the_gradebook_held(tiny):
    with ClassGradebook(tiny) as gradebook, gradebook.transaction():
        hand_in(gradebook, None)
    copy = keep_copy(tiny, datetime(2026, 5, 4, 13, 2, 1))
    assert copy.name == "gradebook.db.2026-05-04-130201"
    assert copy.read_bytes()[:15] == b"SQLite format 3" and b"ada" in copy.read_bytes()


def test_manual_scores_and_comments_survive_and_are_marked_for_review(tiny, pool):
    submit(tiny, "ada", DROPS_THE_SIGN)
    graded(tiny, pool)
    with tiny.gradebook() as gradebook:
        gradebook.find_grade("test_mean_negative", "averages", "averages", "ada").manual_score = 0.5
        gradebook.find_comment("mean", "averages", "averages", "ada").manual_comment = "Think of -1."
        gradebook.db.commit()
    graded(tiny, pool, force=True)
    assert scores_of(tiny, "ada") == {"test_mean": 2, "test_mean_negative": 0.5}
    with tiny.gradebook() as gradebook:
        grade = gradebook.find_grade("test_mean_negative", "averages", "averages", "ada")
        assert (grade.auto_score, grade.needs_manual_grade) == (0, True)
        assert gradebook.find_comment("mean", "averages", "averages", "ada").comment == "Think of -1."


def test_a_late_submission_gets_the_penalty_of_the_plugin(tiny, pool):
    submit(tiny, "ada", RIGHT)
    submit(tiny, "bob", RIGHT)
    for student, day in (("ada", 1), ("bob", 3)):
        path = tiny.root / "submitted" / student / "averages" / "timestamp.txt"
        path.write_text(f"2026-01-0{day} 12:00:00 UTC", encoding="utf-8")
    with tiny.gradebook() as gradebook:
        gradebook.update_or_create_assignment("averages", duedate="2026-01-02 12:00:00 UTC")
    settings = tiny.root / "nbgrader_config.py"
    rule = "c.LatePolicy.rule = 'no points'\n"
    settings.write_text(settings.read_text(encoding="utf-8") + rule, encoding="utf-8")
    graded(tiny, pool)
    with tiny.gradebook() as gradebook:
        penalties = {
            student: gradebook.find_submission_notebook("averages", "averages", student).late_submission_penalty
            for student in ("ada", "bob")
        }
    assert penalties == {"ada": None, "bob": 3}


def test_a_gradebook_that_is_locked_for_a_while_is_waited_for(tiny):
    book = sqlite3.connect(tiny.root / "gradebook.db", check_same_thread=False)
    book.execute("BEGIN EXCLUSIVE")
    threading.Timer(7, book.rollback).start()  # sqlite3 alone gives up after five seconds
    with ClassGradebook(tiny) as gradebook, gradebook.transaction():
        gradebook.update_or_create_student("ada")
    book.close()
    with tiny.gradebook() as gradebook:
        assert [student.id for student in gradebook.students] == ["ada"]
