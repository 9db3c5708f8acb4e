"""The commands `watch` and `status`."""

import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grading.cli.options import assignment_option, jobs_option
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.safe_text import printed

if TYPE_CHECKING:
    from grading.run.attempts import Attempt


@click.command()
@assignment_option
@click.option("--pages", type=click.Path(path_type=Path), help="Write pages to this folder as well.")
@jobs_option
@click.pass_obj
def watch(course: Course, assignment: str | None, pages: Path | None, jobs: int | None) -> None:
    """Grade submissions as they arrive, until interrupted."""
    from grading.run.watch import watch as run

    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("grading.watch").setLevel(logging.INFO)
    run(course, course.chosen(assignment), jobs, pages)


@click.command()
@click.pass_obj
def status(course: Course) -> None:
    """Show what `watch` has graded, what is waiting, and what needs a person."""
    import statistics

    from grading.run.watch import health_file, journal_of

    try:
        health = json.loads(health_file(course).read_text(encoding="utf-8"))
        age = (datetime.now(UTC) - datetime.fromisoformat(health["now"])).total_seconds()
        state = f"running since {_local(health['since'])}, process {health['pid']}"
        if age > 60:
            state = f"has not reported for {age:.0f} s ({state})"
    except (OSError, ValueError, KeyError):
        health, state = {}, "not running; start it with: make watch"
    attempts = journal_of(course).attempts()
    counts = Counter(attempt.state for attempt in attempts)
    click.echo(f"grader     {state}")
    if health.get("remark"):
        click.echo(f"           {health['remark']}")
    words = ", ".join(f"{number} {name}" for name, number in counts.items())
    students = len({attempt.student for attempt in attempts})
    click.echo(
        f"attempts   {words}, of {students} student{'s' * (students > 1)}" if attempts else "attempts   none yet"
    )
    seconds = sorted(attempt.seconds for attempt in attempts if attempt.seconds is not None)[-1000:]
    if seconds:
        late = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
        click.echo(f"grading    median {statistics.median(seconds):.2f} s, 95 % within {late:.2f} s")
    waits = [(a.ended - a.received).total_seconds() for a in attempts if a.ended and a.seconds is not None]
    if waits:
        click.echo(
            f"waiting    from arrival to grade: median {statistics.median(waits):.2f} s, longest {max(waits):.2f} s"
        )
    for words in _regrades_due(course, attempts):
        click.echo(f"regrade    {words}")
    failed = [attempt for attempt in attempts if attempt.state == "not graded"]
    click.echo(f"by hand    {len(failed) or 'none'}{', because they could not be graded:' if failed else ''}")
    for attempt in failed[-10:]:
        when = _local(attempt.received.isoformat())
        click.echo(f"  {printed(attempt.student)}, {attempt.assignment}, {when}: {printed(attempt.note or '')}")


def _regrades_due(course: Course, attempts: "list[Attempt]") -> Iterator[str]:
    """For each assignment, how many grades were made with other tests or settings than there are now."""
    from grading.run import fingerprint

    latest = {(attempt.assignment, attempt.student): attempt.state for attempt in attempts}
    for name in sorted({attempt.assignment for attempt in attempts}.intersection(course.assignments)):
        try:
            old = [student for student in fingerprint.outdated(course, name) if latest.get((name, student)) == "graded"]
        except CourseError as error:
            yield str(error)
            continue
        if old:
            grades = f"{len(old)} grade{'s were' if len(old) > 1 else ' was'}"
            yield f"the tests or settings of {name} have changed since {grades} made: make regrade ASSIGNMENT={name}"


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
