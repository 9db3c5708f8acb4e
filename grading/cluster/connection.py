"""A client of a Dask scheduler, and what the scheduler knows of its workers."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Scheduler

from grading.cluster.security import require_safe, security
from grading.run.pool import ClusterError

ANSWER = 20.0  # seconds until a scheduler that does not answer is given up
MAY_KILL = 1  # workers that a submission may take with it before it is set aside
QUIET = {
    "distributed.worker.daemon": False,  # workers start processes
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.large-graph-warning-threshold": "1 GiB",  # a submission may bring files
}
LOGS = ("distributed", "distributed.client", "distributed.gc")  # to each of them Dask gives a level of its own
# Dask waits five minutes for a frozen worker. A worker that is being prepared does not answer either, for seconds.
LIMITS = {"distributed": {"scheduler": {"worker-ttl": "2 minutes"}}}


@contextlib.contextmanager
def connection(cluster: str, certificates: Path) -> Iterator[Client]:
    """A client of a scheduler.

    Args:
        cluster: `local:<threads>`, or the address of a scheduler.
        certificates: their folder.

    Raises:
        CourseError: the address is not safe, or there are no certificates.
        ClusterError: there is no scheduler.
    """
    for name in LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # one sentence reports the error
    kind, _, number = cluster.partition(":")
    with dask.config.set(QUIET):
        if kind == "local":
            if not number.isdigit() or not int(number):
                raise ClusterError(f"CLUSTER={cluster}: write local:4 for four submissions at once.")
            options = {"processes": True, "dashboard_address": None, "host": "127.0.0.1"}
            with LocalCluster(n_workers=1, threads_per_worker=int(number), **options) as made, Client(made) as client:
                yield client
            return
        client = connect(cluster, certificates)
        try:
            yield client
        finally:
            close(client)


def connect(address: str, certificates: Path) -> Client:
    """A new client of the scheduler at this address; raises as `connection` does."""
    require_safe(address)
    secured = security(certificates) if address.startswith("tls://") else None
    try:
        return Client(address, timeout=10, security=secured, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ClusterError(
            f"No scheduler answers at {address} ({str(error).splitlines()[0] if str(error) else 'no answer'}). "
            "Start one with: python -m grading scheduler"
        ) from None


def close(client: Client) -> None:
    """Close a client. Dask raises an error if the client was just connecting again; nothing is left open then."""
    with contextlib.suppress(OSError, RuntimeError):
        client.close()


def identity(client: Client) -> dict[str, Any]:
    """What the scheduler reports about itself: its `id`, which changes with a restart, and `workers` by address.

    Raises:
        Exception: the scheduler has not answered, or there is no connection.
    """
    told: dict[str, Any] = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER)
    return told


def limit_failures(number: int, dask_scheduler: Scheduler) -> None:
    """Make the scheduler give up a task that has killed more than `number` workers."""
    dask_scheduler.allowed_failures = number
