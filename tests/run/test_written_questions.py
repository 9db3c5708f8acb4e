"""A question that a person grades, with the real nbgrader: from the hand-in to the regrade and the export."""

import csv
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from grading.cli.main import main
from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook import records
from grading.run import regrade
from tests.conftest import DROPS_THE_SIGN, RIGHT, graded, scores_of, submit
from tests.written import given, with_question

ANSWERS = {"ada": "One outlier moves it.", "bob": "The median.", "cleo": None, "dan": "No."}


def hand_in(course: Course, student: str, text: str | None, solution: str = RIGHT) -> None:
    def edit(notebook: notebooks.NotebookNode) -> None:
        if text is not None:
            notebooks.by_id(notebook)["why"].source = text

    submit(course, student, solution, edit)


def run(course: Course, *arguments: str, typed: str | None = None):
    return CliRunner().invoke(main, ["--root", str(course.root), *arguments], input=typed)


@pytest.fixture(scope="module")
def before(tmp_path_factory, pool) -> Path:
    """A class that is graded by tests, and nobody has read its answers."""
    course = with_question(tmp_path_factory.mktemp("before") / "course")
    for student, text in ANSWERS.items():
        hand_in(course, student, text)
    graded(course, pool)
    return course.root


@pytest.fixture(scope="module")
def marked(before: Path, tmp_path_factory) -> Path:
    """The same class, graded with `make mark`: ada and dan have 1.5, bob 2 points."""
    course = Course(Path(shutil.copytree(before, tmp_path_factory.mktemp("marked") / "course")))
    for student in ("ada", "bob", "dan"):
        assert given(course, student) == (None, True, None)
    shown = run(course, "mark", typed="1 2 3 # Fine.\n" * 3).output
    assert "3 graded. 0 wait for a person." in shown, shown
    return course.root


@pytest.fixture
def course(marked: Path, tmp_path: Path) -> Course:
    return Course(Path(shutil.copytree(marked, tmp_path / "course")))


SAID = (
    "- **+1** Says that one huge value moves the mean.\n- **+1** Names the median.\n"
    "- **-0.5** Confuses mean and median.\n\nFine."
)


def test_an_answer_waits_and_an_untouched_gap_has_no_points(before):
    course = Course(before)
    assert given(course, "cleo") == (None, False, None) and scores_of(course, "cleo")["why"] == 0
    shown = " ".join(run(course, "grades").output.split())
    assert "Not graded by hand yet, 3: why 3. Run: make mark ASSIGNMENT=averages" in shown
    assert "not written yet: why" in shown and shown.count("?") == 3
    with (course.root / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student"]: (row["averages/why"], row["total"]) for row in csv.DictReader(file)}
    assert rows == {"ada": ("", "3"), "bob": ("", "3"), "cleo": ("0", "3"), "dan": ("", "3")}


@pytest.mark.parametrize("lms", [[], ["--lms", "moodle"]])
def test_an_export_without_a_terminal_waits_for_a_yes(before, tmp_path, lms):
    course = Course(Path(shutil.copytree(before, tmp_path / "course")))
    shown = run(course, "export", "--assignment", "averages", *lms)
    assert shown.exit_code == 1 and not list(course.root.glob("grades-*.csv"))
    assert "averages: 3 answers of 3 students not graded by hand yet (why): ada, bob, dan." in shown.output
    assert "make mark ASSIGNMENT=averages" in shown.output and "YES=yes" in shown.output
    if not lms:
        shown = run(course, "export", "--assignment", "averages", "--yes")
        assert shown.exit_code == 0 and "3 answers" in shown.output and list(course.root.glob("grades-moodle-*.csv"))


def test_every_output_has_the_same_points(course):
    for words in (["grades"], ["export", "--assignment", "averages"], ["feedback"], ["report"]):
        shown = run(course, *words)
        assert shown.exit_code == 0, shown.output
    totals = {"ada": "4.5", "bob": "4.5", "cleo": "3", "dan": "4.5"}
    assert {student: f"{sum(scores_of(course, student).values()):g}" for student in totals} == totals
    for name, key, column in (
        ("grades.csv", "student", "total"),
        ("grades-moodle-averages.csv", "Username", "averages"),
        ("grades-canvas-averages.csv", "SIS User ID", "averages"),
    ):
        with (course.root / name).open(encoding="utf-8") as file:
            assert {row[key]: row[column] for row in csv.DictReader(file) if row[key]} == totals, name
    for student, total in totals.items():
        page = (course.root / "feedback" / student / "averages" / "averages.html").read_text(encoding="utf-8")
        assert f"<strong>{total} of 5 points</strong>" in page
    assert "<li><strong>+1</strong> Names the median.</li>" in page and "Fine." in page
    assert "Run: make mark" not in run(course, "grades").output


def test_grading_again_keeps_points_for_an_unchanged_answer_and_marks_a_changed_one_for_review(course, pool):
    hand_in(course, "bob", "It is not robust.")
    hand_in(course, "dan", None)
    graded(course, pool, force=True)
    assert given(course, "ada") == (1.5, False, SAID), "nothing has changed"
    assert given(course, "bob") == (1.5, True, SAID) and given(course, "dan") == (1.5, True, SAID)
    shown = run(course, "grades").output
    assert shown.count("1.5?") == 2 and "why 2" in shown
    graded(course, pool, force=True)
    assert given(course, "bob") == (1.5, True, SAID), "nobody has looked yet"
    shown = run(course, "mark", typed="\n1 #\ny\n").output
    assert shown.count("Given for an answer that has changed since: 1.5 of 2 points") == 2, shown
    assert sorted(given(course, student)[0] for student in ("bob", "dan")) == [1, 1.5]
    graded(course, pool, force=True)
    assert not any(given(course, student)[1] for student in ANSWERS)


def test_a_regrade_keeps_points_and_comments(course, pool):
    hand_in(course, "bob", "It is not robust.", DROPS_THE_SIGN)
    made = regrade.preview(course, ["averages"], executor=pool)
    assert [(change.student, change.exercise, change.old, change.new) for change in made.changes] == [
        ("bob", "mean", 3, 2)
    ]
    regrade.accept(course, made)
    assert given(course, "ada") == (1.5, False, SAID) and given(course, "bob") == (1.5, True, SAID)
    assert records.read_one(course, "averages", "ada").state == "graded"


def test_test_points_that_a_person_changed_are_marked_for_review(course, pool):
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("test_mean", "averages", "averages", "ada")
        grade.manual_score, grade.needs_manual_grade = 1, False
        gradebook.db.commit()
    graded(course, pool, force=True, students=["ada"])
    with course.gradebook() as gradebook:
        assert gradebook.find_grade("test_mean", "averages", "averages", "ada").needs_manual_grade
    assert given(course, "ada") == (1.5, False, SAID)
