"""A client of the cluster that `CLUSTER` names: a number of threads here, an address, or a file."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import dask
from distributed import Client, LocalCluster

from grading.cluster import configured
from grading.cluster.configured import Plan
from grading.cluster.connection import QUIET, close, connect
from grading.run.pool import ClusterError

LOGS = ("distributed", "distributed.client", "distributed.gc")  # to each of them Dask gives a level of its own


@contextlib.contextmanager
def connection(cluster: str, plan: Plan | None, certificates: Path) -> Iterator[Client]:
    """A client of a scheduler.

    Args:
        cluster: `local:<threads>`, the address of a scheduler, or a file.
        plan: what the file says; None for the others.
        certificates: their folder, in the course folder.

    Raises:
        CourseError: the address is not safe, or there are no certificates.
        ClusterError: there is no scheduler, or the cluster cannot be started.
    """
    for name in LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # one sentence reports the error
    kind, _, number = cluster.partition(":")
    with dask.config.set(QUIET):
        if plan is not None:
            with configured.started(plan, certificates, certificates.with_name("build") / "cluster") as client:
                yield client
        elif kind == "local":
            if not number.isdigit() or not int(number):
                raise ClusterError(f"CLUSTER={cluster}: write local:4 for four submissions at once.")
            options = {"processes": True, "dashboard_address": None, "host": "127.0.0.1"}
            with LocalCluster(n_workers=1, threads_per_worker=int(number), **options) as made, Client(made) as client:
                yield client
        else:
            client = connect(cluster, certificates)
            try:
                yield client
            finally:
                close(client)
