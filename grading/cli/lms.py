"""Commands for the way to and from the LMS."""

import sys
from pathlib import Path

import click

from grading.cli.options import assignment_option
from grading.course.folder import Course, CourseError
from grading.course.safe_text import printed


@click.command()
@click.option("--assignment", "-a", required=True, help="Which assignment this is.")
@click.option(
    "--from", "source", required=True, type=click.Path(path_type=Path), help="The LMS's archive, or a folder."
)
@click.option("--lms", default=None, type=click.Choice(["moodle", "canvas", "folder"]), help="By default seen from it.")
@click.option("--worksheet", default=None, type=click.Path(path_type=Path), help="Moodle's grading worksheet.")
@click.pass_obj
def collect(course: Course, assignment: str, source: Path, lms: str | None, worksheet: Path | None) -> None:
    """Put what an LMS hands out into submitted/, and list every file that was not collected."""
    from grading.lms.collect import collect as take

    done = take(course, assignment, source.expanduser(), lms, worksheet.expanduser() if worksheet else None)
    for words, students in (
        ("new", done.new),
        ("replaced, the old one is kept in downloaded/", done.replaced),
        ("as before", done.unchanged),
        ("got the submission of their group", [f"{student} ({of}'s)" for student, of in done.shared.items()]),
        ("handed in nothing", done.missing),
        ("handed in something that was refused, see below", done.refused),
    ):
        if students:
            click.echo(f"{len(students)} {words}: {printed(', '.join(students), 20_000)}")
    for student, remarks in sorted(done.remarks.items()):
        for remark in remarks:
            click.echo(f"  {printed(student)}: {printed(remark)}")
    if done.warning:
        click.echo(done.warning)
    if done.left:
        click.echo(f"{len(done.left)} file{'s' * (len(done.left) > 1)} not collected:")
        for name, reason in sorted(done.left.items()):
            click.echo(f"  {printed(name)}: {printed(reason)}")


@click.command()
@assignment_option
@click.option("--yes", is_flag=True, help="Write without asking, also if answers wait to be graded by hand.")
@click.option("--lms", default=None, type=click.Choice(["moodle"]), help="Fill in Moodle's grading worksheet.")
@click.option("--worksheet", default=None, type=click.Path(path_type=Path), help="Default: the one of `collect`.")
@click.option("--scale", is_flag=True, help="Scale the points to Moodle's maximum grade.")
@click.pass_obj
def export(
    course: Course, assignment: str | None, yes: bool, lms: str | None, worksheet: Path | None, scale: bool
) -> None:
    """Write the grades as Moodle and Canvas import them, and every test cell as a table."""
    from grading.gradebook import late_penalties as late_
    from grading.lms.export import export as write
    from grading.lms.export import ungraded
    from grading.lms.fill_worksheet import fill

    lms = "moodle" if worksheet else lms
    if lms and assignment is None:
        raise CourseError("A grading worksheet is that of one assignment: make export ASSIGNMENT=<name> LMS=moodle")
    chosen = course.chosen(assignment)
    late_.apply(course)
    for name, waiting in ungraded(course, chosen).items():
        cells = sorted({cell for own in waiting.values() for cell in own})
        number = sum(map(len, waiting.values()))
        click.echo(
            f"{name}: {number} answer{'s' * (number > 1)} of {len(waiting)} student{'s' * (len(waiting) > 1)} "
            f"not graded by hand yet and count as 0 here ({', '.join(cells)}): " + printed(", ".join(sorted(waiting)))
        )
        if not yes and sys.stdin.isatty() and not click.confirm("Export without them?"):
            raise click.ClickException("Nothing is written. Grade them in formgrader, then export again.")
    if lms:
        done = fill(course, chosen[0], worksheet.expanduser() if worksheet else None, scale)
        click.echo(f"{len(done.graded)} grades and comments, to be uploaded to Moodle: {done.path}")
        for student, why in sorted(done.left.items()):
            click.echo(f"  {printed(student)}: {why}")
        for remark in done.remarks:
            click.echo(f"  {printed(remark)}")
        return
    for path in write(course, chosen):
        click.echo(f"Exported: {path}")


@click.command("return-feedback")
@assignment_option
@click.pass_obj
def return_feedback(course: Course, assignment: str | None) -> None:
    """Pack the feedback pages into an archive that Moodle or Canvas takes back."""
    from grading.lms.return_feedback import hand_back

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "feedback").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        done = hand_back(course, name)
        click.echo(f"{len(done.students)} feedback pages: {done.path}")
        for student, why in done.left.items():
            click.echo(f"  {student}: {why}")


@click.command()
@click.pass_obj
def late(course: Course) -> None:
    """Apply due dates, extensions and the late rule to what is graded already."""
    from grading.gradebook import late_penalties as late_

    changed = late_.apply(course)
    for (assignment, student), (before, after) in sorted(changed.items()):
        click.echo(f"{assignment}, {student}: {after:g} points off for being late, before {before:g}")
    click.echo(f"{len(changed)} penalt{'y' if len(changed) == 1 else 'ies'} changed.")
