"""The commands behind the Makefile: `python -m grading <command>`."""

import atexit
import contextlib
import gc
import os
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grading.course import Course, CourseError

if TYPE_CHECKING:
    from grading.interpreters import Interpreters

assignment_option = click.option("--assignment", "-a", default=None, help="Only this one; by default all.")

jobs_option = click.option(
    "--jobs", "-j", default=None, type=click.IntRange(1), help="How many at once; default: all cores."
)


class Commands(click.Group):
    """Commands whose expected errors are a message and not a stack."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (CourseError, ValueError) as error:
            from grading.catalogue import CatalogueError
            from grading.notebooks import NotebookError

            if not isinstance(error, CourseError | CatalogueError | NotebookError):
                raise
            raise click.ClickException(str(error)) from None


@click.group(cls=Commands)
@click.option("--root", default=".", type=click.Path(path_type=Path), help="The course folder.")
@click.pass_context
def main(ctx: click.Context, root: Path) -> None:
    """Release, check and grade the course."""
    gc.set_threshold(50_000)  # nbgrader makes many objects, and little of it is garbage
    atexit.register(gc.freeze)  # at the end there is no need to look for garbage; nbgrader leaves a lot
    ctx.obj = Course(root.resolve())


@main.command()
@assignment_option
@click.pass_obj
def release(course: Course, assignment: str | None) -> None:
    """Generate release/ from source/."""
    from grading import cells
    from grading.gradebook import keep_copy
    from grading.release import release as make

    for name in course.chosen(assignment):
        if cells.removed(course, name):
            click.echo(f"The gradebook as it was: {keep_copy(course, datetime.now())}")
        for words in cells.fit(course, name):
            click.echo(f"{name}: {words}")
        click.echo(f"release/{make(course, name).name}: written")


@main.command()
@assignment_option
@click.option("--repository", default=None, help="https://github.com/<owner>/<name>, for links to Binder and Colab.")
@click.option("--hub", default=None, help="The address of the course's JupyterHub, for a link.")
@click.pass_obj
def handout(course: Course, assignment: str | None, repository: str | None, hub: str | None) -> None:
    """Zip what a student gets: the release, an environment, and a page that says how to begin."""
    from grading.handout import handout as make

    for name in course.chosen(assignment):
        click.echo(f"{make(course, name, repository, hub)}: written")


@main.command()
@assignment_option
@click.pass_obj
def check(course: Course, assignment: str | None) -> None:
    """List everything that is wrong with the course; write nothing."""
    from grading.check import check as run

    faults = run(course, assignment, lambda words: click.echo(f"checked: {words}"))
    for fault in faults:
        click.echo(f"  {fault}", err=True)
    if faults:
        raise click.ClickException(f"{len(faults)} thing{'s' * (len(faults) > 1)} to mend, see above")
    click.echo("All is well.")


@main.command()
@click.pass_obj
def normalize(course: Course) -> None:
    """Bring the source notebooks into normal form: no outputs, no counts, no stray metadata."""
    from grading import notebooks

    for name in course.chosen(None):
        path = course.source(name)
        notebooks.write(notebooks.normal_form(notebooks.read(path)), path)
        click.echo(f"source/{name}/{name}.ipynb: in normal form")


@main.command()
@assignment_option
@jobs_option
@click.option("--force", is_flag=True, help="Grade again what has not changed.")
@click.pass_obj
def grade(course: Course, assignment: str | None, jobs: int | None, force: bool) -> None:
    """Autograde what is in submitted/ and is new or has changed."""
    from grading import interpreters

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "submitted").glob(f"*/{name}"))] or chosen[:1]
    with contextlib.ExitStack() as stack:
        started = None
        if force or any(_is_new(course, name) for name in chosen):  # else it is not known yet what there is to do
            started = stack.enter_context(interpreters.start(course, chosen, _warm()))
        failed = sum(_grade(course, name, jobs, force, started) for name in chosen)
    if failed:
        raise click.ClickException(f"{failed} submission{'s' * (failed > 1)} could not be graded, see the table above")


@main.command()
@assignment_option
@jobs_option
@click.pass_obj
def feedback(course: Course, assignment: str | None, jobs: int | None) -> None:
    """Write the feedback pages of everything that is autograded."""
    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "autograded").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        _feedback(course, name, jobs)


@main.command()
@assignment_option
@click.pass_obj
def grades(course: Course, assignment: str | None) -> None:
    """Write grades.csv, and print the table."""
    from grading import results

    chosen = course.chosen(assignment)
    collected = {name: _known_results(course, name) for name in chosen}
    if not any(collected.values()):
        raise CourseError(f"Nothing is graded yet. Run: make grade ASSIGNMENT={chosen[0]}")
    _print_tables(course, collected)
    results.write_csv(course, [name for name in chosen if collected[name]], course.root / "grades.csv")
    click.echo(f"Grades: {course.root / 'grades.csv'}")


@main.command()
@assignment_option
@click.option("--exercise", "-e", default=None, help="Only this exercise.")
@jobs_option
@click.pass_obj
def mutants(course: Course, assignment: str | None, exercise: str | None, jobs: int | None) -> None:
    """Change every reference solution in many small ways; every change must be noticed by a hidden test."""
    from grading import mutants as mutation
    from grading.progress import steps

    chosen = [m for name in course.chosen(assignment) for m in mutation.all_mutants(course, name)]
    chosen = [m for m in chosen if exercise in (None, m.cell)]
    with steps("Mutants", len(chosen)) as advance:
        trials = mutation.run(course, chosen, jobs, done=lambda t: advance(f"{t.mutant.cell}"))
    page = course.root / "build" / "mutants" / "index.html"
    mutation.write_report(course, trials, page)
    equivalent = mutation.load_equivalent(course.root / "mistakes" / "equivalent.toml")
    weak, stale = mutation.verdict(trials, equivalent)
    for mutant in weak:
        click.echo(f"survived: {mutant.cell}: {mutant.before}  ->  {mutant.after}", err=True)
    for words in stale:
        click.echo(f"mistakes/equivalent.toml: {words}", err=True)
    click.echo(f"{len(trials)} mutants, {len(weak)} survived. The matrix: {page}")
    if weak or stale:
        raise click.ClickException("strengthen the hidden tests, or mend mistakes/equivalent.toml")


@main.command()
@assignment_option
@click.option("--sizes", default="10,30,100,300", help="Numbers of submissions; the largest decides the ratio.")
@click.option("--few", default=4, type=click.IntRange(1), help="How many submissions stock nbgrader grades.")
@click.option("--out", default="docs/benchmark.md", type=click.Path(path_type=Path), help="The report.")
@jobs_option
@click.pass_obj
def bench(course: Course, assignment: str | None, sizes: str, few: int, out: Path, jobs: int | None) -> None:
    """Measure against stock nbgrader and write a report. Let nothing else run on the machine meanwhile."""
    from grading import bench as measuring

    numbers, jobs = [int(word) for word in sizes.split(",")], jobs or os.cpu_count() or 1
    results = [measuring.run(course, name, numbers, few, jobs, click.echo) for name in course.chosen(assignment)]
    measuring.write_report(results, jobs, course.root / out)
    measuring.clean(course)
    click.echo(f"The report: {out}")


@main.command()
def doctor() -> None:
    """Say what this machine can do, and how to mend what it can't."""
    import platform
    from importlib.metadata import version

    from grading import sandbox

    click.echo(f"system     {platform.system()} {platform.release()}, {os.cpu_count()} cores")
    click.echo(f"python     {platform.python_version()} at {sys.executable}")
    for name in ("nbgrader", "jupyterlab", "torch"):
        click.echo(f"{name:10} {version(name)}")
    click.echo(f"bubblewrap {sandbox.bubblewrap() or 'missing'}")
    reason = sandbox.why_not()
    if reason:
        raise click.ClickException(f"students' code cannot be isolated here.\n{reason}")
    click.echo("isolation  works: students' code runs without network and without a view of the course")


@main.command()
@jobs_option
@click.pass_obj
def demo(course: Course, jobs: int | None) -> None:
    """Grade a sample class in build/demo/, with its own gradebook."""
    from grading import interpreters, results, sample
    from grading.release import release as make
    from grading.report import report as write_report
    from grading.sample import prepare

    course.chosen(None)
    own = prepare(course, course.root / "build" / "demo")
    students = sample.load_class(own.root / "mistakes" / "class.toml")
    click.echo(f"A sample class of {len(students)} students hands in {len(own.assignments)} assignments.")
    collected = {}
    with interpreters.start(own, own.assignments, _warm()) as started:
        for name in own.assignments:
            make(own, name)
            sample.hand_in(own, name, students)
        for name in own.assignments:
            if any(ended.has_grade for ended in _run(own, name, jobs, started)):
                _feedback(own, name, jobs)
            collected[name] = results.collect(own, name)
            write_report(own, name)
    _print_tables(own, collected)
    results.write_csv(own, own.assignments, own.root / "grades.csv")
    where = own.root.relative_to(course.root)
    click.echo(f"\nThe students' notebooks    {where}/submitted/<student>/<assignment>/")
    click.echo(f"Graded notebooks           {where}/autograded/<student>/<assignment>/")
    click.echo(f"Feedback pages             {where}/feedback/<student>/<assignment>/<assignment>.html")
    click.echo(f"Grades                     {where}/grades.csv")
    click.echo(f"The class at a glance      {where}/build/report/<assignment>.html")


def _warm() -> bool:
    """Whether kernels are forked, as far as the environment tells: to read the settings takes a second."""
    return os.environ.get("WARM") != "no" and os.environ.get("SANDBOX") != "none"


def _is_new(course: Course, assignment: str) -> bool:
    """Whether there is a submission that was never graded."""
    submitted = {path.parent.name for path in (course.root / "submitted").glob(f"*/{assignment}")}
    return bool(submitted - {path.stem for path in (course.root / "records" / assignment).glob("*.json")})


def _run(course: Course, assignment: str, jobs: int | None, started: "Interpreters", force: bool = False) -> list:
    from grading.grade import grade
    from grading.progress import steps
    from grading.submission import find

    counts = Counter()
    with steps(f"Grading {assignment}", len(find(course, assignment))) as advance:

        def done(ended) -> None:
            counts["unchanged" if ended.unchanged else "graded" if ended.has_grade else "not graded"] += 1
            advance(f"{', '.join(f'{number} {words}' for words, number in counts.items())}; last: {ended.student}")

        return grade(course, assignment, jobs, done=done, force=force, started=started)


def _grade(course: Course, assignment: str, jobs: int | None, force: bool, started: "Interpreters | None") -> int:
    """Grade, print the table and what has changed; how many submissions have no grade."""
    from grading import catalogue, gradebook, late, notebooks, results

    # A fault in the catalogue or in students.csv is better told now than found while grading.
    catalogue.load(course.root / "mistakes" / f"{assignment}.toml", notebooks.read(course.source(assignment)))
    late.apply(course)
    before = gradebook.scores(course, assignment)
    ended = _run(course, assignment, jobs, started, force)
    late.apply(course)  # only now the gradebook knows who is new and may have an extension
    _print_tables(course, {assignment: results.collect(course, assignment)})
    tests = notebooks.tests_of(notebooks.read(course.source(assignment)))
    changed = results.changes(before, gradebook.scores(course, assignment), tests)
    unchanged = sum(one.unchanged for one in ended)
    if unchanged:
        click.echo(f"{unchanged} of {len(ended)} submissions are as when they were graded (FORCE=yes: grade again).")
    if changed:
        click.echo("Scores that are other than before:")
        for line in changed:
            click.echo(f"  {line}")
    elif before and unchanged < len(ended):
        click.echo("No score is other than before.")
    click.echo(f"Graded notebooks: {course.root / 'autograded'}/<student>/{assignment}/")
    click.echo(f"How each was graded: {course.root / 'records' / assignment}/<student>.json")
    return sum(not one.has_grade for one in ended)


def _feedback(course: Course, assignment: str, jobs: int | None) -> None:
    from grading.feedback import feedback as write
    from grading.progress import steps

    total = len(list((course.root / "autograded").glob(f"*/{assignment}")))
    with steps(f"Feedback for {assignment}", total) as advance:
        write(course, assignment, advance, jobs=jobs)
    click.echo(f"Feedback pages: {course.root / 'feedback'}/<student>/{assignment}/{assignment}.html")


def _known_results(course: Course, assignment: str) -> list:
    from nbgrader.api import MissingEntry

    from grading import results

    try:
        return results.collect(course, assignment)
    except MissingEntry:
        return []


def _print_tables(course: Course, collected: dict[str, list]) -> None:
    from rich.console import Console

    from grading import results

    # Not on a terminal there is no width to respect; a file or a log reads best with long lines.
    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 160)), highlight=False)
    for name, found in collected.items():
        if found:
            console.print()
            console.print(results.table(course, name, found))


# An instructor's week: what the class did, and the way to and from the LMS.


@main.command()
@assignment_option
@click.option("--anonymous", is_flag=True, help="Pseudonyms instead of ids, and no links.")
@click.pass_obj
def report(course: Course, assignment: str | None, anonymous: bool) -> None:
    """Write the class at a glance: build/report/<assignment>.html."""
    from grading.report import report as write

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "autograded").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        click.echo(f"Report: {write(course, name, anonymous)}")


@main.command()
@assignment_option
@click.pass_obj
def export(course: Course, assignment: str | None) -> None:
    """Write the grades as Moodle and Canvas import them, and every test cell as a table."""
    from grading import late as late_
    from grading.export import export as write

    late_.apply(course)
    for path in write(course, course.chosen(assignment)):
        click.echo(f"Exported: {path}")


@main.command()
@click.pass_obj
def late(course: Course) -> None:
    """Apply due dates, extensions and the late rule to what is graded already."""
    from grading import late as late_

    changed = late_.apply(course)
    for (assignment, student), (before, after) in sorted(changed.items()):
        click.echo(f"{assignment}, {student}: {after:g} points off for being late, before {before:g}")
    click.echo(f"{len(changed)} penalt{'y' if len(changed) == 1 else 'ies'} changed.")


@main.command()
@click.option("--assignment", "-a", required=True, help="Which assignment this is.")
@click.option(
    "--from", "source", required=True, type=click.Path(path_type=Path), help="The LMS's archive, or a folder."
)
@click.option("--lms", default=None, type=click.Choice(["moodle", "canvas", "folder"]), help="By default seen from it.")
@click.pass_obj
def collect(course: Course, assignment: str, source: Path, lms: str | None) -> None:
    """Put what an LMS hands out into submitted/, and list every file that was not collected."""
    from grading.collect import collect as take

    done = take(course, assignment, source.expanduser(), lms)
    for words, students in (
        ("new", done.new),
        ("replaced, the old one is kept in downloaded/", done.replaced),
        ("as before", done.unchanged),
        ("got the submission of their group", [f"{student} ({of}'s)" for student, of in done.shared.items()]),
        ("in students.csv and nothing handed in", done.missing),
    ):
        if students:
            click.echo(f"{len(students)} {words}: {', '.join(students)}")
    for student, remarks in sorted(done.remarks.items()):
        for remark in remarks:
            click.echo(f"  {student}: {remark}")
    if done.left:
        click.echo(f"{len(done.left)} file{'s' * (len(done.left) > 1)} not collected:")
        for name, reason in sorted(done.left.items()):
            click.echo(f"  {name}: {reason}")


@main.command("return-feedback")
@assignment_option
@click.pass_obj
def return_feedback(course: Course, assignment: str | None) -> None:
    """Pack the feedback pages into an archive that Moodle or Canvas takes back."""
    from grading.handback import hand_back

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "feedback").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        done = hand_back(course, name)
        click.echo(f"{len(done.students)} feedback pages: {done.path}")
        for student, why in done.left.items():
            click.echo(f"  {student}: {why}")


@main.command()
@assignment_option
@click.option("--jobs", "-j", default=None, type=click.IntRange(1), help="How many at once; default: all cores.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.pass_obj
def regrade(course: Course, assignment: str | None, jobs: int | None, yes: bool) -> None:
    """Show what grading everything again would change, and write it only if you agree."""
    from grading import regrade as again
    from grading.difference import table
    from grading.progress import steps

    chosen = [name for name in course.chosen(assignment) if any((course.root / "submitted").glob(f"*/{name}"))]
    if not chosen:
        raise CourseError("Nothing is submitted that could be graded again.")
    total = sum(len(list((course.root / "submitted").glob(f"*/{name}"))) for name in chosen)
    with steps("Grading in build/regrade", total) as advance:
        made = again.preview(course, chosen, jobs, done=lambda ended: advance(f"{ended.student} {ended.state}"))
    for words in made.tests:
        click.echo(words)
    for student, reason in sorted(made.failed.items()):
        click.echo(f"{student} cannot be graded: {reason}")
    if not made.changes:
        click.echo("No points would change.")
    else:
        _wide_console().print(table(made.changes))
        students = len({change.student for change in made.changes})
        changes = len(made.changes)
        click.echo(f"{changes} change{'s' * (changes > 1)}, {students} student{'s' * (students > 1)}.")
    if not yes and not sys.stdin.isatty():
        click.echo("Nothing is written. To write it: make regrade YES=yes")
        return
    if not yes and not click.confirm("Write this to the gradebook?"):
        click.echo("Nothing is written.")
        return
    click.echo(f"Written. The old gradebook: {again.accept(course, made)}")
    click.echo("Feedback pages are as they were. Run: make feedback")


@main.command("diff-grades")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
def diff_grades(a: Path, b: Path) -> None:
    """Compare two gradebook files: student, exercise, points in A and in B, why."""
    from grading.difference import compare_files, table

    changes = compare_files(a, b)
    if changes:
        _wide_console().print(table(changes))
    click.echo(f"{len(changes)} difference{'s' * (len(changes) != 1)}.")


@main.command("new-exercise")
@click.option("--assignment", "-a", required=True, help="Which notebook gets it.")
@click.argument("name")
@click.pass_obj
def new_exercise(course: Course, assignment: str, name: str) -> None:
    """Add an exercise that works at once, for its author to change."""
    from grading.skeleton import new_exercise as add

    for words in add(course, assignment, name):
        click.echo(words)


def _wide_console():
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", 160)), highlight=False)


if __name__ == "__main__":
    main(prog_name="python -m grading")
