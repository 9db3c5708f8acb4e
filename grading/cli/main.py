"""The commands behind the Makefile: `python -m grading <command>`, or `grading <command>`."""

import atexit
import gc
import os
import sqlite3
import sys
from pathlib import Path

import click

from grading.cli import authoring, cluster, grades, lms, marking, similarity, watching
from grading.cli.cluster import print_workers
from grading.cli.grades import print_tables, run, warm, write_feedback
from grading.cli.options import jobs_option
from grading.compat.process import spare_grammar
from grading.course.errors import CourseError
from grading.course.folder import Course


class Commands(click.Group):
    """Commands that print expected errors as a message, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            sentence = in_a_sentence(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from None


def in_a_sentence(error: Exception) -> str | None:
    """The message of an error that the user can fix; None for any other error, which is a bug in the grader."""
    from grading.course.catalogue import CatalogueError
    from grading.course.notebooks import NotebookError

    if isinstance(error, CourseError | CatalogueError | NotebookError):
        return str(error)
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.exc import DBAPIError

        from grading.gradebook.database import told

        if isinstance(error, DBAPIError) and not isinstance(error.orig, sqlite3.Error):  # from a server
            return told(error)
    cause = getattr(error, "orig", error)  # SQLAlchemy wraps what SQLite raises
    if not isinstance(cause, sqlite3.Error):
        return None
    if "locked" in str(cause):
        return "The gradebook is locked by another program, formgrader perhaps. Close that, then run this again."
    return (
        f"The gradebook cannot be used: {cause}. If it is damaged, replace it with the latest copy that grading has "
        "kept in the course folder, gradebook.db.<time>."
    )


@click.group(cls=Commands)
@click.option("--root", default=".", type=click.Path(path_type=Path), help="The course folder.")
@click.pass_context
def main(ctx: click.Context, root: Path) -> None:
    """Release, check and grade the course."""
    spare_grammar()
    gc.set_threshold(50_000)  # nbgrader makes many objects, and few of them are garbage
    atexit.register(gc.freeze)  # no garbage collection at exit: nbgrader leaves many objects
    ctx.obj = Course(root.resolve())


@click.command()
@click.option("--cluster", default=None, help="Check the workers of a cluster instead: tls://host:8786.")
@click.pass_obj
def doctor(course: Course, cluster: str | None) -> None:
    """Check whether this machine can isolate students' code, and say how to fix it."""
    if cluster:
        print_workers(course, cluster)
    else:
        _examine_this_machine()


def _examine_this_machine() -> None:
    import platform
    import tempfile
    from importlib.metadata import version

    from grading.course import cores, temporary_folders
    from grading.sandbox import bubblewrap

    usable, there = cores.usable(), os.cpu_count() or 1
    limited = f" (of {there}; this process may not use the others)" if usable < there else ""
    click.echo(f"system     {platform.system()} {platform.release()}, {usable} cores{limited}")
    usual = tempfile.gettempdir()
    if temporary_folders.for_sockets() != usual:
        click.echo(f"sockets    in {temporary_folders.for_sockets()}, because the path of {usual} is too long")
    click.echo(f"python     {platform.python_version()} at {sys.executable}")
    for name in ("nbgrader", "jupyterlab", "torch"):
        click.echo(f"{name:10} {version(name)}")
    click.echo(f"bubblewrap {bubblewrap.described()}")
    reason = bubblewrap.why_not()
    if reason:
        raise click.ClickException(f"students' code cannot be isolated here.\n{reason}")
    click.echo("isolation  works: students' code runs without network and without access to the course")


@click.command()
@jobs_option
@click.pass_obj
def demo(course: Course, jobs: int | None) -> None:
    """Grade a sample class in build/demo/, with its own gradebook."""
    from grading.authoring import sample_class
    from grading.authoring.release import release as make
    from grading.authoring.sample_class import prepare
    from grading.execution import interpreters
    from grading.report import table
    from grading.report.page import report as write_report

    course.chosen(None)
    own = prepare(course, course.root / "build" / "demo")
    students = sample_class.load_class(own.root / "mistakes" / "class.toml")
    click.echo(f"A sample class of {len(students)} students hands in {len(own.assignments)} assignments.")
    collected = {}
    with interpreters.start(own, own.assignments, warm()) as started:
        for name in own.assignments:
            make(own, name)
            sample_class.hand_in(own, name, students)
        for name in own.assignments:
            if any(ended.has_grade for ended in run(own, name, jobs, started)):
                write_feedback(own, name, jobs)
            collected[name] = table.collect(own, name)
            write_report(own, name)
    print_tables(own, collected)
    table.write_csv(own, own.assignments, own.root / "grades.csv")
    where = own.root.relative_to(course.root)
    click.echo(f"\nThe students' notebooks    {where}/submitted/<student>/<assignment>/")
    click.echo(f"Graded notebooks           {where}/autograded/<student>/<assignment>/")
    click.echo(f"Feedback pages             {where}/feedback/<student>/<assignment>/<assignment>.html")
    click.echo(f"Grades                     {where}/grades.csv")
    click.echo(f"The class at a glance      {where}/build/report/<assignment>.html")


for command in (
    *(authoring.release, authoring.handout, authoring.check, authoring.normalize, authoring.new_exercise),
    *(authoring.lock, authoring.mutants, authoring.bench),
    *(grades.grade, grades.feedback, grades.grades, grades.report, grades.regrade, grades.diff_grades),
    marking.mark,
    similarity.similar,
    *(lms.collect, lms.export, lms.return_feedback, lms.late),
    *(watching.watch, watching.status),
    *(cluster.certificates, cluster.scheduler, cluster.worker),
    *(doctor, demo),
):
    main.add_command(command)
