"""A cluster that a file describes: Dask starts it for one command, for example as jobs of SLURM.

The file is YAML. `cluster` is the class that starts it, `options` are the keyword arguments of the class, `workers` is
how many it starts, and `wait` is for how many seconds a run does without any. All else in the file is Dask's own
configuration.
"""

import contextlib
import importlib
import inspect
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from dask.config import collect_yaml
from distributed import Client, SpecCluster, Status

from grading.cluster.connection import ANSWER, LIMITS, NO_PAGES, PRELOAD, close, identity
from grading.cluster.security import CERTIFICATE, INSTALL, is_safe, security
from grading.compat.distributed import start_workers
from grading.course.safe_text import printed
from grading.run.pool import ClusterError

WAIT = 600.0  # seconds: a job may have to wait for its turn
END = 30.0  # seconds to cancel the jobs
EXAMPLE = "cluster: dask_jobqueue.SLURMCluster"
PACKAGES = {"dask_jobqueue": INSTALL}  # of the extra; others are called as their modules


@dataclass(frozen=True)
class Plan:
    """What the file says.

    Attributes:
        name: of the file.
        path: the module and the class that starts the cluster, with dots.
        options: its keyword arguments.
        workers: how many there are to be.
        wait: seconds without any worker until grading stops.
        dask: Dask's own configuration.
    """

    name: str
    path: str
    options: dict[str, Any]
    workers: int
    wait: float
    dask: dict[str, Any]


def read(cluster: str) -> Plan | None:
    """Read the file; None if `CLUSTER` is not the name of one.

    Raises:
        ClusterError: it is missing or says something that has no meaning.
    """
    if not cluster.endswith((".yaml", ".yml")):
        return None
    if not Path(cluster).is_file():
        raise ClusterError(f"CLUSTER={cluster}: there is no such file.")
    try:
        told = next(iter(collect_yaml([cluster])), None)
    except ValueError as error:
        words = " ".join(str(error).partition("original error message:")[2].split())
        raise ClusterError(f"{cluster} is not YAML with names and values{': ' * bool(words)}{printed(words)}") from None
    if told is None:
        raise ClusterError(f"{cluster} is empty, or you may not read it. Write for example: {EXAMPLE}")
    path, options = told.pop("cluster", None), told.pop("options", None) or {}
    workers, wait = told.pop("workers", 1), told.pop("wait", WAIT)
    if not isinstance(path, str) or "." not in path:
        raise ClusterError(f"{cluster} does not name the class that starts the cluster. Write for example: {EXAMPLE}")
    if not isinstance(options, dict):
        raise ClusterError(f"{cluster}: options must be names with values, the keyword arguments of {path}.")
    if type(workers) is not int or workers < 1:
        raise ClusterError(f"{cluster}: workers must be a whole number, and at least 1.")
    if type(wait) not in (int, float) or wait <= 0:
        raise ClusterError(f"{cluster}: wait must be a number of seconds.")
    if "n_workers" in options:
        raise ClusterError(f"{cluster}: write workers: {options['n_workers']} instead of the option n_workers.")
    for name, section in told.items():
        if not isinstance(section, dict):  # Dask's own configuration consists of sections
            raise ClusterError(
                f"{cluster}: {name} has no meaning. The file may have cluster, options, workers, wait, "
                "and sections of Dask's configuration."
            )
    return Plan(cluster, path, options, workers, float(wait), told)


@contextlib.contextmanager
def started(plan: Plan, certificates: Path, logs: Path) -> Iterator[Client]:
    """A client of a cluster that is started for it, and that ends with it. Its workers join when they can.

    Args:
        certificates: their folder.
        logs: the folder for what jobs print.

    Raises:
        CourseError: there are no certificates.
        ClusterError: the cluster cannot be started, or its connections would not be encrypted.
    """
    start = _class(plan)
    dask.config.update_defaults(LIMITS)
    merged = dask.config.merge(dask.config.config, plan.dask)  # `set` alone would replace whole sections
    with dask.config.set(merged), contextlib.ExitStack() as stack:
        options = _options(plan, start, certificates, logs)
        try:
            cluster = start(**options)
            stack.callback(_end, cluster)
            client = Client(cluster, timeout=ANSWER, set_as_default=False)
            stack.callback(close, client)
            address = str(identity(client)["address"])
        except Exception as error:
            raise ClusterError(f"{plan.name}: {plan.path} cannot start: {_line(error)}") from None
        if not is_safe(address):
            raise ClusterError(
                f"{plan.name}: the scheduler at {printed(address)} would send the hidden tests and students' work "
                f"unencrypted. {certificates / CERTIFICATE} does not exist, or {plan.path} does not use it."
            )
        try:
            if isinstance(cluster, SpecCluster):
                start_workers(cluster, plan.workers, plan.wait)
            else:
                cluster.scale(plan.workers)
        except Exception as error:
            raise ClusterError(f"{plan.name}: no worker can be started: {_line(error)}") from None
        yield client


def _class(plan: Plan) -> Any:
    module, _, name = plan.path.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise ClusterError(f"{plan.name}: {module} cannot be imported: {_line(error)}") from None
        install = PACKAGES.get(package, f"Install it: pip install {package.replace('_', '-')}")
        raise ClusterError(f"{plan.name} needs {package}, which is not installed. {install}") from None
    made = getattr(found, name, None)
    if not callable(made):
        others = ", ".join(sorted(other for other in vars(found) if other.endswith("Cluster")))
        raise ClusterError(f"{plan.name}: {module} has no {name}; it has: {others or 'no cluster'}")
    return made


def _options(plan: Plan, start: Any, certificates: Path, logs: Path) -> dict[str, Any]:
    """The keyword arguments: those of the file, and what the workers of this project need.

    Raises:
        CourseError: there are no certificates.
        ClusterError: the machine cannot submit jobs.
    """
    options = dict(plan.options)
    takes = inspect.signature(start).parameters
    if "n_workers" in takes:
        options["n_workers"] = 0  # they are started when it is clear that the connections are encrypted
    job = getattr(start, "job_cls", None)
    if "security" in takes and (job or certificates.is_dir()):
        options["security"] = security(certificates)
    if job is None:
        return options
    program = shlex.split(job.submit_command or "")[:1]  # none: jobs that run on this machine
    if program and shutil.which(program[0]) is None:
        raise ClusterError(f"{plan.name}: {program[0]} is missing. Run this where you can submit jobs.")
    section = f"jobqueue.{options.get('config_name') or job.config_name}"

    def told(name: str) -> Any:
        value = options.get(name.replace("-", "_"))
        return dask.config.get(f"{section}.{name}", None) if value is None else value

    options["processes"] = told("processes") or 1  # one worker for a job, with all of its cores
    options["nanny"] = False  # below a nanny, a worker may start no processes
    options["log_directory"] = told("log-directory") or str(logs)
    pages = {"dashboard": False, "dashboard_address": NO_PAGES}
    options["scheduler_options"] = {**(told("scheduler-options") or {}), **pages}
    ours = ["--no-dashboard", "--dashboard-address", NO_PAGES, "--preload", PRELOAD]
    options["worker_extra_args"] = [*(told("worker-extra-args") or []), *ours]
    return options


def _end(cluster: Any) -> None:
    with contextlib.suppress(Exception):  # the command is over; a job that has just ended cannot be canceled
        cluster.close(timeout=END)
    cluster.status = Status.closed  # also if that failed: otherwise Python complains when it ends


def _line(error: BaseException) -> str:
    words = str(error).partition("job_kwargs={")[0]  # the options, which may hold a password
    return printed(" ".join(words.split()) or type(error).__name__)
