"""The sample class and the whole catalogue through the real pipeline, and nbgrader's own commands beside it.

`make test` grades a part of the sample class and of the catalogue; `make test-slow` grades the rest, and some again in
cold kernels and with stock commands.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grading.authoring import sample_class
from grading.authoring.sample_class import SampleStudent
from grading.course import catalogue, notebooks
from grading.execution import interpreters
from grading.report import table
from grading.report.feedback import feedback
from grading.run.grade import grade
from tests.conftest import ROOT, Course, once

SOURCE = Course(ROOT)
PAGES = shutil.ignore_patterns("feedback")  # another test may be writing them
ASSIGNMENTS = SOURCE.assignments
CLASS = sample_class.load_class(ROOT / "mistakes" / "class.toml")
FIRST = CLASS[:4]  # everything right, nothing, everything unusual, and one with mistakes
OTHERS = CLASS[4:]


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
            if catalogue.subclasses_another_answer(entry):
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


def some(assignment: str) -> list[SampleStudent]:
    """Two of those students: the one with most mistakes and the one with most unusual right answers."""
    right = {entry.name for entry in entries_of(assignment) if entry.right}
    by_number = sorted(packed(assignment), key=lambda student: -len(student.answers))
    return [next(one for one in by_number if (one.answers[0] in right) is kind) for kind in (False, True)]


def grade_all(course: Course, students: dict[str, list[SampleStudent]]) -> dict[str, list]:
    """Hand in and grade these students, by assignment. Returns the outcomes.

    One process grades them: it remembers what the answers of the catalogue reply. Other tests run beside it.
    """
    for name, own in students.items():
        sample_class.hand_in(course, name, own)
    with interpreters.start(course, ASSIGNMENTS) as started:
        return {
            name: grade(course, name, 1, students=[student.id for student in own], started=started)
            for name, own in students.items()
        }


@pytest.fixture(scope="session")
def graded(course: Course, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """The outcomes of grading a part of the sample class and of the catalogue, by assignment."""
    students = {name: [*FIRST, *some(name)] for name in ASSIGNMENTS}
    return once(tmp_path_factory, "graded", lambda folder: grade_all(course, students))[1]


@pytest.fixture(scope="session")
def whole(course: Course, graded: dict[str, list], tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A copy of the graded course in which the rest of the class and of the catalogue is graded, too."""

    def make(folder: Path) -> None:
        own = Course(Path(shutil.copytree(course.root, folder / "course", ignore=PAGES)))
        rest = {name: [*OTHERS, *(one for one in packed(name) if one not in some(name))] for name in ASSIGNMENTS}
        states = {record.state for records in grade_all(own, rest).values() for record in records}
        assert states == {"graded"}

    folder, _ = once(tmp_path_factory, "whole", make)
    return Course(folder / "course")


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_everyone_is_graded(graded, assignment):
    assert {outcome.state for outcome in graded[assignment]} == {"graded"}


@pytest.mark.parametrize("student", FIRST, ids=lambda student: student.id)
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_sample_student_loses_exactly_the_expected_tests(course, graded, assignment, student):
    assert wrongly_graded(course, assignment, [student]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("student", OTHERS, ids=lambda student: student.id)
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_sample_student_loses_exactly_the_expected_tests(whole, assignment, student):
    assert wrongly_graded(whole, assignment, [student]) == {}


def wrongly_graded(course: Course, assignment: str, students: list[SampleStudent]) -> dict[tuple[str, str], tuple]:
    """The points that students of the catalogue have, and should have, where these differ."""
    source, entries, wrong = notebooks.read(SOURCE.source(assignment)), entries_of(assignment), {}
    for student in students:
        got, wanted = points(course, assignment, student.id), sample_class.expected(source, student, entries)
        assert got.keys() == wanted.keys()
        wrong |= {(student.id, test): (got[test], wanted[test]) for test in wanted if got[test] != wanted[test]}
    return wrong


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_entries_of_the_catalogue_lose_exactly_their_tests(course, graded, assignment):
    assert wrongly_graded(course, assignment, some(assignment)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_entry_of_the_catalogue_loses_exactly_its_tests(whole, assignment):
    assert wrongly_graded(whole, assignment, packed(assignment)) == {}


def require_names(course: Course, assignment: str, students: list[SampleStudent]) -> None:
    """Most mistakes get their name, also beside others in one notebook; none gets a wrong one, a right answer none.

    Without a name are those that cost too much or leave nothing that can be compared, and those that answer like
    another mistake.
    """
    entries, named, wrong = {entry.name: entry for entry in entries_of(assignment)}, [], {}
    tests = notebooks.tests_of(notebooks.read(SOURCE.source(assignment)))
    for student in students:
        path = course.root / "autograded" / student.id / assignment / f"{assignment}.ipynb"
        cells = notebooks.by_id(notebooks.read(path))
        for name in student.answers:
            entry = entries[name]
            said = {cells[test].metadata.get("grading", {}).get("mistake") for test in tests[entry.cell]} - {None}
            named += [name] if said else []
            if {entries[other].why for other in said} - ({entry.why} if not entry.right else set()):
                wrong[name] = said
    mistakes = [name for student in students for name in student.answers if not entries[name].right]
    assert wrong == {}
    assert len(named) >= 0.85 * len(mistakes), f"without a name: {set(mistakes) - set(named)}"


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_feedback_names_the_mistakes(course, graded, assignment):
    require_names(course, assignment, some(assignment))


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_mistakes_of_the_whole_catalogue_are_named(whole, assignment):
    require_names(whole, assignment, packed(assignment))


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
    assert {row.split(",")[0] for row in rows} >= {student.id for student in FIRST}
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
EVERY_MODE = os.environ.get("EVERY_MODE") == "yes"


@pytest.fixture(scope="session")
def compared(request: pytest.FixtureRequest, course: Course, graded: dict[str, list]) -> Course:
    """The graded course with which other ways to grade are compared."""
    return request.getfixturevalue("whole") if EVERY_MODE else course


@pytest.fixture
def elsewhere(compared: Course, tmp_path: Path) -> Course:
    """A copy of it, to grade again in another way."""
    return Course(Path(shutil.copytree(compared.root, tmp_path / "course", ignore=PAGES)))


def chosen(assignment: str, student: str) -> list[str]:
    """A student, or with EVERY_MODE all those of the catalogue."""
    return [student.id for student in packed(assignment)] if EVERY_MODE else [student]


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_one_after_another_in_cold_kernels_gives_the_same_scores_and_messages(compared, elsewhere, assignment):
    students = chosen(assignment, some(assignment)[0].id)
    elsewhere.config.Execute.warm = False
    grade(elsewhere, assignment, jobs=1, students=students, force=True)
    assert differences(elsewhere, compared, assignment, students) == {}


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_stock_nbgrader_gives_the_same_scores_and_messages(compared, elsewhere, assignment):
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}  # noqa: PTH120
    students = chosen(assignment, "dev")
    for student in students:
        command = [sys.executable, "-m", "nbgrader", "autograde", assignment, "--student", student, "--force"]
        result = subprocess.run(
            command, cwd=elsewhere.root, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
    assert differences(elsewhere, compared, assignment, students) == {}


def test_the_catalogue_is_large_enough():
    entries = [entry for assignment in ASSIGNMENTS for entry in entries_of(assignment)]
    assert sum(not entry.right for entry in entries) >= 120
    assert sum(entry.right for entry in entries) >= 45
