"""The command `similar`, which compares submissions with each other."""

import click

from grading.cli.options import assignment_option
from grading.course.folder import Course


@click.command()
@assignment_option
@click.option("--anonymous", is_flag=True, help="Pseudonyms instead of ids.")
@click.option("--names", is_flag=True, help="Names from students.csv beside the ids.")
@click.option(
    "--threshold",
    default=1.0,
    type=click.FloatRange(0.1, 10),
    help="A factor for the measured thresholds. Below 1, some independent work is reported.",
)
@click.pass_obj
def similar(course: Course, assignment: str | None, anonymous: bool, names: bool, threshold: float) -> None:
    """Write the pairs of similar submissions: build/similar/<assignment>.html."""
    from grading.similarity.page import report

    chosen = course.chosen(assignment)
    if assignment is None:
        chosen = [name for name in chosen if any((course.root / "submitted").glob(f"*/{name}"))] or chosen[:1]
    for name in chosen:
        found = report(course, name, anonymous, names, threshold)
        one = len(found.pairs) == 1
        click.echo(
            f"{name}: {len(found.pairs)} similar pair{'' if one else 's'} (similarity is no proof): {found.path}"
        )
