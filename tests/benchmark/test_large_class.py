"""A large class made of a small one: the same grades for new students, and indexes, so that reading grows linearly."""

import shutil
from pathlib import Path

from sqlalchemy import inspect

from grading.benchmark.large_class import enlarge
from grading.course.folder import Course
from grading.gradebook import records, scores
from grading.gradebook.database import UNINDEXED, add_indexes
from grading.report import table


def test_copied_students_have_the_grades_of_the_originals(classroom, tmp_path):
    course = Course(Path(shutil.copytree(classroom.course.root, tmp_path / "course", symlinks=True)))
    before = {result.student: result for result in table.collect(course, "averages")}
    new = enlarge(course, "averages", len(before) + 50)
    after = {result.student: result for result in table.collect(course, "averages")}
    assert len(new) == 50 and after.keys() == before.keys() | set(new)
    for student, old in zip(new, sorted(records.read(classroom.course, "averages"))):
        assert (after[student].points, after[student].wrong) == (before[old].points, before[old].wrong), old


def test_scores_are_those_of_nbgraders_own_objects(classroom):
    with classroom.course.gradebook() as gradebook:
        found = scores.read(gradebook, "averages")
        for submission in gradebook.assignment_submissions("averages"):
            (notebook,) = submission.notebooks
            assert found[submission.student.id].raw == submission.score
            cells = found[submission.student.id].cells
            assert {
                grade.name: (grade.score, grade.max_score, grade.needs_manual_grade) for grade in notebook.grades
            } == {cell.name: (cell.points, cell.full, cell.needs_grading) for cell in cells.values()}


def test_adding_indexes_twice_does_no_harm(tiny):
    with tiny.gradebook() as gradebook:
        add_indexes(gradebook.engine)
        add_indexes(gradebook.engine)
        for name, column in UNINDEXED:
            assert [column] in [index["column_names"] for index in inspect(gradebook.engine).get_indexes(name)]
