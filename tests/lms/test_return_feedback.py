"""Feedback goes back under the names that the LMS gave."""

import json
import zipfile

import pytest

from grading.course.errors import CourseError
from grading.lms.return_feedback import hand_back


def pages(course, *students: str) -> None:
    for student in students:
        path = course.root / "feedback" / student / "averages" / "averages.html"
        path.parent.mkdir(parents=True)
        path.write_text(f"page of {student}", encoding="utf-8")


def collected(course, **names: str) -> None:
    path = course.root / "downloaded" / "averages" / "names.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(names), encoding="utf-8")


def content(path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_pages_are_named_as_each_lms_expects(tiny):
    pages(tiny, "a", "b", "c", "d", "e", "f")
    collected(
        tiny,
        a="Ada L_9001_assignsubmission_file_/my work.ipynb",
        b="outer/Bo_9002_assignsubmission_file/deep/averages.ipynb",
        c="Cleo_9003_assignsubmission_file_averages.ipynb",
        d="lovelaceada_LATE_101_5001_averages-2.ipynb",
        e="e/averages.ipynb",
        f="LATE_anon_acJ4Q_5002_my work.ipynb",
    )
    done = hand_back(tiny, "averages")
    assert content(done.path) == {
        "Ada L_9001_assignsubmission_file_/averages.html": "page of a",
        "Bo_9002_assignsubmission_file/averages.html": "page of b",
        "Cleo_9003_assignsubmission_file_averages.html": "page of c",
        "lovelaceada_LATE_101_5001_averages.html": "page of d",
        "e/averages.html": "page of e",
        "LATE_anon_acJ4Q_5002_averages.html": "page of f",
    }
    assert done.students == ["a", "b", "c", "d", "e", "f"] and done.left == {}


def test_numbers_in_a_group_name_are_not_taken_for_canvas_ids(tiny):
    (tiny.root / "students.csv").write_text("id,group\na,Team_1\nb,7_8 Lab\nc,Team_1\nd,7_8 Lab\n", encoding="utf-8")
    pages(tiny, "a", "b")
    collected(tiny, a="team_1_101_5001_averages-2.ipynb", b="7_8lab_LATE_102_5002_averages.ipynb")
    names = ["team_1_101_5001_averages.html", "7_8lab_LATE_102_5002_averages.html"]
    assert list(content(hand_back(tiny, "averages").path)) == names


def test_students_unknown_to_the_lms_are_listed(tiny):
    pages(tiny, "a", "partner")
    collected(tiny, a="Ada L_9001_assignsubmission_file_/averages.ipynb")
    done = hand_back(tiny, "averages")
    assert list(done.left) == ["partner"] and done.students == ["a"]


def test_without_an_lms_the_folders_have_the_ids(tiny):
    pages(tiny, "a")
    assert list(content(hand_back(tiny, "averages").path)) == ["a/averages.html"]


def test_returning_feedback_too_early_is_refused_with_a_message(tiny):
    with pytest.raises(CourseError, match=r"Run: make feedback ASSIGNMENT=averages"):
        hand_back(tiny, "averages")
