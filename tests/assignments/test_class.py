"""The sample class and the whole catalogue through the real pipeline, and nbgrader's own commands beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grading.authoring import sample_class
from grading.authoring.sample_class import SampleStudent
from grading.course import catalogue, notebooks
from grading.report import table
from grading.report.feedback import feedback
from grading.run.grade import grade
from tests.conftest import ROOT, Course, once

SOURCE = Course(ROOT)
PAGES = shutil.ignore_patterns("feedback")  # another test may be writing them
ASSIGNMENTS = SOURCE.assignments
CLASS = sample_class.load_class(ROOT / "mistakes" / "class.toml")


def packed(assignment: str) -> list[SampleStudent]:
    """Students who between them write the whole catalogue: wrong answers and right ones apart, one to every exercise.

    An answer that stands on another exercise's answer has a student of its own, whose other answers are all right.
    """
    packs: list[dict[str, str]] = []
    for right in (False, True):
        own: list[dict[str, str]] = []
        for entry in entries_of(assignment):
            if entry.right is not right:
                continue
            if catalogue.stands_on_another(entry):
                packs.append({entry.cell: entry.name})
                continue
            pack = next((pack for pack in own if entry.cell not in pack), None)
            if pack is None:
                own.append(pack := {})
            pack[entry.cell] = entry.name
        packs += own
    return [SampleStudent(f"catalogue-{i:02}", tuple(pack.values())) for i, pack in enumerate(packs)]


def entries_of(assignment: str) -> list[catalogue.Entry]:
    return catalogue.load(ROOT / "mistakes" / f"{assignment}.toml", notebooks.read(SOURCE.source(assignment)))


def points(course: Course, assignment: str, student: str) -> dict[str, float]:
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(assignment, student)
        return {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}


@pytest.fixture(scope="session")
def graded(course: Course, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """The outcomes of grading the sample class and the packed catalogue, by assignment."""

    def make(folder: Path) -> dict[str, list]:
        for name in ASSIGNMENTS:
            sample_class.hand_in(course, name, [*CLASS, *packed(name)])
        return {name: grade(course, name) for name in ASSIGNMENTS}

    return once(tmp_path_factory, "graded", make)[1]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_everyone_is_graded(graded, assignment):
    assert {outcome.state for outcome in graded[assignment]} == {"graded"}


@pytest.mark.parametrize("student", CLASS, ids=lambda student: student.id)
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_sample_student_loses_exactly_the_expected_tests(course, graded, assignment, student):
    expected = sample_class.expected(notebooks.read(SOURCE.source(assignment)), student, entries_of(assignment))
    assert points(course, assignment, student.id) == expected


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_entry_of_the_catalogue_loses_exactly_its_tests(course, graded, assignment):
    source, entries = notebooks.read(SOURCE.source(assignment)), entries_of(assignment)
    wrong = {}
    for student in packed(assignment):
        got, wanted = points(course, assignment, student.id), sample_class.expected(source, student, entries)
        wrong |= {(student.id, test): (got[test], wanted[test]) for test in wanted if got[test] != wanted[test]}
    assert wrong == {}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_mistakes_are_named(course, graded, assignment):
    """Most mistakes get their name, also beside others in one notebook; none gets a wrong one, a right answer none.

    Without a name are those that cost too much or leave nothing that can be compared, and those that answer like
    another mistake.
    """
    entries, named, wrong = {entry.name: entry for entry in entries_of(assignment)}, [], {}
    tests = notebooks.tests_of(notebooks.read(SOURCE.source(assignment)))
    for student in packed(assignment):
        path = course.root / "autograded" / student.id / assignment / f"{assignment}.ipynb"
        cells = notebooks.by_id(notebooks.read(path))
        for name in student.answers:
            entry = entries[name]
            said = {cells[test].metadata.get("grading", {}).get("mistake") for test in tests[entry.cell]} - {None}
            named += [name] if said else []
            if {entries[other].why for other in said} - ({entry.why} if not entry.right else set()):
                wrong[name] = said
    mistakes = [name for name, entry in entries.items() if not entry.right]
    assert wrong == {}
    assert len(named) >= 0.85 * len(mistakes), f"without a name: {set(mistakes) - set(named)}"


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_feedback_shows_no_hidden_line(course, graded, assignment):
    feedback(course, assignment, students=["dev", "bo"])
    page = (course.root / "feedback" / "dev" / assignment / f"{assignment}.html").read_text(encoding="utf-8")
    assert "HIDDEN TESTS" not in page
    assert "from grading" not in page
    assert "grading/oracle" not in page
    assert "points" in page


def test_the_table_and_the_csv_agree(course, graded, tmp_path):
    table.write_csv(course, ASSIGNMENTS, tmp_path / "grades.csv")
    header, *rows = (tmp_path / "grades.csv").read_text().splitlines()
    assert header.split(",")[0] == "student"
    assert {row.split(",")[0] for row in rows} >= {student.id for student in CLASS}
    full = sum(sum(table.exercises(course, name).values()) for name in ASSIGNMENTS)
    ada = next(row for row in rows if row.startswith("ada,"))
    assert float(ada.split(",")[-1]) == full


def verdicts(course: Course, assignment: str, student: str) -> dict[str, tuple]:
    """Points, errors and the named mistake of every test cell, as the graded notebook and the gradebook have them."""
    path = course.root / "autograded" / student / assignment / f"{assignment}.ipynb"
    cells, scores = notebooks.by_id(notebooks.read(path)), points(course, assignment, student)
    return {
        test: (
            score,
            [output.evalue for output in cells[test].outputs if output.output_type == "error"],
            cells[test].metadata.get("grading"),
        )
        for test, score in scores.items()
    }


def differences(a: Course, b: Course, assignment: str, students: list[str]) -> dict[tuple, tuple]:
    """Where two courses give other verdicts, by student and test."""
    found = {}
    for student in students:
        here, there = verdicts(a, assignment, student), verdicts(b, assignment, student)
        found |= {(student, test): (here.get(test), there[test]) for test in there if here.get(test) != there[test]}
    return found


# With EVERY_MODE=yes the whole catalogue is graded in every way; it takes half an hour.
SOME = None if os.environ.get("EVERY_MODE") == "yes" else ["catalogue-01", "eli"]


@pytest.fixture(scope="session")
def elsewhere(course, graded, tmp_path_factory) -> Course:
    """A copy of the graded course, to grade again in other ways."""
    return Course(Path(shutil.copytree(course.root, tmp_path_factory.mktemp("again") / "course", ignore=PAGES)))


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_one_after_another_in_cold_kernels_gives_the_same_scores_and_messages(course, graded, elsewhere, assignment):
    students = SOME or [student.id for student in packed(assignment)]
    cold = Course(elsewhere.root)
    cold.config.Execute.warm = False
    grade(cold, assignment, jobs=1, students=students, force=True)
    assert differences(cold, course, assignment, students) == {}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_stock_nbgrader_gives_the_same_scores_and_messages(course, graded, elsewhere, assignment):
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}  # noqa: PTH120
    students = SOME[:1] if SOME else [student.id for student in packed(assignment)]
    for student in students:
        command = [sys.executable, "-m", "nbgrader", "autograde", assignment, "--student", student, "--force"]
        result = subprocess.run(
            command, cwd=elsewhere.root, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
    assert differences(elsewhere, course, assignment, students) == {}


def test_the_catalogue_is_large_enough():
    entries = [entry for assignment in ASSIGNMENTS for entry in entries_of(assignment)]
    assert sum(not entry.right for entry in entries) >= 120
    assert sum(entry.right for entry in entries) >= 45
