"""Copies of the gradebook."""

import pytest

from grading import backup, scores
from grading.course import CourseError
from grading.difference import open_gradebook
from tests.marks import mark


def test_a_copy_is_made_while_the_gradebook_is_open(tiny):
    mark(tiny, "ada", (2, 0))
    with tiny.gradebook() as gradebook:
        assert len(gradebook.students) == 1
        kept = backup.keep(tiny)
    mark(tiny, "ada", (0, 0))
    with open_gradebook(kept) as old:
        assert scores.read(old, "averages")["ada"].score == 2


def test_a_gradebook_elsewhere_is_a_message(tiny):
    tiny.config.CourseDirectory.db_url = "sqlite:///elsewhere.db"
    with pytest.raises(CourseError, match="of which no copy can be made here"):
        backup.keep(tiny)


def test_no_gradebook_is_a_message(tiny):
    (tiny.root / "gradebook.db").unlink()
    with pytest.raises(CourseError, match="There is no gradebook yet"):
        backup.keep(tiny)
