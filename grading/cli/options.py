"""Options that several commands share, and how they ask before they write."""

import sys

import click

assignment_option = click.option("--assignment", "-a", default=None, help="Only this assignment; by default all.")

jobs_option = click.option(
    "--jobs",
    "-j",
    default=None,
    type=click.IntRange(1),
    help="How many at once; default: one for each core.",
)

cluster_option = click.option("--cluster", default=None, help="local:<number>, or a Dask scheduler: tls://host:8786.")


def agreed(yes: bool, question: str, not_yet: str, refused: str) -> bool:
    """Ask before something is written or sent.

    Args:
        yes: the answer was given in advance.
        not_yet: what to say where nobody can be asked, without a terminal.
        refused: what to say after a no.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        click.echo(not_yet)
        return False
    if click.confirm(question):
        return True
    click.echo(refused)
    return False
