"""`make doctor CLUSTER=...`: what each worker of a cluster has, and which of them can grade."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from distributed import Client
from rich.table import Column, Table

from grading.cluster import configured
from grading.cluster.configured import Plan
from grading.cluster.connection import identity
from grading.cluster.opening import connection
from grading.cluster.security import FOLDER
from grading.cluster.worker import examined, versions
from grading.course.folder import Course
from grading.course.safe_text import printed

LIMIT = 10.0  # seconds for a worker to answer
SHOWN = ("threads", "sandbox", "free memory")  # beside the versions, see `worker.examined`


def examine(course: Course, cluster: str) -> dict[str, dict[str, str]]:
    """Ask the workers what they have.

    Returns:
        What `worker.examined` found, by the worker's address; only its `refusal` if the worker could not be asked.

    Raises:
        CourseError, ClusterError: see `connection`.
    """
    isolated = course.config.Execute.get("sandbox") != "none"
    plan = configured.read(cluster)
    with connection(cluster, plan, course.root / FOLDER) as client:
        workers = _all(client, plan)

        def ask(worker: str) -> object:
            # `run` waits for a frozen worker until the scheduler gives it up; this limit is of the client's own.
            waits: dict[str, Any] = {"on_error": "return", "callback_timeout": LIMIT}
            try:
                return client.run(examined, versions(), isolated, workers=[worker], **waits).get(worker, OSError())
            except (OSError, TimeoutError) as error:
                return error

        with ThreadPoolExecutor(max(1, len(workers))) as threads:
            answers = dict(zip(workers, threads.map(ask, workers)))
    return {worker: _checked(answer) for worker, answer in answers.items()}


def _all(client: Client, plan: Plan | None) -> list[str]:
    """The workers' addresses. Those of a file are waited for, because they have just been started."""
    began = time.monotonic()
    while True:
        workers = sorted(identity(client)["workers"])
        if plan is None or len(workers) >= plan.workers or time.monotonic() - began > plan.wait:
            return workers
        time.sleep(0.3)


def _checked(answer: object) -> dict[str, str]:
    """An answer as texts; a worker with another package answers with an error."""
    if isinstance(answer, TimeoutError):  # an OSError, too
        return {"refusal": f"it has not answered for {LIMIT:g} s: it is frozen, cut off, or very busy"}
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
