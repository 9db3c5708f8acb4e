"""A new exercise is right from the first moment, and check says what its author still has to do."""

import subprocess
import sys

import nbformat
import pytest

from grading.authoring import check
from grading.authoring.new_exercise import AUTHOR, LONGEST, new_exercise
from grading.authoring.release import release
from grading.course import catalogue, notebooks, rubrics
from grading.course.errors import CourseError
from grading.execution.rehearsal import rehearse
from tests.conftest import cell


def read(course):
    return notebooks.read(course.source("averages"))


@pytest.fixture
def course(tiny):
    new_exercise(tiny, "averages", "clip_norm")
    return tiny


def test_a_new_exercise_comes_after_the_last_one_and_gets_its_number(course):
    cells = read(course).cells
    assert [notebooks.grade_id(c) for c in cells[-3:]] == ["clip_norm", "test_clip_norm", "test_clip_norm_zero"]
    assert cells[-4].source.startswith("## Exercise 2: Clip norm (2 points)")


def test_its_solution_passes_and_its_mistakes_lose_the_tests_they_name(course):
    notebook = read(course)
    assert not any(rehearse(notebook).values())
    entries = [e for e in catalogue.load(course.root / "mistakes/averages.toml", notebook) if e.cell == "clip_norm"]
    assert len(entries) == 3
    for entry in entries:
        verdicts = rehearse(notebook, {"clip_norm": entry.source})
        assert {test for test, said in verdicts.items() if said} == set(entry.loses), entry.name


def test_a_new_exercise_can_be_released(course):
    released = notebooks.by_id(notebooks.read(release(course, "averages") / "averages.ipynb"))
    assert "raise NotImplementedError" in released["clip_norm"].source and "2 * x" not in released["clip_norm"].source


def test_check_lists_what_is_left_to_write_and_then_nothing(course):
    (course.root / "README.md").write_text("| notebook | points |\n| averages | 5 |\n", encoding="utf-8")
    faults = check.check_written(course, "averages")
    assert all("still waits to be written" in fault for fault in faults), faults
    places = {fault.split(" still")[0].split("averages.")[1] for fault in faults}
    own = ("clip_norm", "test_clip_norm", "test_clip_norm_zero", "cell 5")
    assert {f"ipynb: {place}" for place in own} < places and any("toml, line" in place for place in places)
    for path in (course.source("averages"), course.root / "mistakes" / "averages.toml"):
        path.write_text(path.read_text(encoding="utf-8").replace(AUTHOR, "Here:"), encoding="utf-8")
    for part in (check.check_source, check.check_catalogue, check.check_written, check.check_solutions):
        assert part(course, "averages") == []
    assert check.check_readme(course, ["averages"]) == []


@pytest.mark.parametrize("given_checks", [False, True], ids=["plain", "self_check"])
@pytest.mark.parametrize("length", [1, 17, 22, 27, LONGEST])
def test_its_cells_are_formatted_whatever_the_length_of_its_name(tiny, length, given_checks):
    if given_checks:
        notebook = read(tiny)
        notebook.cells.insert(1, cell("", "given", "given_checks"))
        notebooks.write(notebook, tiny.source("averages"))
    new_exercise(tiny, "averages", "x" * length)
    for arguments in (["format", "--check"], ["check", "--select=E501"]):
        line = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length=120"]
        done = subprocess.run([*line, str(tiny.source("averages"))], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("written", [False, True])
def test_a_name_that_makes_lines_too_long_is_refused(tiny, written):
    before = tiny.source("averages").read_bytes()
    with pytest.raises(CourseError, match=f"at most {LONGEST}"):
        new_exercise(tiny, "averages", "x" * (LONGEST + 1), written)
    assert tiny.source("averages").read_bytes() == before


@pytest.mark.parametrize("name", ["Clip", "2clip", "clip-norm", "lambda", "", "mean"])
def test_a_name_that_no_function_can_have_or_that_is_taken_is_refused(tiny, name):
    before = tiny.source("averages").read_bytes()
    with pytest.raises(CourseError):
        new_exercise(tiny, "averages", name)
    assert tiny.source("averages").read_bytes() == before


def test_a_name_whose_tests_belong_to_another_exercise_is_refused(course):
    with pytest.raises(CourseError, match="has test_clip_norm, test_clip_norm_zero already"):
        new_exercise(course, "averages", "clip")


# A question that a person grades


@pytest.fixture
def asked(tiny):
    new_exercise(tiny, "averages", "why_mean", written=True)
    return tiny


def test_a_question_is_released_without_its_model_answer(asked):
    cells = read(asked).cells
    assert cells[-2].source.startswith("## Exercise 2: Why mean (2 points)")
    assert (notebooks.grade_id(cells[-1]), notebooks.points(cells[-1])) == ("why_mean", 2)
    released = notebooks.by_id(notebooks.read(release(asked, "averages") / "averages.ipynb"))["why_mean"]
    assert (released.source, released.cell_type) == ("YOUR ANSWER HERE", "markdown")
    assert asked.source("averages").read_text(encoding="utf-8") == nbformat.writes(read(asked)) + "\n"


def test_check_lists_what_is_left_to_write_of_a_question_and_then_nothing(asked):
    (asked.root / "README.md").write_text("| notebook | points |\n| averages | 5 |\n", encoding="utf-8")
    faults = check.check_written(asked, "averages")
    places = {fault.split(" still")[0].rstrip(":") for fault in faults}
    assert {f"rubrics/averages.toml, line {line}" for line in (3, 7)} < places and len(faults) == 4, faults
    for path in (asked.source("averages"), asked.root / "rubrics" / "averages.toml"):
        path.write_text(path.read_text(encoding="utf-8").replace(AUTHOR, "Here:"), encoding="utf-8")
    parts = (check.check_source, check.check_catalogue, check.check_written, check.check_rubrics, check.check_solutions)
    for part in parts:
        assert part(asked, "averages") == []
    assert check.check_readme(asked, ["averages"]) == []


def test_the_rubric_of_a_second_question_comes_after_the_first(asked):
    new_exercise(asked, "averages", "why_not", written=True)
    assert {name: len(items) for name, items in rubrics.load(asked, "averages").items()} == {
        "why_mean": 2,
        "why_not": 2,
    }
    with pytest.raises(CourseError, match="has why_not already"):
        new_exercise(asked, "averages", "why_not", written=True)
