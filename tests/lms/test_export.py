"""Files that Moodle and Canvas import, and the tidy table."""

import csv
from pathlib import Path

import pytest
from nbgrader.apps import ExportApp

from grading.course.folder import Course
from grading.lms.export import CanvasExporter, export
from tests.marks import mark

STUDENTS = '''id,first_name,last_name,email,lms_id,login,section
ada,Ada,"Lovelace, Countess",ada@uni.example,101,al1,"A ""1"""
bob,Łukasz,Ng,bob@uni.example,102,bn2,B
zoe,Zoë,Zero,zoe@uni.example,103,,B
'''


@pytest.fixture
def course(tiny) -> Course:
    (tiny.root / "students.csv").write_text(STUDENTS, encoding="utf-8")
    mark(tiny, "ada", (2, 1))
    mark(tiny, "bob", (2, 0))
    with tiny.gradebook() as gradebook:
        grade = gradebook.find_grade("test_mean", "averages", "averages", "bob")
        grade.manual_score, grade.extra_credit = 1.5, 0.25
        gradebook.find_submission_notebook("averages", "averages", "ada").late_submission_penalty = 0.5
        gradebook.db.commit()
    return tiny


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def files(course) -> dict[str, list[dict[str, str]]]:
    return {path.name: rows(path) for path in export(course, ["averages"])}


def test_the_moodle_file_can_be_imported(files):
    ada, bob, zoe = files["grades-moodle-averages.csv"]
    assert ada == {
        "Username": "al1",
        "ID number": "101",
        "Email address": "ada@uni.example",
        "First name": "Ada",
        "Last name": "Lovelace, Countess",
        "averages": "2.5",
    }
    assert bob["averages"] == "1.75" and bob["First name"] == "Łukasz"
    assert zoe["averages"] == "" and zoe["Username"] == "zoe"


def test_the_canvas_file_can_be_imported(files):
    points, ada, bob, zoe = files["grades-canvas-averages.csv"]
    assert points == {
        "Student": "    Points Possible",
        "ID": "",
        "SIS User ID": "",
        "SIS Login ID": "",
        "Section": "",
        "averages": "3",
    }
    assert ada["Student"] == "Lovelace, Countess, Ada" and ada["Section"] == 'A "1"' and ada["averages"] == "2.5"
    assert (bob["ID"], bob["SIS User ID"], bob["SIS Login ID"]) == ("102", "bob", "bn2")
    assert zoe["averages"] == ""


def test_every_test_cell_has_a_column(files):
    table = files["grades-cells-averages.csv"]
    assert [(r["student"], r["cell"], r["points"], r["max"], r["automatic"], r["manual"]) for r in table] == [
        ("ada", "test_mean", "2", "2", "2", ""),
        ("ada", "test_mean_negative", "1", "1", "1", ""),
        ("bob", "test_mean", "1.75", "2", "2", "1.5"),
        ("bob", "test_mean_negative", "0", "1", "0", ""),
    ]


def test_settings_totals_and_unlisted_students_are_handled(course):
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("medians")
        gradebook.update_or_create_student("guest")
    course.config.LmsExporter.missing = "0"
    course.config.LmsExporter.columns = {"averages": "Averages (1234)"}
    moodle, canvas, _ = map(rows, export(course, ["averages", "medians"]))
    assert {r["Username"]: r["Course total"] for r in moodle} == {"al1": "2.5", "bn2": "1.75", "guest": "0", "zoe": "0"}
    assert list(canvas[0])[5:] == ["Averages (1234)", "medians"]


def test_an_export_can_be_limited_to_some_students(course):
    exporter = CanvasExporter(config=course.config)
    exporter.student, exporter.to = ["bob"], str(course.root / "x.csv")
    with course.gradebook() as gradebook:
        exporter.export(gradebook)
    assert [r["SIS User ID"] for r in rows(course.root / "x.csv")] == ["", "bob"]


def test_nbgraders_own_command_takes_the_plugin(course, monkeypatch):
    monkeypatch.chdir(course.root)
    app = ExportApp()
    app.initialize(["--exporter=grading.lms.export.MoodleExporter", "--to", "m.csv"])
    app.start()
    assert [r["averages"] for r in rows(course.root / "m.csv")] == ["2.5", "1.75", ""]
