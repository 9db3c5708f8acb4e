"""The rows of many submissions, written at once, are those that nbgrader makes one by one."""

import random
import shutil
from copy import deepcopy
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader import preprocessors as stock
from nbgrader.api import Base, MissingEntry
from sqlalchemy import select

from grading.authoring.release import release
from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook.database import AssignLatePenalties, ClassGradebook, SaveAutoGrades, preprocess
from grading.gradebook.late_penalties import LatePolicy
from grading.gradebook.submission_rows import Entry
from tests.written import MODEL, question_source

DUE = datetime(2026, 1, 2, 12)
STUDENTS = ("ada", "bob", "cleo", "dan")
TASK = {"grade": False, "grade_id": "draw", "locked": True, "points": 4, "schema_version": 3, "solution": False}

SAME = {"draw": ""}  # what was answered before: nbgrader leaves the points of a task as they are


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released course with tests, an answer and a task for a person, and a due date."""
    course = question_source(tmp_path_factory.mktemp("made") / "course")
    source = notebooks.read(course.source("averages"))
    source.cells.append(new_markdown_cell("Draw it.", metadata={"nbgrader": {**TASK, "task": True}}, id="draw"))
    notebooks.write(source, course.source("averages"))
    release(course, "averages")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("averages", duedate=DUE)
    return course.root


@pytest.fixture
def both(made: Path, tmp_path: Path) -> tuple[Course, Course]:
    """The same course twice: one for nbgrader, one for us."""
    return tuple(Course(shutil.copytree(made, tmp_path / name)) for name in ("theirs", "ours"))


def executed(course: Course, draw: random.Random) -> notebooks.NotebookNode:
    """A notebook with results that tests can have, answered or not, perhaps without one of its tests."""
    notebook = deepcopy(notebooks.read(course.root / "release" / "averages" / "averages.ipynb"))
    results = {
        "nothing": [],
        "error": [new_output("error", ename="AssertionError", evalue="no", traceback=[])],
        "stderr": [new_output("stream", name="stderr", text="warning")],
        "part": [new_output("execute_result", data={"text/plain": "0.25"})],
    }
    for name, cell in notebooks.by_id(notebook).items():
        if notebooks.kind(cell) == "test" and cell.cell_type == "code":
            cell.outputs = results[draw.choice(list(results))]
        if name in ("mean", "why") and draw.random() < 0.5:
            cell.source = MODEL if name == "why" else "mean = sum"
    if draw.random() < 0.2:
        notebook.cells = [cell for cell in notebook.cells if notebooks.grade_id(cell) != "test_mean"]
    return notebook


def by_nbgrader(course: Course, student: str, notebook: notebooks.NotebookNode, handed_in: datetime | None) -> None:
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission("averages", student, timestamp=handed_in)
    where = {"notebook": "averages", "assignment": "averages", "student": student, "db_url": course.coursedir.db_url}
    stock.SaveAutoGrades().preprocess(notebook, {"nbgrader": where})
    stock.AssignLatePenalties(config=course.config).preprocess(notebook, {"nbgrader": where})


def entry(course: Course, student: str, notebook: notebooks.NotebookNode, handed_in: datetime | None) -> Entry:
    where = {"notebook": "averages", "assignment": "averages", "student": student}
    _, resources = preprocess([SaveAutoGrades()], notebook, {"nbgrader": where}, None)
    penalty = AssignLatePenalties(config=course.config).penalty
    return Entry(student, "averages", "averages", handed_in, resources["nbgrader"]["scores"], lambda: SAME, penalty)


def rows(course: Course) -> dict[str, list]:
    """Everything in the gradebook; instead of ids, whose row it is."""
    found, owner = {}, {}
    with course.gradebook() as gradebook:
        for table in Base.metadata.sorted_tables:
            of_table = [dict(row) for row in gradebook.db.execute(select(table)).mappings()]
            for row in of_table:
                if table.name in ("submitted_assignment", "submitted_notebook", "grade", "comment"):
                    of = row.get("student_id") or owner.get(row.get("assignment_id")) or owner[row["notebook_id"]]
                    owner[row.pop("id")] = of
                    row.pop("notebook_id" if table.name in ("grade", "comment") else "assignment_id")
                    row["of"] = of
            found[table.name] = sorted(of_table, key=repr)
    return found


def by_a_person(course: Course, student: str, draw: random.Random) -> None:
    """What people do in formgrader: points, extra credit, comments, an extension; the same for equal `draw`s."""
    with course.gradebook() as gradebook:
        (submitted,) = gradebook.find_submission("averages", student).notebooks
        for grade in sorted(submitted.grades, key=lambda grade: grade.name):
            if draw.random() < 0.3:
                grade.manual_score, grade.extra_credit = draw.choice([None, 0, 1.5]), draw.choice([None, 0.5])
                grade.needs_manual_grade = draw.random() < 0.5
        for comment in sorted(submitted.comments, key=lambda comment: comment.name):
            if draw.random() < 0.3:
                comment.manual_comment = "Think again."
        gradebook.find_submission("averages", student).extension = draw.choice([None, timedelta(days=1)])
        submitted.flagged = draw.random() < 0.5
        gradebook.db.commit()


@pytest.mark.parametrize("seed", range(4))
def test_all_tables_are_as_nbgrader_fills_them(both, seed):
    theirs, ours = both
    draw = random.Random(seed)
    for course in both:
        course.config.AssignLatePenalties.plugin_class = LatePolicy
        course.config.LatePolicy.rule = "30 % a day"
    with ClassGradebook(ours) as gradebook:
        for _ in range(4):
            batch = []
            for student in draw.sample(STUDENTS, draw.randint(1, len(STUDENTS))):
                days = draw.choice([None, -1, 0.5, 2, 9])
                handed_in = None if days is None else DUE + timedelta(days=days)
                notebook = executed(theirs, draw)
                by_nbgrader(theirs, student, deepcopy(notebook), handed_in)
                batch.append(entry(ours, student, notebook, handed_in))
            with gradebook.transaction():
                gradebook.write(batch)
            assert rows(ours) == rows(theirs)
            for one in batch:
                state = draw.getstate()
                for course in both:
                    draw.setstate(state)
                    by_a_person(course, one.student, draw)
            assert rows(ours) == rows(theirs)


def test_points_of_a_person_stay_final_while_the_answer_is_the_same(both):
    _, course = both
    draw = random.Random(0)
    notebook = executed(course, draw)
    notebooks.by_id(notebook)["why"].source = "Because."
    for before, expected in (({}, True), ({"why": "Because."}, False), ({"why": "Else."}, True)):
        with ClassGradebook(course) as gradebook:
            with gradebook.transaction():
                gradebook.write([entry(course, "ada", notebook, None)])
            where = ("why", "averages", "averages", "ada")
            grade = gradebook.find_grade(*where)
            grade.manual_score, grade.needs_manual_grade = 1.5, False
            gradebook.db.commit()
            one = entry(course, "ada", notebook, None)
            with gradebook.transaction():
                gradebook.write([Entry(**{**vars(one), "graded_before": partial(dict, before)})])
            assert gradebook.find_grade(*where).needs_manual_grade == expected
            assert gradebook.find_grade(*where).manual_score == 1.5


def test_tests_that_were_added_later_get_rows(both):
    _, course = both
    notebook = executed(course, random.Random(0))
    with ClassGradebook(course) as gradebook, gradebook.transaction():
        gradebook.write([entry(course, "ada", notebook, None)])
    with course.gradebook() as gradebook:
        gradebook.add_grade_cell("test_new", "averages", "averages", max_score=2, cell_type="code")
        gradebook.add_solution_cell("new", "averages", "averages")
    with ClassGradebook(course) as gradebook:
        with gradebook.transaction():
            gradebook.write([entry(course, "ada", notebook, None)])
        assert gradebook.find_grade("test_new", "averages", "averages", "ada").needs_manual_grade
        assert gradebook.find_comment("new", "averages", "averages", "ada").comment is None


def test_a_notebook_with_an_unknown_test_is_refused_and_nothing_of_the_others_is_written(both):
    _, course = both
    notebook = executed(course, random.Random(0))
    odd = deepcopy(notebook)
    notebooks.by_id(odd)["test_mean_negative"].metadata.nbgrader.grade_id = "test_median"
    before = rows(course)
    with ClassGradebook(course) as gradebook:
        with pytest.raises(MissingEntry, match="test_median for bob"), gradebook.transaction():
            gradebook.write([entry(course, "ada", notebook, None), entry(course, "bob", odd, None)])
        assert rows(course) == before
