"""Dask's own: how a cluster of processes or jobs starts its workers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import SpecCluster


def start_workers(cluster: "SpecCluster", number: int, seconds: float) -> None:
    """Start workers, or submit their jobs. `SpecCluster.scale` does the same, but only logs an error.

    Args:
        seconds: a limit.

    Raises:
        Exception: a worker could not be started, or a job could not be submitted.
    """
    for _ in range(number):
        cluster.worker_spec.update(cluster.new_worker_spec())
    cluster.sync(cluster._correct_state, callback_timeout=seconds)
