"""The commands: what they print, what they write, and how they fail."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime

import pytest
from click.testing import CliRunner, Result

from grading.cli.main import main
from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.interpreters import Interpreters
from tests.conftest import RIGHT, sharing, spoil, submit, tiny_source
from tests.marks import mark


@pytest.fixture(scope="module", autouse=True)
def shared_interpreters(started: Interpreters) -> Iterator[None]:
    with sharing(started):
        yield


def run(course: Course, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["--root", str(course.root), *arguments])


@pytest.fixture(scope="module")
def demo(released, tmp_path_factory) -> tuple[Course, Result]:
    """A course whose demo has run, and what that said."""
    course = Course(shutil.copytree(released, tmp_path_factory.mktemp("demo") / "course"))
    return course, run(course, "demo", "--jobs", "1")


def row(output: str, student: str) -> str:
    return next(line for line in output.splitlines() if re.match(rf"\W*{student} ", line))


def test_demo_grades_the_sample_class_and_shows_where_everything_is(demo):
    course, result = demo
    assert result.exit_code == 0, result.output
    assert "A sample class of 3 students hands in 1 assignments." in result.output
    assert "Grading averages 3/3" in result.output and "Feedback for averages 3/3" in result.output
    assert " 3 " in row(result.output, "ada")
    assert "forgets to divide" in row(result.output, "bob")
    assert "not written yet: all" in row(result.output, "cleo")
    for place in re.findall(r"build/demo/\S+", result.output):
        path = place.replace("<student>", "bob").replace("<assignment>", "averages")
        assert (course.root / path).exists(), place


def test_demo_touches_nothing_but_its_own_folder(demo):
    course, _ = demo
    assert not any((course.root / name).exists() for name in ("submitted", "autograded", "feedback", "grades.csv"))


def test_grades_prints_the_table_and_writes_the_file(demo):
    own = Course(demo[0].root / "build" / "demo")
    (own.root / "grades.csv").unlink()
    result = run(own, "grades")
    assert result.exit_code == 0 and "forgets to divide" in result.output
    assert (own.root / "grades.csv").read_text(encoding="utf-8").splitlines()[1] == "ada,3,3,3,3"


def test_feedback_prints_where_the_pages_are(demo):
    own = Course(demo[0].root / "build" / "demo")
    shutil.rmtree(own.root / "feedback")
    result = run(own, "feedback", "-a", "averages")
    assert result.exit_code == 0 and f"Feedback pages: {own.root}/feedback/<student>/averages" in result.output
    assert len(list((own.root / "feedback").glob("*/averages/averages.html"))) == 3


def test_grade_lists_ungradable_submissions_grades_the_others_and_fails(tiny):
    submit(tiny, "ada", RIGHT)
    spoil(submit(tiny, "bob"), "{")
    result = run(tiny, "grade", "--jobs", "1")
    assert result.exit_code == 1
    assert "not graded, unreadable: " in row(result.output, "bob") and "is not a notebook" in result.output
    assert " 3 " in row(result.output, "ada")
    assert "Error: 1 submission could not be graded, see the table above" in result.output
    assert "Traceback" not in result.output


def test_release_and_normalize_say_what_they_wrote(tmp_path):
    course = tiny_source(tmp_path / "course")
    source = course.source("averages")
    normal = source.read_text(encoding="utf-8")
    source.write_text(normal.replace('"execution_count": null', '"execution_count": 4'), encoding="utf-8")
    assert run(course, "normalize").output == "source/averages/averages.ipynb: in normal form\n"
    assert source.read_text(encoding="utf-8") == normal
    result = run(course, "release")
    assert (result.exit_code, result.output) == (0, "release/averages: written\n")
    assert (course.root / "release" / "averages" / "averages.ipynb").is_file()


def test_check_lists_the_faults_and_fails(tiny):
    (tiny.root / "README.md").write_text("", encoding="utf-8")
    (tiny.root / "mistakes" / "class.toml").write_text("", encoding="utf-8")
    result = run(tiny, "check")
    assert result.exit_code == 1
    assert "checked: release of averages" in result.output
    assert "  README.md: the table of notebooks has no row for averages\n" in result.output
    assert "Error: 2 problems, see above" in result.output


@pytest.mark.parametrize("command", ["release", "check", "grade", "feedback", "grades"])
def test_an_unknown_assignment_is_refused_with_a_message(tiny, command):
    result = run(tiny, command, "--assignment", "medians")
    assert result.exit_code == 1
    assert result.output.startswith("Error: There is no assignment 'medians'") and "averages" in result.output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("grade", "Nothing is submitted for 'averages'"),
        ("feedback", "Run: make grade ASSIGNMENT=averages"),
        ("grades", "Nothing is graded yet. Run: make grade ASSIGNMENT=averages"),
    ],
)
def test_a_command_run_too_early_names_the_next_step(tiny, command, words):
    result = run(tiny, command)
    assert result.exit_code == 1 and words in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("command", ["release", "check", "grade", "feedback", "grades", "normalize", "demo"])
def test_a_folder_that_is_no_course_is_refused_with_a_message(tmp_path, command):
    result = run(Course(tmp_path), command)
    assert result.exit_code == 1 and result.output.startswith("Error: "), (result.output, result.exception)


def test_a_broken_source_is_reported_without_a_traceback(tiny):
    tiny.source("averages").write_text("{", encoding="utf-8")
    for command in ("normalize", "grades"):
        result = run(tiny, command)
        assert result.exit_code == 1 and result.output.startswith("Error: "), (command, result.exception)


def test_zero_jobs_is_a_usage_error(tiny):
    assert run(tiny, "grade", "--jobs", "0").exit_code == 2


def test_help_names_every_command(tiny):
    output = run(tiny, "--help").output
    for command in (
        *("check", "collect", "demo", "diff-grades", "export", "feedback", "grade", "grades", "late"),
        *("mark", "new-exercise", "normalize", "regrade", "release", "report", "return-feedback", "similar"),
    ):
        assert re.search(rf"^  {command} +\w", output, re.MULTILINE)


# An instructor's week


def test_collect_reports_every_student_and_every_file(tiny):
    (tiny.root / "students.csv").write_text("id,group\nada,red\nbob,red\ncleo,\n", encoding="utf-8")
    folder = tiny.root.parent / "handed-in"
    folder.mkdir()
    shutil.copy(tiny.root / "release" / "averages" / "averages.ipynb", folder / "ada.ipynb")
    (folder / "dan.ipynb").write_text("{}", encoding="utf-8")
    arguments = ("collect", "-a", "averages", "--from", str(folder), "--yes")
    result = run(tiny, *arguments)
    assert result.exit_code == 0, result.output
    for line in ("1 new: ada", "1 handed in nothing: cleo", "  dan.ipynb: its path names no id of students.csv"):
        assert line in result.output.splitlines()
    assert "got the submission of their group: bob (ada's)" in result.output
    assert "1 unchanged: ada" in run(tiny, *arguments).output


def test_report_export_and_return_feedback_say_where_their_files_are(demo):
    own = Course(demo[0].root / "build" / "demo")
    for command, places in (
        (["report"], ["build/report/averages.html"]),
        (["report", "--anonymous"], ["build/report/averages-anonymous.html"]),
        (["similar"], ["build/similar/averages.html"]),
        (["export", "-a", "averages"], [f"grades-{kind}-averages.csv" for kind in ("moodle", "canvas", "cells")]),
        (["return-feedback"], ["returned/averages.zip"]),
    ):
        result = run(own, *command)
        assert result.exit_code == 0, result.output
        for place in places:
            assert str(own.root / place) in result.output and (own.root / place).is_file()


def test_regrade_shows_what_would_change_and_writes_only_when_told(demo, tmp_path):
    own = Course(shutil.copytree(demo[0].root / "build" / "demo", tmp_path / "course"))
    source = own.source("averages")
    before, text = (own.root / "gradebook.db").read_bytes(), source.read_text(encoding="utf-8")
    source.write_text(text.replace('"points": 2', '"points": 4'), encoding="utf-8")
    result = run(own, "regrade", "--jobs", "1")
    assert result.exit_code == 0, result.output
    assert "averages: test_mean gives 4 points instead of 2" in result.output
    assert "Nothing was written. To write the changes: make regrade YES=yes" in result.output
    assert (own.root / "gradebook.db").read_bytes() == before
    result = run(own, "regrade", "--jobs", "1", "--yes")
    kept = re.search(r"The old gradebook: (\S+)", result.output).group(1)
    shown = run(own, "diff-grades", kept, str(own.root / "gradebook.db"))
    assert re.search(r"ada .*mean .*3 .*5 ", shown.output) and "1 difference." in shown.output


def test_late_says_whose_penalty_changed(tiny):
    config = tiny.root / "nbgrader_config.py"
    text = config.read_text(encoding="utf-8").replace('rule = "none"', 'rule = "10 % a day"')
    config.write_text(text.replace("due = {}", 'due = {"averages": "2026-11-20 12:00 UTC"}'), encoding="utf-8")
    mark(tiny, "ada")
    with tiny.gradebook() as gradebook:
        gradebook.find_submission("averages", "ada").timestamp = datetime(2026, 11, 20, 13)
        gradebook.db.commit()
    result = run(tiny, "late")
    assert result.output.startswith("averages, ada: ") and result.output.endswith("\n1 penalty changed.\n")
    assert re.findall(r"\d[\d.]*", result.output) == ["0.3", "0", "1"]


def test_release_after_a_test_is_gone_keeps_the_gradebook_as_it_was(tiny):
    mark(tiny, "ada")
    notebook = notebooks.read(tiny.source("averages"))
    notebook.cells.pop()
    notebooks.write(notebook, tiny.source("averages"))
    result = run(tiny, "release")
    assert result.exit_code == 0 and "averages: test_mean_negative is removed, 1 points" in result.output
    (kept,) = tiny.root.glob("gradebook.db.*")
    assert str(kept) in result.output


def test_new_exercise_says_what_it_wrote_and_what_is_next(tiny):
    result = run(tiny, "new-exercise", "-a", "averages", "clip")
    assert result.exit_code == 0 and "exercise 2, clip, was added after the last one" in result.output
    assert run(tiny, "new-exercise", "-a", "averages", "Clip").output.startswith("Error: 'Clip' cannot be")


def sentence(result: Result) -> str:
    """What a command that fails says: one line, and no stack."""
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.exception
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("Error: ") and "Traceback" not in result.output
    return line


@pytest.mark.parametrize("command", ["grade", "feedback", "grades", "report", "export", "late", "regrade", "release"])
def test_a_damaged_gradebook_is_reported_without_a_traceback(tiny, command):
    submit(tiny, "ada", RIGHT)
    (tiny.root / "gradebook.db").write_bytes(b"no database" * 1000)
    assert "The gradebook cannot be used: file is not a database." in sentence(run(tiny, command))


def test_a_locked_gradebook_is_reported_without_a_traceback(tiny, monkeypatch):
    monkeypatch.setattr("grading.course.gradebook_url.PATIENCE", 1)
    book = sqlite3.connect(tiny.root / "gradebook.db")
    book.execute("BEGIN EXCLUSIVE")
    try:
        for command in ("grade", "grades"):
            assert "The gradebook is locked by another program" in sentence(run(tiny, command))
    finally:
        book.close()


def test_a_file_in_place_of_records_is_reported_without_a_traceback(tiny):
    shutil.rmtree(tiny.root / "records", ignore_errors=True)
    (tiny.root / "records").write_text("not a folder", encoding="utf-8")
    assert "should be a folder, and it is a file" in sentence(run(tiny, "grade"))
