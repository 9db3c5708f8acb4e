"""The course's secret: made once, private, and never replaced while there are grades."""

import pytest

from grading.authoring.release import release
from grading.course.errors import CourseError
from grading.gradebook import secret
from tests.conftest import tiny_source
from tests.marks import mark


def test_release_creates_the_secret_once_readable_by_its_owner_only(tmp_path):
    course = tiny_source(tmp_path / "course")
    release(course, "averages")
    made = secret.file_of(course).read_bytes()
    assert len(secret.of(course)) == secret.N_BYTES
    assert secret.file_of(course).stat().st_mode & 0o777 == 0o600
    release(course, "averages")
    assert secret.file_of(course).read_bytes() == made
    other = tiny_source(tmp_path / "other")
    assert secret.of(other) != secret.of(course)


def test_without_grades_a_lost_secret_is_replaced(tiny):
    with tiny.gradebook() as gradebook:  # places for grades, and no grade
        gradebook.update_or_create_student("ada")
        gradebook.update_or_create_submission("averages", "ada")
    secret.file_of(tiny).unlink()
    assert len(secret.of(tiny)) == secret.N_BYTES


@pytest.mark.parametrize("by_hand", [False, True])
def test_with_grades_the_secret_is_renewed_only_on_request(tiny, by_hand):
    mark(tiny, "ada")
    if by_hand:
        with tiny.gradebook() as gradebook:
            for grade in gradebook.find_submission("averages", "ada").notebooks[0].grades:
                grade.auto_score, grade.manual_score = None, 1.0
            gradebook.db.commit()
    before = secret.of(tiny)
    secret.file_of(tiny).unlink()
    for refuses in (lambda: secret.of(tiny), lambda: release(tiny, "averages")):
        with pytest.raises(CourseError, match=r"back from a backup, or run make release NEW_SECRET=yes"):
            refuses()
    assert not secret.file_of(tiny).exists()
    secret.renew(tiny)
    assert secret.of(tiny) != before


@pytest.mark.parametrize("text", ["", "abc", "g" * 64, "a" * 63, "ä" * 64])
def test_a_damaged_secret_is_refused(tiny, text):
    secret.file_of(tiny).write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=r"gradebook\.secret (is damaged|cannot be read)"):
        secret.of(tiny)
