"""The grader's side of a cluster: an executor whose tasks are parcels, and whose workers are prepared once."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from functools import partial
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, Scheduler
from distributed import Future as Task
from nbformat import NotebookNode

from grading.cluster.security import FOLDER, require_safe, security
from grading.cluster.worker import CRASHED, DONE, NO_COURSE, CourseOnWorker, execute, refusal
from grading.course.folder import Course
from grading.run import parcel
from grading.run.conversion import Converter, Executed
from grading.run.pool import AHEAD, ClusterError, Elsewhere
from grading.run.sanitizing import Sanitized

PATIENCE = 60.0  # seconds without a worker, or without the scheduler, until grading stops
ANSWER = 20.0  # seconds until a scheduler that does not answer is given up
MAY_KILL = 1  # workers that a submission may take with it before it is set aside
AGAIN = "What was graded is saved: run the same command again for the others."
QUIET = {
    "distributed.worker.daemon": False,  # workers start processes
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.large-graph-warning-threshold": "1 GiB",  # a submission may bring files
}
LOGS = ("distributed", "distributed.client", "distributed.gc")  # to each of them Dask gives a level of its own
# Dask waits five minutes for a frozen worker. A worker that is being prepared does not answer either, for seconds.
LIMITS = {"distributed": {"scheduler": {"worker-ttl": "2 minutes"}}}


class ClusterExecutor(Elsewhere):
    """Sends parcels to the workers that `plugin` has prepared.

    Args:
        patience: seconds without any of them, or without the scheduler, until all that is waited for has failed.
    """

    def __init__(self, client: Client, plugin: CourseOnWorker, patience: float = PATIENCE):
        self.client, self.plugin, self.patience = client, plugin, patience
        self._waiting: set[Future[Executed]] = set()
        self._lock, self._closed = threading.Lock(), threading.Event()
        self.threads = 0
        self._watch = threading.Thread(target=self._look_after, daemon=True)

    @property
    def ahead(self) -> int:  # type: ignore[override]  # the base class has a constant, and the pool only reads it
        """Twice as many as there are threads, so that no worker waits for the network."""
        return max(AHEAD, 2 * self.threads)

    def send(self, converter: Converter, sanitized: Sanitized) -> "Future[Executed]":
        text = parcel.pack(converter, sanitized, self.plugin.digest)
        future: Future[Executed] = Future()
        with self._lock:
            self._waiting.add(future)
        need = {self.plugin.name: 1}
        task = self.client.submit(execute, text, self.plugin.name, pure=False, resources=need)
        task.add_done_callback(partial(self._take, future, sanitized.notebook))
        return future

    def _take(self, future: "Future[Executed]", sent: NotebookNode, task: Task) -> None:
        if future not in self._waiting:  # all that was waited for has failed
            return
        try:
            # Dask asks the scheduler for the result, and before it ends Python waits for the thread that does this.
            ended, text = task.result(timeout=self.patience)
            if ended == CRASHED:
                raise BrokenExecutor(text)
            if ended == NO_COURSE:
                raise ClusterError(f"{text} {AGAIN}")
            if ended != DONE:
                raise parcel.ParcelError(str(text)[:5000])
            self._end(future, lambda: future.set_result(parcel.opened(text, sent)))
        except KilledWorker:
            self._fail(future, BrokenExecutor(f"{MAY_KILL + 1} workers ended while they executed it"))
        except (CancelledError, OSError):  # a parcel's own errors come as a result: this is the network's
            self._fail(future, self._gone())
        except Exception as error:
            self._fail(future, error)

    def _fail(self, future: "Future[Executed]", error: Exception) -> None:
        self._end(future, lambda: future.set_exception(error))

    def _end(self, future: "Future[Executed]", end: Callable[[], None]) -> None:
        """Give a future its result, once."""
        with self._lock:
            if future in self._waiting:
                end()
                self._waiting.discard(future)

    def _gone(self) -> ClusterError:
        return ClusterError(f"The connection to the scheduler is lost. {AGAIN}")

    def _look_after(self) -> None:
        """Fail all that is waited for when there is nobody left to do it."""
        seen = time.monotonic()
        while not self._closed.wait(1):
            try:
                self.threads = ready(self.client, self.plugin.name)
                seen, lost = time.monotonic() if self.threads else seen, False
            except Exception:  # it has no connection, or the scheduler does not answer
                lost = True
            if self.client.status == "closed" or time.monotonic() - seen > self.patience:
                words = f"For {self.patience:g} s no worker could grade. {AGAIN}"
                for future in list(self._waiting):
                    self._fail(future, self._gone() if lost else ClusterError(words))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed.set()


def workers(client: Client) -> dict[str, dict]:
    """What the scheduler knows of its workers, by their addresses.

    Raises:
        Exception: the scheduler has not answered, or there is no connection.
    """
    told: dict[str, dict] = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER)["workers"]
    return told


def ready(client: Client, name: str) -> int:
    """How many threads the prepared workers have; raises as `workers` does."""
    return sum(worker["nthreads"] for worker in workers(client).values() if worker.get("resources", {}).get(name))


def limit_failures(number: int, dask_scheduler: Scheduler) -> None:
    """Make the scheduler give up a task that has killed more than `number` workers."""
    dask_scheduler.allowed_failures = number


@contextlib.contextmanager
def connected(
    course: Course,
    assignments: list[str],
    cluster: str,
    say: Callable[[str], object] = print,
    patience: float = PATIENCE,
    certificates: Path | None = None,
) -> Iterator[ClusterExecutor]:
    """An executor for these assignments, with at least one worker that can grade.

    Args:
        cluster: `local:<threads>`, or the address of a scheduler.
        say: gets a line about each worker that cannot grade, and about how many can.
        certificates: their folder; by default `cluster/` in the course folder.

    Raises:
        CourseError: a part of the course is missing, or the address is not safe.
        ClusterError: there is no scheduler, or no worker that can grade.
    """
    plugin = CourseOnWorker(parcel.course_files(course.root, assignments), parcel.settings(course.config), assignments)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connection(cluster, certificates or course.root / FOLDER))
        client.run_on_scheduler(limit_failures, MAY_KILL)
        stack.callback(_wipe, client, plugin.name)
        _prepare(client, plugin, say)
        executor = ClusterExecutor(client, plugin, patience)
        stack.callback(executor.shutdown)
        executor.threads = _wait_for_workers(client, plugin.name, say, patience)
        executor._watch.start()
        yield executor


@contextlib.contextmanager
def connection(cluster: str, certificates: Path) -> Iterator[Client]:
    """A client of a scheduler; `cluster` as for `connected`.

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
        require_safe(cluster)
        secured = security(certificates) if cluster.startswith("tls://") else None
        try:
            client = Client(cluster, timeout=10, security=secured, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"No scheduler answers at {cluster} ({str(error).splitlines()[0] if str(error) else 'no answer'}). "
                "Start one with: python -m grading scheduler"
            ) from None
        with client:
            yield client


def _prepare(client: Client, plugin: CourseOnWorker, say: Callable[[str], object]) -> None:
    """Prepare the workers; those that the scheduler loses meanwhile are named."""
    before = workers(client)
    try:
        client.register_plugin(plugin, name=plugin.name)
    except OSError:
        for worker in before.keys() - workers(client).keys():
            say(f"Worker {worker} takes no work: it does not answer")


def _wait_for_workers(client: Client, name: str, say: Callable[[str], object], patience: float) -> int:
    """Wait for the first worker that can grade. Returns the number of threads."""
    deadline = time.monotonic() + patience
    told: set[str] = set()
    while True:
        threads, wrong = ready(client, name), _refusals(client, name, told)
        if not threads and (wrong or time.monotonic() > deadline):
            lines = "".join(f"\n  {worker}: {words}" for worker, words in wrong.items())
            raise ClusterError(f"No worker can grade, so nothing is graded.{lines or ' There is none.'}")
        for worker, words in wrong.items():
            say(f"Worker {worker} takes no work: {words}")
        told |= wrong.keys()
        if threads:
            say(f"Grading on {threads} thread{'s' * (threads != 1)} of other processes")
            return threads
        time.sleep(0.5)


def _refusals(client: Client, name: str, told: set[str]) -> dict[str, str]:
    """Why workers cannot grade, without those that have been told."""
    found = client.run(refusal, name, on_error="return").items()
    silent = "it does not answer"
    return {
        one: silent if isinstance(words, OSError) else str(words) for one, words in found if words and one not in told
    }


def _wipe(client: Client, name: str) -> None:
    """Remove the course from the workers."""
    with contextlib.suppress(Exception):
        if client.status == "running":
            client.sync(client.scheduler.unregister_worker_plugin, name=name, callback_timeout=ANSWER)
