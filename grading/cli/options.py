"""Options that several commands share, and the question before they write or send."""

import sys

import click

assignment_option = click.option("--assignment", "-a", default=None, help="Only this assignment; by default all.")

jobs_option = click.option(
    "--jobs",
    "-j",
    default=None,
    type=click.IntRange(1),
    help="How many submissions at once; default: one for each core.",
)

cluster_option = click.option(
    "--cluster", default=None, help="A Dask cluster: local:<number>, tls://host:8786, or a file (.yaml)."
)


def agreed(yes: bool, question: str, not_yet: str, refused: str) -> bool:
    """Ask before something is written or sent.

    Args:
        yes: do not ask.
        not_yet: the message if there is no terminal.
        refused: the message after the answer no.
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
