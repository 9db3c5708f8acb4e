"""Commands for grading on several machines, see docs/scaling.md."""

from pathlib import Path

import click

from grading.cli.options import jobs_option
from grading.course import cores
from grading.course.folder import Course

certificates_option = click.option(
    "--certificates",
    default=None,
    type=click.Path(path_type=Path),
    help="The folder with certificate.pem and key.pem; default: cluster/ in the course folder.",
)


@click.command()
@click.pass_obj
def certificates(course: Course) -> None:
    """Make cluster/certificate.pem and cluster/key.pem, with which the machines of a cluster trust each other."""
    from grading.cluster import security

    folder = security.make_certificate(course.root / security.FOLDER)
    click.echo(
        f"{folder}: written. Copy it to the machines of the cluster only: it gives access to everything on the cluster."
    )


@click.command()
@click.option("--host", default="127.0.0.1", help="The address to listen on; other machines need certificates.")
@click.option("--port", default=8786, type=click.IntRange(0, 65535))
@certificates_option
@click.pass_obj
def scheduler(course: Course, host: str, port: int, certificates: Path | None) -> None:
    """Run the scheduler of a cluster, which hands submissions to workers."""
    from grading.cluster import security

    security.require_dask()
    from grading.cluster import serve

    serve.scheduler(host, port, certificates or course.root / security.FOLDER, click.echo)


@click.command()
@click.argument("address")
@jobs_option
@certificates_option
@click.pass_obj
def worker(course: Course, address: str, jobs: int | None, certificates: Path | None) -> None:
    """Run a worker for the scheduler at ADDRESS. It needs no course folder."""
    from grading.cluster import security

    security.require_dask()
    from grading.cluster import serve

    serve.worker(address, jobs or cores.usable(), certificates or course.root / security.FOLDER, click.echo)


def print_workers(course: Course, address: str) -> None:
    """Print a table of a cluster's workers.

    Raises:
        ClickException: none of them can grade.
    """
    from grading.cluster import security

    security.require_dask()
    from grading.cli.grades import console
    from grading.cluster import doctor
    from grading.cluster.worker import versions

    found = doctor.examine(course, address)
    click.echo(f"Here: {', '.join(f'{name} {version}' for name, version in versions().items())}")
    console().print(doctor.table(found))
    for worker, told in found.items():
        if told["refusal"]:
            click.echo(f"{worker} takes no work: {told['refusal']}")
    if all(told["refusal"] for told in found.values()):
        raise click.ClickException("no worker can grade." if found else "the scheduler has no workers.")
