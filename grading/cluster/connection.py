"""A client of a Dask scheduler, and what the scheduler knows of its workers."""

import contextlib
from pathlib import Path
from typing import Any

from distributed import Client, Scheduler

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
# Dask waits five minutes for a frozen worker. A worker that is being prepared does not answer either, for seconds.
LIMITS = {"distributed": {"scheduler": {"worker-ttl": "2 minutes"}}}
PRELOAD = "grading.cluster.worker"  # its import takes seconds, in which a worker would answer nobody
NO_PAGES = "127.0.0.1:0"  # Dask listens there all the same, and has nothing to show: see `QUIET`


def connect(address: str, certificates: Path) -> Client:
    """A new client of the scheduler at this address.

    Args:
        certificates: their folder.

    Raises:
        CourseError: the address is not safe, or there are no certificates.
        ClusterError: there is no scheduler.
    """
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
