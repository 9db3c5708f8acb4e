"""Options that several commands share."""

import click

assignment_option = click.option("--assignment", "-a", default=None, help="Only this assignment; by default all.")

jobs_option = click.option(
    "--jobs",
    "-j",
    default=None,
    type=click.IntRange(1),
    help="How many at once; default: one for each core.",
)
