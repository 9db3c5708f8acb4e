"""`grading mark`: a person grades answers in the terminal."""

import contextlib

import click

from grading.cli.options import assignment_option
from grading.course.errors import CourseError
from grading.course.folder import Course


@click.command()
@assignment_option
@click.option("--question", "-q", default=None, help="Only this question, by its grade_id.")
@click.option("--anonymous", is_flag=True, help="Hide the students' names and ids.")
@click.option("--again", is_flag=True, help="Also show graded answers.")
@click.pass_obj
def mark(course: Course, assignment: str | None, question: str | None, anonymous: bool, again: bool) -> None:
    """Grade written answers: all answers to one question, then all to the next."""
    from grading.cli.marker import Session
    from grading.course import rubrics
    from grading.gradebook import marking

    asked = [one for name in course.chosen(assignment) for one in marking.questions(course, name)]
    if question and question not in [one.name for one in asked]:
        known = ", ".join(one.name for one in asked) or "none"
        raise CourseError(f"{question} is not a question that a person grades; those are: {known}")
    asked = [one for one in asked if question in (None, one.name)]
    if not asked:
        raise CourseError("There is no question that a person grades. To add one: make new-exercise KIND=written")
    items = {one: rubrics.load(course, one.assignment).get(one.name, []) for one in asked}
    todo = [place for one in asked for place in marking.places(course, one, again)]
    if not todo:
        click.echo("No answer waits for a person." + ("" if again else " AGAIN=yes shows the graded ones again."))
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - so that a grader can edit the line
    Session(course, items, anonymous, again).go_through(todo)
