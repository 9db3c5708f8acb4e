"""Feedback pages: a table of what was lost and why, and no line of a hidden test."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_output

from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution.bounded import BoundedPool
from grading.gradebook import records
from grading.report.feedback import MEMORY, SECONDS, feedback, page, sentence
from grading.run.grade import grade
from tests.conftest import RIGHT, submit
from tests.written import answer, by_formgrader, with_question

STUDENTS = ("copies_the_visible_answer", "drops_the_sign", "right", "unwritten")


@pytest.fixture(scope="module")
def pages(classroom, tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("feedback") / "course"
    shutil.copytree(classroom.course.root, root, ignore=shutil.ignore_patterns("submitted"))
    for folder in (root / "autograded").iterdir():
        if folder.name not in STUDENTS:
            shutil.rmtree(folder)
    told = []
    written = feedback(Course(root), "averages", told.append)
    assert sorted(told) == list(STUDENTS)
    assert written == [root / "feedback" / student / "averages" / "averages.html" for student in STUDENTS]
    return {path.parent.parent.name: path.read_text(encoding="utf-8") for path in written}


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("</head>")[2]))


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ("right", ["3 of 3 points", "mean 3 / 3 All tests pass."]),
        ("drops_the_sign", ["2 of 3 points", "mean 2 / 3 A likely mistake: The sign of the values is lost."]),
        ("copies_the_visible_answer", ["0 of 3 points", "mean 0 / 3 mean([2, 3, 7]) should be 4, yours is 3."]),
        ("unwritten", ["0 of 3 points", "mean 0 / 3 Not written yet."]),
    ],
)
def test_the_table_shows_points_and_one_sentence(pages, student, said):
    assert all(part in words(pages[student]) for part in said), words(pages[student])


def test_the_likely_mistake_is_shown(pages):
    assert "A likely mistake: The sign of the values is lost." in words(pages["drops_the_sign"])
    assert "It breaks this sentence of the contract: A negative value counts as one." in words(pages["drops_the_sign"])


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("secret", ["oracle", "HIDDEN TESTS", "student.call", "from grading"])
def test_no_hidden_line_is_shown(pages, student, secret):
    assert secret not in words(pages[student])


def test_the_visible_test_is_shown(pages):
    assert "mean([1, 2, 6]) should be 3, yours is" in words(pages["right"])


def test_the_table_links_to_the_failed_test(pages):
    target = re.search(r'<a href="#([\w-]+)">mean</a>', pages["drops_the_sign"]).group(1)
    assert target == "test_mean_negative" and f'id="{target}"' in pages["drops_the_sign"]


def test_without_graded_work_the_message_names_the_command(tiny):
    with pytest.raises(CourseError, match="Run: make grade ASSIGNMENT=averages"):
        feedback(tiny, "averages")


def test_an_unknown_assignment_is_refused(tiny):
    with pytest.raises(CourseError, match="no assignment 'medians'"):
        feedback(tiny, "medians")


def test_a_page_that_cannot_be_written_is_reported_and_the_others_are_written(pages, classroom, tmp_path):
    root = tmp_path / "course"
    shutil.copytree(classroom.course.root, root, ignore=lambda folder, names: set(names) & {"submitted", "autograded"})
    for student in ("bad", "right"):
        shutil.copytree(classroom.course.root / "autograded" / "right", root / "autograded" / student)
    bad = root / "autograded" / "bad" / "averages" / "averages.ipynb"
    bad.chmod(0o644)
    bad.write_text("{", encoding="utf-8")
    with pytest.raises(CourseError, match=r"autograded/bad/averages: ") as caught:
        feedback(Course(root), "averages")
    assert "right" not in str(caught.value)
    assert (root / "feedback" / "right" / "averages" / "averages.html").is_file()


@pytest.mark.parametrize(
    ("name", "message", "said"),
    [
        ("Mismatch", "x should be 1\nmore", "x should be 1"),
        ("KeyError", "", "KeyError"),
        ("NotImplementedError", "gap", "Not written yet."),
        ("AssertionError", "raised NotImplementedError", "Not written yet."),
    ],
)
def test_one_sentence_summarizes_a_failure(name, message, said):
    assert sentence(new_code_cell("", outputs=[new_output("error", ename=name, evalue=message)])) == said


def test_a_passed_cell_has_no_sentence():
    assert sentence(new_code_cell("", outputs=[new_output("stream", text="Error")])) == ""


def test_only_pages_that_would_change_are_written_again(classroom, tmp_path):
    root = tmp_path / "course"
    shutil.copytree(classroom.course.root, root, ignore=lambda folder, names: set(names) & {"submitted", "autograded"})
    for student in ("right", "unwritten", "drops_the_sign"):
        shutil.copytree(classroom.course.root / "autograded" / student, root / "autograded" / student)
    course = Course(root)
    written = feedback(course, "averages")
    first = {path: path.stat().st_ino for path in written}
    assert {path: path.stat().st_ino for path in feedback(course, "averages")} == first
    with course.gradebook() as gradebook:
        gradebook.find_comment("mean", "averages", "averages", "right").manual_comment = "Well done"
        gradebook.db.commit()
    made = {path.parts[-3] for path in feedback(course, "averages") if path.stat().st_ino != first[path]}
    assert made == {"right"} and "Well done" in (root / "feedback/right/averages/averages.html").read_text("utf-8")
    path = root / "autograded" / "unwritten" / "averages" / "averages.ipynb"
    path.chmod(0o644)
    notebook = notebooks.read(path)
    notebook.cells.append(new_code_cell("a." * 24_000 + "a"))
    notebooks.write(notebook, path)
    feedback(course, "averages")
    assert "shown as plain text" in records.read_one(course, "averages", "unwritten").not_shown[0]
    assert records.read_one(course, "averages", "right").not_shown == []


def test_paths_of_this_machine_are_not_shown(tiny, pool):
    shows = "import sys, traceback, json\nprint(sys.prefix, sys.path)\nprint(json.__file__)\n" + RIGHT
    submit(tiny, "ada", shows)
    submit(tiny, "bob", "import json\ndef mean(values):\n    return json.loads('{')")
    grade(tiny, "averages", executor=pool)
    for path in feedback(tiny, "averages", jobs=1):
        text = path.read_text(encoding="utf-8")
        for place in (sys.prefix, sys.base_prefix, str(tiny.root), str(Path.home())):
            assert f"{place}/" not in text, (path, place)
        assert "json/" in text, "the rest of the path stays"


def test_a_very_long_message_is_cut(tiny, pool):
    submit(tiny, "ada", "def mean(values):\n    raise ValueError('x' * 100_000)")
    grade(tiny, "averages", executor=pool)
    (path,) = feedback(tiny, "averages", jobs=1)
    text = path.read_text(encoding="utf-8")
    assert "cut here, after 10,000 characters" in text and len(text) < 120_000


@pytest.fixture
def processes():
    with BoundedPool(1, SECONDS, MEMORY) as processes:
        yield processes


def test_an_ungraded_answer_is_not_shown_as_zero(tmp_path, processes):
    course = with_question(tmp_path / "course")
    for student, text in (("ada", "An outlier."), ("bob", "The middle."), ("cleo", None)):
        answer(course, student, text)
    by_formgrader(course, "bob", 1.5, "- **+1** Names the *median*.\n\nSee me.")

    def shown(student: str) -> str:
        assert page(course, "averages", student, processes) == ""
        return (course.root / "feedback" / student / "averages" / "averages.html").read_text(encoding="utf-8")

    waits = shown("ada")
    assert "3 of 5 points</strong> so far: 1 answer is still to be graded by a person</p>" in waits
    assert "not graded yet, 2 points" in waits and "Not graded yet." in waits and "? / 2" in waits
    given = shown("bob")
    assert "4.5 of 5 points</strong></p>" in given and "1.5 of 2 points" in given and "graded yet" not in given
    assert "<li><strong>+1</strong> Names the <em>median</em>.</li>" in given and "See me." in given
    assert "why 1.5 / 2 Graded by a person: see the comment." in words(given)
    empty = shown("cleo")
    assert "3 of 5 points</strong></p>" in empty and "why 0 / 2 Not written yet." in words(empty)
    with course.gradebook() as gradebook:
        gradebook.find_grade("why", "averages", "averages", "bob").needs_manual_grade = True
        gradebook.db.commit()
    assert "1.5 of 2 points, to be graded again" in shown("bob")


def test_tags_in_an_answer_and_its_comment_are_shown_and_change_nothing_else(tmp_path, processes):
    course = with_question(tmp_path / "course")
    answer(course, "ada", "If 0 <b and c> 0:\n\n<script>alert(1)</script>")
    by_formgrader(course, "ada", 1, "Close the <div>, and $a<b$ is *right*.")
    assert page(course, "averages", "ada", processes) == ""
    shown = (course.root / "feedback" / "ada" / "averages" / "averages.html").read_text(encoding="utf-8")
    assert "0 &lt;b and c&gt; 0" in shown and "<p>&lt;script&gt;alert(1)" in shown
    assert "Close the &lt;div&gt;" in shown and "<em>right</em>" in shown and "<math" in shown
