"""The tiny course with a question that a person grades, and answers to it without a kernel."""

from pathlib import Path

from nbformat.v4 import new_markdown_cell

from grading.authoring.graded_questions import answer_cell
from grading.authoring.release import release
from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook.records import Record
from tests.conftest import tiny_notebook, tiny_source

RUBRIC = """
[[why]]
points = 1
text = "Says that one huge value moves the mean."

[[why]]
points = 1
text = "Names the median."

[[why]]
points = -0.5
text = "Confuses mean and median."
"""
MODEL = "One huge value moves the mean."


def with_question(root: Path) -> Course:
    """The course of `question_source`, released."""
    course = question_source(root)
    release(course, "averages")
    return course


def question_source(root: Path) -> Course:
    """The tiny course: after the exercise `mean` of 3 points comes the question `why` of 2."""
    course = tiny_source(root)
    notebook = tiny_notebook()
    notebook.cells.append(new_markdown_cell("## Exercise 2: Why (2 points)\n\nWhy not always the mean?", id="asked"))
    notebook.cells.append(answer_cell("why", 2, MODEL))
    notebooks.write(notebooks.normal_form(notebook), course.source("averages"))
    (root / "rubrics").mkdir()
    (root / "rubrics" / "averages.toml").write_text(RUBRIC, encoding="utf-8")
    (root / "README.md").write_text("| notebook | points |\n| --- | --- |\n| averages | 5 |\n", encoding="utf-8")
    return course


def answer(course: Course, student: str, text: str | None, graded_at: str = "2026-11-01T12:00:00+00:00") -> None:
    """Hand in an answer as if it had been autograded, with all points for `mean`; None for the untouched gap."""
    notebook = notebooks.read(course.root / "release" / "averages" / "averages.ipynb")
    if text is not None:
        notebooks.by_id(notebook)["why"].source = text
    notebooks.write(notebook, course.root / "autograded" / student / "averages" / "averages.ipynb")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student(student)
        for grade in gradebook.update_or_create_submission("averages", student).notebooks[0].grades:
            written = grade.name == "why" and text is not None
            grade.auto_score = None if written else grade.max_score * (grade.name != "why")
            grade.needs_manual_grade = written
        gradebook.db.commit()
    Record(student, "averages", "graded", score=3.0, max_score=3.0, graded_at=graded_at).save(course)


def by_formgrader(course: Course, student: str, points: float, comment: str = "") -> None:
    """Give points and a comment as formgrader does."""
    where = ("why", "averages", "averages", student)
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade(*where)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.find_comment(*where).manual_comment = comment or None
        gradebook.db.commit()


def given(course: Course, student: str) -> tuple[float | None, bool, str | None]:
    """The points that a person gave, whether a person is needed, and the comment: as formgrader sees them."""
    where = ("why", "averages", "averages", student)
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade(*where)
        return grade.manual_score, grade.needs_manual_grade, gradebook.find_comment(*where).manual_comment
