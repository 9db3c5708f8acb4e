"""Stock nbgrader commands in the course folder do what `make` does."""

import csv
import os
import re
import subprocess
import sys

import pytest

from grading.course import notebooks
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, RIGHT, scores_of, submit, tiny_source

STUDENTS = {"right": RIGHT, "drops_the_sign": DROPS_THE_SIGN, "forgets_to_divide": FORGETS_TO_DIVIDE}

READS_EVERYTHING = (
    RIGHT
    + """
from pathlib import Path
for path in sorted(Path(".").rglob("*")):
    print(path, "SOLUTION" in path.read_text() if path.is_file() else "")
"""
)


def start(course, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course.root,
        env={**os.environ, "WARM": "no"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(command: subprocess.Popen) -> str:
    output, _ = command.communicate()
    assert command.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """The tiny course after every stock command of a semester, and what `validate` said."""
    course = tiny_source(tmp_path_factory.mktemp("stock") / "course")
    end(start(course, "generate_assignment", "averages"))
    for student, solution in STUDENTS.items():
        submit(course, student, solution)
    folder = submit(course, "links", READS_EVERYTHING).parent
    (folder / "data.txt").symlink_to(course.source("averages"))
    (folder / "own.txt").write_text("a file of its own", encoding="utf-8")
    (submit(course, "links_the_notebook").parent / "averages.ipynb").unlink()
    (folder.parent.parent / "links_the_notebook/averages/averages.ipynb").symlink_to(course.source("averages"))
    path = "averages/averages.ipynb"
    at_once = start(course, "autograde", "averages"), start(course, "validate", f"source/{path}", f"release/{path}")
    said, _ = at_once[0].communicate()
    assert "links_the_notebook/averages/averages.ipynb: is a symbolic link, which is never followed" in said
    assert said.count("There was an error processing assignment 'averages'") == 1
    validated = end(at_once[1])
    for command in [start(course, "generate_feedback", "averages"), start(course, "export")]:
        end(command)
    return course, validated


@pytest.fixture
def course(stock):
    return stock[0]


def test_generate_assignment_writes_what_release_writes(course, released):
    path = "release/averages/averages.ipynb"
    assert (course.root / path).read_bytes() == (released / path).read_bytes()


@pytest.mark.parametrize("student", STUDENTS)
def test_autograde_gives_the_same_scores_and_messages(course, classroom, student):
    assert scores_of(course, student) == scores_of(classroom.course, student)
    path = f"autograded/{student}/averages/averages.ipynb"
    theirs = notebooks.read(course.root / path)
    for cell, other in zip(theirs.cells, classroom.notebook(student).cells, strict=True):
        assert [o.get("evalue") for o in cell.get("outputs", [])] == [o.get("evalue") for o in other.get("outputs", [])]


def test_autograde_follows_no_links(course):
    folder = course.root / "autograded" / "links" / "averages"
    assert sorted(path.name for path in folder.iterdir()) == ["averages.ipynb", "own.txt"]
    (output,) = notebooks.by_id(notebooks.read(folder / "averages.ipynb"))["mean"].outputs
    assert output.text == "own.txt False\n"
    assert not (course.root / "autograded" / "links_the_notebook").exists()


def test_generate_feedback_has_the_table_and_no_hidden_test(course):
    page = (course.root / "feedback/drops_the_sign/averages/averages.html").read_text(encoding="utf-8")
    assert "2 of 3" in re.sub(r"<[^>]*>", "", page) and "mean([-2, -4]) should be -3" in page
    assert "oracle" not in page and "HIDDEN" not in page


def test_export_writes_the_scores(course):
    lines = (course.root / "grades.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    assert {row["student_id"]: float(row["score"]) for row in rows} == {
        **dict(zip(STUDENTS, (3, 2, 0))),
        "links": 3,
        "links_the_notebook": 0,
    }


def test_validate_passes_the_source_and_fails_the_release(stock):
    _, said = stock
    assert said.index("Success! Your notebook passes all the tests.") < said.index("VALIDATION FAILED")
    assert "do what the TODO above says" in said
