"""Commands that collect from an LMS, and send grades and feedback to it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grading.cli.options import agreed, assignment_option
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.safe_text import printed

if TYPE_CHECKING:
    from grading.lms.canvas_download import Download
    from grading.lms.canvas_post import Posting


@click.command()
@click.option("--assignment", "-a", required=True, help="The assignment.")
@click.option("--from", "source", type=click.Path(path_type=Path), help="The LMS's archive, or a folder.")
@click.option(
    "--lms",
    default=None,
    type=click.Choice(["moodle", "canvas", "folder"]),
    help="Default: recognized by the file names.",
)
@click.option("--worksheet", default=None, type=click.Path(path_type=Path), help="Moodle's grading worksheet.")
@click.option("--yes", is_flag=True, help="Collect without asking.")
@click.option("--undo", is_flag=True, help="Restore submitted/ as it was before the last collection.")
@click.pass_obj
def collect(
    course: Course, assignment: str, source: Path | None, lms: str | None, worksheet: Path | None, yes: bool, undo: bool
) -> None:
    """Show which files of a download go to submitted/, then collect them if you agree."""
    from grading.lms.collect import accept, prepare

    if undo:
        _undo(course, assignment)
        return
    if source is None and lms == "canvas":
        fetched = _fetch(course, assignment)
        made = prepare(course, assignment, fetched.folder, lms, download=fetched)
    elif source is None:
        raise CourseError(
            "Say where the download is: --from <archive or folder>, or --lms canvas to fetch it through Canvas's API"
        )
    else:
        made = prepare(course, assignment, source.expanduser(), lms, worksheet.expanduser() if worksheet else None)
    other = [f"{student} (of {which})" for student, which in made.other.items()]
    for words, students in (
        ("new", made.new),
        ("to be replaced; downloaded/ keeps the old ones", made.replaced),
        ("unchanged", made.unchanged),
        ("to get the submission of their group", made.sharing),
        ("with the notebook of another assignment, not collected", other),
        ("refused, see below", list(made.refused)),
    ):
        _list(students, words)
    if made.left:
        click.echo(f"{len(made.left)} file{'s' * (len(made.left) > 1)} not collected:")
        for name, reason in sorted(made.left.items()):
            click.echo(f"  {printed(name)}: {printed(reason)}")
    if not made.new and not made.replaced and not made.unchanged:
        click.echo("Nothing was collected.")
        return
    not_yet = "Nothing was collected. To collect the submissions, run the same command with YES=yes."
    if not agreed(yes, "Collect this?", not_yet, "Nothing was collected."):
        return
    done = accept(made)
    collected = len(done.new) + len(done.replaced)
    click.echo(f"{collected} collected. To undo this: make collect ASSIGNMENT={assignment} UNDO=yes")
    _list([f"{student} ({of}'s)" for student, of in done.shared.items()], "got the submission of their group")
    _list(done.missing, "handed in nothing")
    for student, remarks in sorted(done.remarks.items()):
        for remark in remarks:
            click.echo(f"  {printed(student)}: {printed(remark)}")
    if done.warning:
        click.echo(done.warning)


def _fetch(course: Course, assignment: str) -> "Download":
    from grading.cli.progress import steps
    from grading.lms.canvas import place
    from grading.lms.canvas_download import download

    course.source(assignment)
    found = place(course, assignment)
    with steps(f"Fetching {assignment}", len(found.handed_in)) as report:
        return download(course, found, report)


def _post(posting: "Posting", yes: bool) -> None:
    """Show what would be sent to Canvas, ask, send it, and print what was sent and what was not."""
    from grading.cli.progress import steps
    from grading.lms.canvas_post import post

    def counted(students: list[str]) -> str:
        return f"{posting.what}{'s' * (len(students) != 1)}"

    shown = [f"{student} ({item.shown})" for item in posting.items for student in item.students]
    _list(shown, f"{counted(shown)} to be sent")
    _list(posting.same, f"{counted(posting.same)} that Canvas has already")
    for kind in (posting.left, posting.remarks):
        for student, why in sorted(kind.items()):
            click.echo(f"  {printed(student)}: {printed(why)}")
    if not posting.items:
        click.echo("There is nothing to send.")
        return
    not_yet = "Nothing was sent. To send this, run the same command with YES=yes."
    if not agreed(yes, "Send this to Canvas?", not_yet, "Nothing was sent."):
        return
    posting.remarks.clear()
    with steps(f"Sending {posting.what}s", len(posting.items)) as report:
        post(posting, report)
    click.echo(f"{len(posting.sent)} {counted(posting.sent)} sent.")
    for student, remark in sorted(posting.remarks.items()):
        click.echo(f"  {printed(student)}: {printed(remark)}")
    if posting.failed:
        failed = sorted(posting.failed)
        lines = [f"  {printed(student)}: {printed(posting.failed[student])}" for student in failed]
        first = f"{len(failed)} {counted(failed)} not sent. Run the same command again to send the rest:"
        raise click.ClickException("\n".join([first, *lines]))


def _list(students: list[str], words: str) -> None:
    if students:
        click.echo(f"{len(students)} {words}: {printed(', '.join(students), 20_000)}")


def _undo(course: Course, assignment: str) -> None:
    from grading.lms.undo import undo

    done = undo(course, assignment)
    _list(done.restored, "restored")
    _list(done.removed, "removed, because they were new")
    _list(done.left, "not restored, because their folder in submitted/ has changed since")
    click.echo("The gradebook is unchanged. To grade the restored submissions, run: make grade")


@click.command()
@assignment_option
@click.option("--yes", is_flag=True, help="Write without asking, even if answers still need manual grading.")
@click.option(
    "--lms",
    default=None,
    type=click.Choice(["moodle", "canvas", "lti"]),
    help="Fill in Moodle's grading worksheet, or send the grades to Canvas through its API.",
)
@click.option(
    "--worksheet",
    default=None,
    type=click.Path(path_type=Path),
    help="Default: the worksheet of `collect`.",
)
@click.option("--scale", is_flag=True, help="Scale the points to the LMS's maximum grade.")
@click.pass_obj
def export(
    course: Course, assignment: str | None, yes: bool, lms: str | None, worksheet: Path | None, scale: bool
) -> None:
    """Write files of grades for Moodle and Canvas, and a table of every test cell."""
    from grading.gradebook import late_penalties as late_
    from grading.lms.export import export as write
    from grading.lms.export import ungraded
    from grading.lms.fill_worksheet import fill

    if lms == "lti":
        raise CourseError(
            "LTI is not supported: it needs a web server that the LMS has registered. Use LMS=moodle, LMS=canvas "
            "or the CSV files of `make export` (see docs/running-a-class.md)."
        )
    lms = "moodle" if worksheet else lms
    if lms and assignment is None:
        raise CourseError(f"Export one assignment at a time to an LMS: make export ASSIGNMENT=<name> LMS={lms}")
    chosen = course.chosen(assignment)
    late_.apply(course)
    for name, waiting in ungraded(course, chosen).items():
        cells = sorted({cell for own in waiting.values() for cell in own})
        number = sum(map(len, waiting.values()))
        click.echo(
            f"{name}: {number} answer{'s' * (number > 1)} of {len(waiting)} student{'s' * (len(waiting) > 1)} "
            f"not graded by hand yet ({', '.join(cells)}): {printed(', '.join(sorted(waiting)))}. "
            "They count as 0, or with the points of an earlier answer."
        )
        if yes or (lms == "canvas" and not sys.stdin.isatty()):  # then `_post` only shows what it would send
            continue
        remedy = f"Nothing was written. Grade them with make mark ASSIGNMENT={name} or in formgrader, then export again"
        if not sys.stdin.isatty():
            raise click.ClickException(f"{remedy}; or run the same command with YES=yes.")
        if not click.confirm("Export without them?"):
            raise click.ClickException(f"{remedy}.")
    if lms == "canvas":
        from grading.lms.canvas_post import grades

        _post(grades(course, chosen[0], scale), yes)
        return
    if lms:
        done = fill(course, chosen[0], worksheet.expanduser() if worksheet else None, scale)
        click.echo(f"{len(done.graded)} grades and comments to upload to Moodle: {done.path}")
        for student, why in sorted(done.left.items()):
            click.echo(f"  {printed(student)}: {why}")
        for remark in done.remarks:
            click.echo(f"  {printed(remark)}")
        return
    for path in write(course, chosen):
        click.echo(f"Exported: {path}")


@click.command("return-feedback")
@assignment_option
@click.option(
    "--lms", default=None, type=click.Choice(["moodle", "canvas"]), help="Send them to Canvas through its API."
)
@click.option("--yes", is_flag=True, help="Send them without asking.")
@click.pass_obj
def return_feedback(course: Course, assignment: str | None, lms: str | None, yes: bool) -> None:
    """Zip the feedback pages for upload to Moodle or Canvas, or send them to Canvas."""
    from grading.lms.return_feedback import hand_back

    if lms == "canvas":
        from grading.lms.canvas_post import pages

        if assignment is None:
            raise CourseError(
                "Send the pages of one assignment at a time: make return-feedback ASSIGNMENT=<name> LMS=canvas"
            )
        course.source(assignment)
        _post(pages(course, assignment), yes)
        return
    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "feedback").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        done = hand_back(course, name)
        click.echo(f"{len(done.students)} feedback pages: {done.path}")
        for student, why in done.left.items():
            click.echo(f"  {printed(student)}: {printed(why)}")


@click.command()
@click.pass_obj
def late(course: Course) -> None:
    """Apply due dates, extensions and the late rule to graded submissions."""
    from grading.gradebook import late_penalties as late_

    changed = late_.apply(course)
    for (assignment, student), (before, after) in sorted(changed.items()):
        click.echo(f"{assignment}, {printed(student)}: late penalty {after:g} points (before: {before:g})")
    click.echo(f"{len(changed)} penalt{'y' if len(changed) == 1 else 'ies'} changed.")
