"""Commands that grade a class and show the results."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import click

from grading.cli.options import agreed, assignment_option, cluster_option, jobs_option
from grading.course.errors import CourseError
from grading.course.folder import Course

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from rich.console import Console

    from grading.execution.interpreters import Interpreters
    from grading.gradebook.records import Record


@click.command()
@assignment_option
@jobs_option
@click.option("--force", is_flag=True, help="Grade unchanged submissions again.")
@cluster_option
@click.pass_obj
def grade(course: Course, assignment: str | None, jobs: int | None, force: bool, cluster: str | None) -> None:
    """Autograde new and changed submissions in submitted/."""
    from grading.execution import interpreters

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "submitted").glob(f"*/{name}"))] or chosen[:1]
    with contextlib.ExitStack() as stack:
        started, executor = None, None
        if cluster:
            from grading.run.grade import release_if_unknown

            for name in chosen:  # before the course is sent to the workers
                release_if_unknown(course, name)
            executor = stack.enter_context(_connected(course, chosen, cluster, course))
        elif force or any(_is_new(course, name) for name in chosen):  # otherwise `grade` starts them when needed
            started = stack.enter_context(interpreters.start(course, chosen, warm()))
        failed = sum(_grade(course, name, jobs, force, started, executor) for name in chosen)
    if failed:
        raise click.ClickException(f"{failed} submission{'s' * (failed > 1)} could not be graded, see the table above")


@click.command()
@assignment_option
@jobs_option
@click.option("--force", is_flag=True, help="Also write unchanged pages.")
@click.pass_obj
def feedback(course: Course, assignment: str | None, jobs: int | None, force: bool) -> None:
    """Write the feedback pages of all graded submissions; unchanged pages are skipped."""
    from grading.gradebook import late_penalties

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "autograded").glob(f"*/{name}"))] or chosen[:1]
    late_penalties.apply(course)  # a person may have given points since
    for name in chosen:
        write_feedback(course, name, jobs, force)


@click.command()
@assignment_option
@click.pass_obj
def grades(course: Course, assignment: str | None) -> None:
    """Write grades.csv and print the table."""
    from grading.gradebook import late_penalties
    from grading.report import table

    chosen = course.chosen(assignment)
    late_penalties.apply(course)
    collected = {name: _known_results(course, name) for name in chosen}
    if not any(collected.values()):
        raise CourseError(f"Nothing is graded yet. Run: make grade ASSIGNMENT={chosen[0]}")
    print_tables(course, collected)
    table.write_csv(course, [name for name in chosen if collected[name]], course.root / "grades.csv", collected)
    click.echo(f"Grades: {course.root / 'grades.csv'}")


@click.command()
@assignment_option
@click.option("--anonymous", is_flag=True, help="Pseudonyms instead of ids, and no links.")
@click.option("--names", is_flag=True, help="Names from students.csv beside the ids.")
@click.pass_obj
def report(course: Course, assignment: str | None, anonymous: bool, names: bool) -> None:
    """Write the class at a glance: build/report/<assignment>.html."""
    from grading.gradebook import late_penalties
    from grading.report.page import report as write

    chosen = course.chosen(assignment)
    late_penalties.apply(course)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "autograded").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        click.echo(f"Report: {write(course, name, anonymous, names)}")


@click.command()
@assignment_option
@click.option(
    "--jobs",
    "-j",
    default=None,
    type=click.IntRange(1),
    help="How many at once; default: one for each core.",
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@cluster_option
@click.pass_obj
def regrade(course: Course, assignment: str | None, jobs: int | None, yes: bool, cluster: str | None) -> None:
    """Preview what grading again would change, and write it if you agree."""
    from grading.cli.progress import steps
    from grading.gradebook.differences import table
    from grading.run import regrade as again

    chosen = [name for name in course.chosen(assignment) if any((course.root / "submitted").glob(f"*/{name}"))]
    if not chosen:
        raise CourseError("There are no submissions to grade again.")
    total = sum(len(list((course.root / "submitted").glob(f"*/{name}"))) for name in chosen)
    with steps("Grading in build/regrade", total) as advance:
        made = again.preview(
            course,
            chosen,
            jobs,
            done=lambda ended: advance(f"{ended.student} {ended.state}"),
            connect=partial(_connected, course, chosen, cluster) if cluster else None,
        )
    for words in made.tests:
        click.echo(words)
    for student, reason in sorted(made.failed.items()):
        click.echo(f"{student} cannot be graded: {reason}")
    if not made.changes:
        click.echo("No points would change.")
    else:
        console().print(table(made.changes))
        students = len({change.student for change in made.changes})
        changes = len(made.changes)
        click.echo(f"{changes} change{'s' * (changes > 1)}, {students} student{'s' * (students > 1)}.")
    not_yet = "Nothing was written. To write the changes: make regrade YES=yes"
    if not agreed(yes, "Write this to the gradebook?", not_yet, "Nothing was written."):
        return
    click.echo(f"Written. The old gradebook: {again.accept(course, made)}")
    click.echo("Feedback pages have not been updated. Run: make feedback")


@click.command("diff-grades")
@click.argument("a")
@click.argument("b")
@click.pass_obj
def diff_grades(course: Course, a: str, b: str) -> None:
    """Compare two gradebooks, files, dumps by pg_dump or URLs: student, exercise, points in A and in B, and why."""
    from grading.gradebook.differences import compare_files, table

    changes = compare_files(course, a, b)
    if changes:
        console().print(table(changes))
    click.echo(f"{len(changes)} difference{'s' * (len(changes) != 1)}.")


def warm() -> bool:
    """Whether the environment allows forked kernels. Reading the settings instead would take a second."""
    return os.environ.get("WARM") != "no" and os.environ.get("SANDBOX") != "none"


def _is_new(course: Course, assignment: str) -> bool:
    """Whether there is a submission that was never graded."""
    submitted = {path.parent.name for path in (course.root / "submitted").glob(f"*/{assignment}")}
    return bool(submitted - {path.stem for path in (course.root / "records" / assignment).glob("*.json")})


def _connected(course: Course, chosen: list[str], cluster: str, own: Course) -> AbstractContextManager[Executor]:
    """An executor on other machines. Only this function imports Dask.

    Args:
        own: what is sent to the workers, the course or a copy of it.
    """
    from grading.cluster.security import FOLDER, require_dask

    require_dask()
    from grading.cluster.executor import connected

    return connected(own, chosen, cluster, click.echo, certificates=course.root / FOLDER)


def run(
    course: Course,
    assignment: str,
    jobs: int | None,
    started: Interpreters | None,
    force: bool = False,
    executor: Executor | None = None,
) -> list[Record]:
    from grading.cli.progress import steps
    from grading.intake.submission import find
    from grading.run.grade import grade
    from grading.run.pool import Elsewhere

    counts: Counter[str] = Counter()
    with steps(f"Grading {assignment}", len(find(course, assignment))) as advance:

        def done(ended: Record) -> None:
            counts["unchanged" if ended.unchanged else "graded" if ended.has_grade else "not graded"] += 1
            by = (
                f" by {executor.workers} worker{'s' * (executor.workers != 1)}"
                if isinstance(executor, Elsewhere)
                else ""
            )
            told = ", ".join(f"{number} {words}" for words, number in counts.items())
            advance(f"{told}{by}; last: {ended.student}")

        return grade(course, assignment, jobs, executor, done=done, force=force, started=started)


def _grade(
    course: Course,
    assignment: str,
    jobs: int | None,
    force: bool,
    started: Interpreters | None,
    executor: Executor | None,
) -> int:
    """Grade, print the table and the changed scores. Returns how many submissions have no grade."""
    from grading.course import catalogue, notebooks
    from grading.gradebook import database, late_penalties
    from grading.report import table
    from grading.run.grade import release_if_unknown

    # Report a fault in the catalogue or in students.csv before grading starts.
    path = course.root / "mistakes" / f"{assignment}.toml"
    if path.is_file():  # otherwise `grade` reports it
        catalogue.load(path, notebooks.read(course.source(assignment)))
    if release_if_unknown(course, assignment):
        click.echo(f"release/{assignment}: written, because the gradebook did not have its tests yet")
    late_penalties.apply(course)
    before = database.scores(course, assignment)
    ended = run(course, assignment, jobs, started, force, executor)
    late_penalties.apply(course)  # again: new students are in the gradebook now, and may have an extension
    print_tables(course, {assignment: table.collect(course, assignment)})
    tests = notebooks.graded_of(notebooks.read(course.source(assignment)))
    changed = table.changes(before, database.scores(course, assignment), tests)
    unchanged = sum(one.unchanged for one in ended)
    if unchanged:
        click.echo(
            f"{unchanged} of {len(ended)} submissions are unchanged and were skipped (FORCE=yes grades them again)."
        )
    if changed:
        click.echo("Changed scores:")
        for line in changed:
            click.echo(f"  {line}")
    elif before and unchanged < len(ended):
        click.echo("No score has changed.")
    click.echo(f"Graded notebooks: {course.root / 'autograded'}/<student>/{assignment}/")
    click.echo(f"Records: {course.root / 'records' / assignment}/<student>.json")
    return sum(not one.has_grade or bool(one.faults) for one in ended)


def write_feedback(course: Course, assignment: str, jobs: int | None, force: bool = False) -> None:
    from grading.cli.progress import steps
    from grading.report.feedback import feedback as write

    total = len(list((course.root / "autograded").glob(f"*/{assignment}")))
    with steps(f"Feedback for {assignment}", total) as advance:
        write(course, assignment, advance, jobs=jobs, force=force)
    click.echo(f"Feedback pages: {course.root / 'feedback'}/<student>/{assignment}/{assignment}.html")


def _known_results(course: Course, assignment: str) -> list:
    from nbgrader.api import MissingEntry

    from grading.report import table

    try:
        return table.collect(course, assignment)
    except MissingEntry:
        return []


def print_tables(course: Course, collected: dict[str, list]) -> None:
    from rich.console import Console

    from grading.report import table

    # A file or a log has no width to respect.
    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 160)), highlight=False)
    for name, found in collected.items():
        if found:
            console.print()
            console.print(table.table(course, name, found))


def console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 160)), highlight=False)
