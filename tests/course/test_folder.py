"""A course folder: its settings, its assignments, and messages that say what is wrong with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution.execute import Execute
from tests.conftest import ROOT, cell, tiny_notebook, tiny_source


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Course:
    course = tiny_source(tmp_path_factory.mktemp("course"))
    notebook = tiny_notebook()
    notebook.cells.append(cell("", "solution", "median"))
    notebooks.write(notebook, course.root / "source" / "another" / "another.ipynb")
    (course.root / "source" / "notes.txt").write_text("not an assignment", encoding="utf-8")
    return course


def test_the_settings_are_those_of_nbgrader_config(two):
    assert two.config.OverwriteCells.add_missing_cells is True
    assert Execute in two.config.Autograde.autograde_preprocessors
    assert two.config.CourseDirectory.root == str(two.root) == two.coursedir.root


def test_assignments_are_in_alphabetical_order(two):
    assert two.assignments == ["another", "averages"]


def test_source_returns_the_notebook_of_an_assignment(two):
    assert two.source("averages") == two.root / "source" / "averages" / "averages.ipynb"


@pytest.mark.parametrize("name", ["medians", "", "notes.txt", "../source/averages"])
def test_an_unknown_assignment_is_refused_and_the_known_ones_are_listed(two, name):
    with pytest.raises(CourseError, match=r"There is no assignment '.*' in .*There are: another, averages\."):
        two.source(name)


def test_all_assignments_are_chosen_unless_one_is_named(two):
    assert two.chosen(None) == ["another", "averages"]
    assert two.chosen("averages") == ["averages"]
    with pytest.raises(CourseError, match="medians"):
        two.chosen("medians")


def test_an_empty_course_says_so(tmp_path):
    with pytest.raises(CourseError, match="source is empty"):
        Course(tmp_path).chosen(None)
    with pytest.raises(CourseError, match="There are: none"):
        Course(tmp_path).source("averages")


def test_a_folder_without_settings_says_which_file_is_missing(tmp_path):
    with pytest.raises(CourseError, match=r"nbgrader_config\.py"):
        _ = Course(tmp_path).config


def test_entered_restores_the_working_folder_also_after_an_error(two):
    before = Path.cwd()
    with pytest.raises(KeyError), two.entered():
        assert Path.cwd() == two.root
        raise KeyError
    assert Path.cwd() == before


def test_the_gradebook_is_in_the_course_folder(tiny):
    with tiny.gradebook() as gradebook:
        assert [assignment.name for assignment in gradebook.assignments] == ["averages"]
        assert gradebook.find_assignment("averages").max_score == 3
    assert (tiny.root / "gradebook.db").is_file()


def test_only_one_command_at_a_time_may_grade(tiny):
    code = "import sys; from grading.course.folder import *\nwith Course(Path(sys.argv[1])).alone(): print('mine')"
    line = [sys.executable, "-c", code, str(tiny.root)]
    with tiny.alone():
        refused = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Another command is grading in this course" in refused.stderr and refused.stdout == ""
    assert subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "mine\n"
