"""What is ready is saved together: in one transaction, in order, and a fault costs nobody else a grade."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from nbformat.v4 import new_output

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.execute import Findings
from grading.gradebook import records
from grading.gradebook.database import ClassGradebook, scores
from grading.gradebook.records import Record
from grading.intake.submission import find
from grading.run.conversion import Converter
from grading.run.finishing import Ready, Writer
from grading.run.results import Executed
from tests.conftest import RIGHT, submit

STUDENTS = ("ada", "bob", "cleo")
FULL = {"test_mean": 2.0, "test_mean_negative": 1.0}
NONE = dict.fromkeys(FULL, 0.0)


def ready(course: Course, gradebook: ClassGradebook, wrong: bool = False) -> list[Ready]:
    """Everybody's submission as if it had been executed: all tests pass, or none."""
    found = []
    for submission in find(course, "averages"):
        converter = Converter(course, submission, gradebook, "settings", True)
        sanitized = converter.sanitize()
        for cell in sanitized.notebook.cells if wrong else ():
            if notebooks.kind(cell) == "test":
                cell.outputs = [new_output("error", ename="AssertionError", evalue="no", traceback=[])]
        found.append(Ready(converter, sanitized, Executed(sanitized.notebook, Findings())))
    return found


@pytest.fixture
def handed_in(tiny: Course) -> Course:
    for student in STUDENTS:
        submit(tiny, student, RIGHT)
    return tiny


def state(course: Course) -> dict[str, tuple]:
    """Of each student: the points in the gradebook, in the record, and in the graded notebook."""
    found, recorded = scores(course, "averages"), records.read(course, "averages")
    graded = {path.parts[-3]: path for path in course.root.glob("autograded/*/averages/averages.ipynb")}
    assert found.keys() == recorded.keys() == graded.keys()
    errors = {name: len([c for c in notebooks.read(path).cells if c.get("outputs")]) for name, path in graded.items()}
    return {name: (points, recorded[name].score, errors[name]) for name, points in found.items()}


def test_all_are_saved_in_one_transaction_and_in_order(handed_in):
    commits = []
    with handed_in.entered(), ClassGradebook(handed_in) as gradebook:
        batch = ready(handed_in, gradebook)
        with closing(sqlite3.connect(handed_in.root / "gradebook.db")) as other:
            for one, ended in Writer(handed_in, gradebook).save(batch):
                assert isinstance(ended, Record)
                commits.append((ended.student, len(other.execute("SELECT id FROM submitted_assignment").fetchall())))
                assert records.read_one(handed_in, "averages", one.converter.submission.student) == ended
    assert commits == [(student, 3) for student in STUDENTS]
    assert state(handed_in) == {student: (FULL, 3, 0) for student in STUDENTS}
    assert not list(handed_in.root.glob("autograded/*/.*")) and not list(handed_in.root.glob("records/*/*.half"))


@pytest.mark.parametrize("fault", ["bad row", "no room", "not replaced"])
def test_a_fault_of_one_costs_nobody_else_a_grade(handed_in, fault, monkeypatch):
    with handed_in.entered(), ClassGradebook(handed_in) as gradebook:
        writer = Writer(handed_in, gradebook)
        list(writer.save(ready(handed_in, gradebook, wrong=True)))
        batch = ready(handed_in, gradebook)
        bob = batch[1].converter
        if fault == "bad row":
            book = sqlite3.connect(handed_in.root / "gradebook.db")
            whose = "SELECT student_id FROM submitted_assignment JOIN submitted_notebook n"
            whose += " ON n.assignment_id = submitted_assignment.id WHERE n.id = NEW.notebook_id"
            refuse = f"WHEN ({whose}) = 'bob' BEGIN SELECT RAISE(ABORT, 'no'); END"
            book.execute(f"CREATE TRIGGER refuse BEFORE UPDATE ON grade {refuse}")
            book.close()
        elif fault == "no room":
            (bob.draft / "averages.ipynb").mkdir()
        else:
            monkeypatch.setattr(bob, "target", Path("/proc/there-is-no-such-folder/x"))
        ended = {one.converter.submission.student: found for one, found in writer.save(batch)}
    assert list(ended) == list(STUDENTS)
    assert isinstance(ended["bob"], Exception)
    assert isinstance(ended["ada"], Record) and isinstance(ended["cleo"], Record)
    points = scores(handed_in, "averages")
    assert points["ada"] == points["cleo"] == FULL
    if fault == "not replaced":  # there are new scores, and no record says that they belong to the old notebook
        assert records.read_one(handed_in, "averages", "bob") is None
    else:
        assert points["bob"] == NONE


def test_a_grader_that_is_killed_between_scores_and_records_leaves_no_record(handed_in, monkeypatch):
    with handed_in.entered(), ClassGradebook(handed_in) as gradebook:
        writer = Writer(handed_in, gradebook)
        list(writer.save(ready(handed_in, gradebook, wrong=True)))
        batch = ready(handed_in, gradebook)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(batch[1].converter, "set_permissions", killed)
        with pytest.raises(KeyboardInterrupt):
            list(writer.save(batch))
        assert list(records.read(handed_in, "averages")) == ["ada"]
        assert set(map(str, scores(handed_in, "averages").values())) == {str(FULL)}
        monkeypatch.undo()
        list(writer.save(ready(handed_in, gradebook)))
    assert state(handed_in) == {student: (FULL, 3, 0) for student in STUDENTS}


def test_a_locked_gradebook_is_told_for_each_and_changes_nothing(handed_in):
    url = f"sqlite:///{handed_in.root / 'gradebook.db'}?timeout=0.2"
    with handed_in.entered(), ClassGradebook(handed_in) as gradebook:
        list(Writer(handed_in, gradebook).save(ready(handed_in, gradebook, wrong=True)))
    before = scores(handed_in, "averages")
    impatient = Course(handed_in.root)
    impatient.config.CourseDirectory.db_url = url
    with impatient.entered(), ClassGradebook(impatient) as gradebook:
        batch = ready(impatient, gradebook)
        with closing(sqlite3.connect(handed_in.root / "gradebook.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            ended = [found for _, found in Writer(impatient, gradebook).save(batch)]
    assert ["database is locked" in str(one) for one in ended] == [True] * 3
    assert scores(handed_in, "averages") == before
