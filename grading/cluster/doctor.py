"""`make doctor CLUSTER=...`: what each worker of a cluster has, and which of them can grade."""

from rich.table import Column, Table

from grading.cluster.connection import connection
from grading.cluster.security import FOLDER
from grading.cluster.worker import examined, versions
from grading.course.folder import Course
from grading.course.safe_text import printed

SHOWN = ("threads", "sandbox", "free memory")  # beside the versions, see `worker.examined`


def examine(course: Course, cluster: str) -> dict[str, dict[str, str]]:
    """Ask the workers what they have.

    Returns:
        What `worker.examined` found, by the worker's address; only its `refusal` if the worker could not be asked.

    Raises:
        CourseError, ClusterError: see `connection`.
    """
    isolated = course.config.Execute.get("sandbox") != "none"
    with connection(cluster, course.root / FOLDER) as client:
        answers = client.run(examined, versions(), isolated, on_error="return")
    return {worker: _checked(answer) for worker, answer in sorted(answers.items())}


def _checked(answer: object) -> dict[str, str]:
    """An answer as texts; a worker with another package answers with an error."""
    if isinstance(answer, OSError):
        return {"refusal": "it does not answer"}
    if isinstance(answer, dict):
        return {str(name): _line(value) for name, value in answer.items()}
    return {"refusal": f"another version of the grading package ({type(answer).__name__}: {_line(answer)})"}


def _line(value: object) -> str:
    return printed(" ".join(str(value).split()))


def table(found: dict[str, dict[str, str]]) -> Table:
    """A row for each worker, with the versions that differ from those here."""
    mine = versions()
    made = Table(Column("worker", no_wrap=True), "versions", *SHOWN, "can grade")
    for worker, told in found.items():
        different = [f"{name} {told[name]}" for name in mine if name in told and told[name] != mine[name]]
        same = "as here" if mine.keys() <= told.keys() else "?"
        cells = [told.get(name, "?") for name in SHOWN]
        made.add_row(worker, ", ".join(different) or same, *cells, "no" if told["refusal"] else "yes")
    return made
