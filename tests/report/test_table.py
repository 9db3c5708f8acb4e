"""What came out: points by exercise, a few words on each loss, the table and grades.csv."""

import csv
import io
import os
import shutil
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_output
from rich.console import Console

from grading.course.folder import Course
from grading.gradebook import handed_in, records
from grading.gradebook.records import Record
from grading.report import table
from grading.report.table import Result
from tests.marks import mark


def shown(course, found: list[Result], width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table.table(course, "averages", found))
    return console.file.getvalue()


@pytest.fixture(scope="module")
def found(classroom) -> dict[str, Result]:
    collected = table.collect(classroom.course, "averages")
    return {result.student: result for result in collected}


def test_exercises_have_the_points_of_their_tests(classroom):
    assert table.exercises(classroom.course, "averages") == {"mean": 3}


def test_every_student_is_listed_in_order(classroom, found):
    assert list(found) == list(classroom.outcomes)


@pytest.mark.parametrize(
    ("student", "points", "words"),
    [
        ("right", 3, None),
        ("drops_the_sign", 2, "drops the sign"),
        ("forgets_to_divide", 0, "forgets to divide"),
        ("unwritten", 0, "not written yet"),
        ("copies_the_visible_answer", 0, "mean([2, 3, 7]) should be 4, yours is 3."),
        ("ends_python", 1, "This cell did not run to its end: Kernel died."),
    ],
)
def test_a_row_has_points_and_a_remark(found, student, points, words):
    result = found[student]
    assert (result.points, result.total) == ({"mean": points}, points)
    assert result.wrong == ({"mean": words} if words else {})


def test_the_outcome_is_read_from_the_records(classroom, found):
    assert {student: result.record for student, result in found.items()} == classroom.outcomes
    assert found["sends_no_json"].record.state == "notebook_unreadable" and found["sends_no_json"].points == {}


def ended(state: str, reason: str, isolated: bool = True) -> Record:
    return Record("x", "averages", state, reason, isolated=isolated)


def row(text: str, student: str) -> str:
    return next(line for line in text.splitlines() if f" {student} " in line)


def test_the_table_is_printed(classroom, found):
    text = shown(classroom.course, list(found.values()), 300)
    assert "averages: 1 mean" in text and "/3" in text
    assert "mean: drops the sign" in row(text, "drops_the_sign")
    assert "not written yet: all" in row(text, "unwritten")
    assert "graded after repair: the notebook was renamed" in row(text, "renames_and_brings_numpy")
    assert "not graded, unreadable: " in row(text, "sends_no_json") and " - " in row(text, "sends_no_json")
    assert row(text, "right").replace("│", " ").split() == ["right", "3", "3"]


def test_a_failure_after_an_earlier_success_keeps_the_points_and_says_so(classroom):
    text = shown(classroom.course, [Result("x", {"mean": 2.0}, {}, ended("notebook_unreadable", "it is none"))])
    assert "not graded, unreadable: it is none" in row(text, "x") and " 2 " in row(text, "x")


def test_a_class_that_was_not_isolated_says_so(classroom):
    careless = Result("x", {"mean": 2.0}, {}, ended("graded", "", isolated=False))
    assert "NOT isolated (SANDBOX=none)" in " ".join(shown(classroom.course, [careless]).split())
    assert "isolated" not in shown(classroom.course, [Result("x", {"mean": 2.0}, {}, ended("graded", ""))])


def test_refused_and_missing_are_two_lists_below_the_table(tiny):
    mark(tiny, "ada")
    mark(tiny, "bob", (0, 0), state="notebook_unreadable", reason="is no notebook")
    (tiny.root / "students.csv").write_text("id\nada\nbob\ncleo\n[b]dan\n", encoding="utf-8")
    (tiny.root / "downloaded" / "averages").mkdir(parents=True)
    handed_in.note_refused(tiny, "averages", {"cleo": "work.zip: cannot be opened"})
    lines = [line.strip() for line in shown(tiny, table.collect(tiny, "averages")).splitlines()]
    assert "Not handed in, 1: [b]dan" in lines and any(
        "nothing was collected" in one and "cleo" in one for one in lines
    )
    assert "Refused (handed in, but not gradable), 1: bob" in lines


def test_changes_name_the_exercise_and_both_scores():
    before = {"ada": {"test_mean": 2.0, "test_mean_negative": 0.0}, "bob": {"test_mean": 1.0}, "eve": {}}
    after = {"ada": {"test_mean": 2.0, "test_mean_negative": 1.0}, "bob": {"test_mean": 1.0}, "dan": {"test_mean": 2.0}}
    tests = {"mean": ["test_mean", "test_mean_negative"]}
    assert table.changes(before, after, tests) == ["ada: 2 -> 3 (+1): mean 2 -> 3"]


@pytest.mark.parametrize("words", ["w[i] should be 4", "[/b] in a message", "[bold]no[/bold]", "[link=x]"])
def test_brackets_in_a_message_are_shown_as_they_are(classroom, words):
    assert words in shown(classroom.course, [Result("x", {"mean": 0.0}, {"mean": words})])
    assert words in shown(classroom.course, [Result("x", {}, {}, ended("not_gradable", words))])


def test_a_narrow_table_loses_no_word(classroom):
    words = "mean([1, 2, 6]) should be 3, yours is 9"
    text = shown(classroom.course, [Result("x", {"mean": 0.0}, {"mean": words})], 60)
    assert all(word in text for word in words.split())


def test_points_of_an_earlier_submission_are_marked_as_such(classroom):
    record = ended("notebook_unreadable", "is empty")
    again = row(shown(classroom.course, [Result("x", {"mean": 2.0}, {}, record)]), "x")
    first = row(shown(classroom.course, [Result("x", {}, {}, record)]), "x")
    assert "is empty; the points are those of an earlier submission" in again
    assert "earlier" not in first


def test_grades_csv_contains_every_student(classroom, tmp_path):
    path = tmp_path / "grades.csv"
    table.write_csv(classroom.course, ["averages"], path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert list(rows["right"]) == ["student", "averages/mean", "averages total", "averages max", "total"]
    assert list(rows["drops_the_sign"].values()) == ["drops_the_sign", "2", "2", "3", "2"]
    assert list(rows) == sorted(rows)


def failed(name: str, message: str, mistake: str | None = None):
    cell = new_code_cell("", outputs=[new_output("stream", text="!"), new_output("error", ename=name, evalue=message)])
    if mistake:
        cell.metadata["grading"] = {"mistake": mistake}
    return cell


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (new_code_cell(""), None),
        (new_code_cell("", outputs=[new_output("stream", text="Error")]), None),
        (failed("Mismatch", "x should be 1\nA likely mistake: ..."), "x should be 1"),
        (failed("Mismatch", "x should be 1", "adam_skips_the_bias"), "skips the bias"),
        (failed("NotImplementedError", "This gap is still empty"), "not written yet"),
        (failed("StudentError", "`f` is not written yet: ..."), "not written yet"),
        (failed("AssertionError", ""), "AssertionError"),
        (failed("ValueError", "y" * 200), "y" * 87 + "..."),
    ],
)
def test_a_remark_is_short(cell, words):
    mistake = cell.metadata.get("grading", {}).get("mistake", "")
    assert table.few_words(table.first_line(cell), mistake, "adam") == words


def test_records_give_the_same_table_as_the_notebooks(classroom):
    told = {result.student: result.wrong for result in table.collect(classroom.course, "averages")}
    tests = {"mean": ["test_mean", "test_mean_negative"]}
    for student in told.keys() & classroom.outcomes.keys():
        path = classroom.course.root / "autograded" / student / "averages" / "averages.ipynb"
        if path.is_file():
            assert told[student] == table._what_went_wrong(path, tests), student
    assert sum(map(bool, told.values())) > 5


def test_a_notebook_that_is_newer_than_its_record_is_read(classroom, tmp_path):
    course = Course(Path(shutil.copytree(classroom.course.root, tmp_path / "course")))
    path = course.root / "autograded" / "unwritten" / "averages" / "averages.ipynb"
    path.chmod(0o644)
    right = course.root / "autograded" / "right" / "averages" / "averages.ipynb"
    path.write_bytes(right.read_bytes())
    later = records.file_of(course, "averages", "unwritten").stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    assert {r.student: r.wrong for r in table.collect(course, "averages")}["unwritten"] == {}


def test_an_answer_graded_by_a_person_counts_and_is_shown_as_missing_before(tmp_path):
    from grading.authoring.release import release
    from grading.course import notebooks
    from grading.lms.export import ungraded
    from tests.conftest import cell, tiny_notebook, tiny_source

    course = tiny_source(tmp_path / "course")
    notebook = tiny_notebook()
    essay = cell("### BEGIN SOLUTION\n'because'\n### END SOLUTION", "solution", "essay")
    essay.metadata["nbgrader"] |= {"grade": True, "points": 4}
    notebook.cells.append(essay)
    notebooks.write(notebooks.normal_form(notebook), course.source("averages"))
    release(course, "averages")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student("ada")
        submission = gradebook.update_or_create_submission("averages", "ada")
        for grade in submission.notebooks[0].grades:
            grade.auto_score = None if grade.name == "essay" else grade.max_score
            grade.needs_manual_grade = grade.name == "essay"
        gradebook.db.commit()
    assert table.exercises(course, "averages") == {"mean": 3, "essay": 4}
    assert ungraded(course, ["averages"]) == {"averages": {"ada": ["essay"]}}
    (found,) = table.collect(course, "averages")
    assert (found.total, found.waiting) == (3, ["essay"])
    assert "not graded by hand yet: essay" in shown(course, [found]) and " ? " in shown(course, [found])
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("essay", "averages", "averages", "ada")
        grade.manual_score, grade.needs_manual_grade = 2.5, False
        gradebook.db.commit()
    (found,) = table.collect(course, "averages")
    assert (found.total, found.waiting, found.points) == (5.5, [], {"mean": 3, "essay": 2.5})
    assert ungraded(course, ["averages"]) == {}


def test_the_due_date_is_shown_in_the_zone_of_the_course(tiny):
    from datetime import datetime

    from grading.gradebook import late_penalties
    from tests.marks import mark

    tiny.config.LatePolicy.timezone = "Europe/Berlin"
    tiny.config.LatePolicy.due = {"averages": "2026-11-20 23:59"}
    tiny.config.LatePolicy.rule = "10 % a day"
    for student in ("ada", "bob"):
        mark(tiny, student)
    with tiny.gradebook() as gradebook:
        gradebook.find_submission("averages", "ada").timestamp = datetime(2026, 11, 20, 23, 0)
        gradebook.db.commit()
    late_penalties.apply(tiny)
    text = " ".join(shown(tiny, table.collect(tiny, "averages")).split())
    assert "Due 2026-11-20 23:59 +0100 (Europe/Berlin)" in text and "-0.3" in text and "2.7" in text
    assert "1 submission has no time of submission" in text
