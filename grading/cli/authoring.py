"""Commands that make and check the course."""

from datetime import datetime
from pathlib import Path

import click

from grading.cli.options import assignment_option, jobs_option
from grading.course.folder import Course


@click.command()
@assignment_option
@click.option("--new-secret", is_flag=True, help="Draw the inputs of hidden tests from a new gradebook.secret.")
@click.pass_obj
def release(course: Course, assignment: str | None, new_secret: bool) -> None:
    """Generate release/ from source/."""
    from grading.authoring.release import release as make
    from grading.gradebook import changed_tests, secret
    from grading.gradebook.copies import keep_copy

    if new_secret:
        with course.alone():
            secret.renew(course)
        click.echo(f"{secret.file_of(course).name}: written; make grade will grade everyone again, with other inputs")
    secret.of(course)  # before anything is changed
    for name in course.chosen(assignment):
        if changed_tests.removed(course, name):
            click.echo(f"Copy of the old gradebook: {keep_copy(course, datetime.now())}")
        for words in changed_tests.fit(course, name):
            click.echo(f"{name}: {words}")
        click.echo(f"release/{make(course, name).name}: written")


@click.command()
@assignment_option
@click.option("--repository", default=None, help="https://github.com/<owner>/<name>, for links to Binder and Colab.")
@click.option("--hub", default=None, help="The address of the course's JupyterHub, for a link.")
@click.pass_obj
def handout(course: Course, assignment: str | None, repository: str | None, hub: str | None) -> None:
    """Zip the handout for students: the release, an environment, and a page that says how to begin."""
    from grading.authoring.handout import handout as make

    for name in course.chosen(assignment):
        click.echo(f"{make(course, name, repository, hub)}: written")


@click.command()
@assignment_option
@click.pass_obj
def check(course: Course, assignment: str | None) -> None:
    """List every problem found in the course; write nothing."""
    from grading.authoring.check import check as run

    faults = run(course, assignment, lambda words: click.echo(f"checked: {words}"))
    for fault in faults:
        click.echo(f"  {fault}", err=True)
    if faults:
        raise click.ClickException(f"{len(faults)} problem{'s' * (len(faults) > 1)}, see above")
    click.echo("No problems found.")


@click.command()
@click.pass_obj
def lock(course: Course) -> None:
    """Write environment.yml from requirements.lock; `make lock` also updates requirements.lock."""
    from grading.authoring.lock import write

    for path in write(course):
        click.echo(f"{path.name}: written")


@click.command()
@click.pass_obj
def normalize(course: Course) -> None:
    """Normalize the source notebooks, and write their given code, tables and folded cells."""
    from grading.authoring import embed
    from grading.course import notebooks

    for name in course.chosen(None):
        path = course.source(name)
        notebook = notebooks.read(path)
        for words in embed.differing(course, name, notebook):
            click.echo(f"source/{name}/{name}.ipynb: {words}: updated")
        notebooks.write(embed.assembled(course, name, notebook), path)
        click.echo(f"source/{name}/{name}.ipynb: in normal form")


@click.command("new-exercise")
@click.option("--assignment", "-a", required=True, help="The assignment to add it to.")
@click.option("--kind", default="function", type=click.Choice(["function", "written"]), help="What students write.")
@click.argument("name")
@click.pass_obj
def new_exercise(course: Course, assignment: str, kind: str, name: str) -> None:
    """Add a working skeleton of an exercise."""
    from grading.authoring.new_exercise import new_exercise as add

    for words in add(course, assignment, name, written=kind == "written"):
        click.echo(words)


@click.command()
@assignment_option
@click.option("--exercise", "-e", default=None, help="Only this exercise.")
@jobs_option
@click.pass_obj
def mutants(course: Course, assignment: str | None, exercise: str | None, jobs: int | None) -> None:
    """Mutate the reference solutions; a hidden test must catch every mutant."""
    from grading.authoring import mutants as mutation
    from grading.cli.progress import steps

    chosen = [m for name in course.chosen(assignment) for m in mutation.all_mutants(course, name)]
    chosen = [m for m in chosen if exercise in (None, m.cell)]
    with steps("Mutants", len(chosen)) as advance:
        trials = mutation.run(course, chosen, jobs, done=lambda t: advance(f"{t.mutant.cell}"))
    known = [one for name in course.chosen(assignment) for one in mutation.mistakes(course, name, exercise)]
    with steps("Known mistakes", len(known)) as advance:
        told = mutation.sentences(mutation.run(course, known, jobs, done=lambda t: advance(f"{t.mutant.cell}")))
    page = course.root / "build" / "mutants" / "index.html"
    mutation.write_report(course, trials, page, told)
    equivalent = mutation.load_equivalent(course.root / "mistakes" / "equivalent.toml")
    weak, stale = mutation.verdict(trials, equivalent)
    for mutant in weak:
        click.echo(f"survived: {mutant.cell}: {mutant.before}  ->  {mutant.after}", err=True)
    for words in stale:
        click.echo(f"mistakes/equivalent.toml: {words}", err=True)
    click.echo(f"{len(trials)} mutants, {len(weak)} survived. The matrix: {page}")
    if weak or stale:
        raise click.ClickException("Strengthen the hidden tests, or correct mistakes/equivalent.toml.")


@click.command()
@assignment_option
@click.option("--sizes", default=None, help="Numbers of submissions, such as 10,60,300.")
@click.option("--few", default=1, type=click.IntRange(1), help="How many submissions stock nbgrader grades.")
@click.option("--otter", is_flag=True, help="Also measure otter-grader, which is installed in build/otter.")
@click.option("--out", default="docs/benchmark.md", type=click.Path(path_type=Path), help="The report.")
@click.option("--cluster", is_flag=True, help="Only measure what a cluster on these cores costs; writes no report.")
@click.option("--writer", default=None, help="Only measure saving: yes, or the URL of an empty database.")
@jobs_option
@click.pass_obj
def bench(
    course: Course,
    assignment: str | None,
    sizes: str | None,
    few: int,
    otter: bool,
    out: Path,
    cluster: bool,
    writer: str | None,
    jobs: int | None,
) -> None:
    """Compare the speed with stock nbgrader and write a report. Run nothing else on the machine meanwhile."""
    from grading.benchmark import comparison as measuring
    from grading.benchmark.otter import install
    from grading.course import cores

    sizes = sizes or ("10,60" if cluster else "100,1000" if writer else "10")
    numbers, jobs = [int(word) for word in sizes.split(",")], jobs or cores.usable()
    names = course.chosen(assignment)
    if cluster:
        _bench_cluster(course, names, numbers, jobs)
        return
    if writer:
        _bench_writer(course, names[-1], numbers, "" if writer == "yes" else writer)
        return
    other = install(course) if otter else None
    results = [measuring.run(course, name, numbers, few, jobs, click.echo, other) for name in names]
    report = measuring.Report(results, jobs, measuring.run_large(course, names[-1], said=click.echo))
    for name, (before, now) in measuring.write_report(report, course.root / out).items():
        click.echo(f"Changed since the last report: {name}: {before:g} before, now {now:g}")
    measuring.clean(course)
    click.echo(f"The report: {out}")


def _bench_writer(course: Course, name: str, sizes: list[int], database: str) -> None:
    from grading.benchmark import writer
    from grading.benchmark.comparison import clean
    from grading.cli.grades import console

    console().print(writer.table(name, writer.run(course, name, sizes, database, click.echo)))
    clean(course)


def _bench_cluster(course: Course, names: list[str], sizes: list[int], jobs: int) -> None:
    from grading.benchmark import cluster
    from grading.benchmark.comparison import clean
    from grading.cli.grades import console
    from grading.cluster.security import require_dask

    require_dask()
    for name in names:
        console().print(cluster.table(name, cluster.run(course, name, sizes, jobs, click.echo)))
    clean(course)
