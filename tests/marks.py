"""Gradebooks and records without a kernel: points go straight into nbgrader's database."""

from grading.course.folder import Course
from grading.gradebook.records import Record

FULL = {"test_mean": 2.0, "test_mean_negative": 1.0}


def mark(
    course: Course,
    student: str,
    points: tuple[float, float] = (2.0, 1.0),
    errors: tuple[str, str] = ("", ""),
    mistake: str = "",
    state: str = "graded",
    **more: object,
) -> Record:
    """Write a student's points in test_mean and test_mean_negative to the gradebook, and the record of it."""
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student(student)
        submission = gradebook.update_or_create_submission("averages", student)
        for grade in submission.notebooks[0].grades:
            grade.auto_score = dict(zip(FULL, points))[grade.name]
            grade.needs_manual_grade = False
        gradebook.db.commit()
    tests = {
        name: {"exercise": "mean", "points": p, "max": FULL[name], "error": error, "mistake": mistake if p == 0 else ""}
        for name, p, error in zip(FULL, points, errors)
    }
    record = Record(student, "averages", state, score=sum(points), max_score=3.0, tests=tests, **more)
    record.save(course)
    return record
