"""The grader's side of a cluster: an executor whose tasks are parcels, and whose workers are prepared once."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distributed import Client, KilledWorker
from distributed import Future as Task
from nbformat import NotebookNode

from grading.cluster import configured
from grading.cluster.connection import ANSWER, MAY_KILL, close, connect, identity, limit_failures
from grading.cluster.opening import connection
from grading.cluster.security import FOLDER
from grading.cluster.worker import CRASHED, DONE, FULL, NO_COURSE, CourseOnWorker, execute
from grading.course.folder import Course
from grading.course.safe_text import printed
from grading.run import parcel
from grading.run.conversion import Converter
from grading.run.pool import AHEAD, ClusterError, Elsewhere
from grading.run.results import Executed
from grading.run.sanitizing import Sanitized

PATIENCE = 60.0  # seconds without a worker, or without the scheduler, until grading stops
PREPARING = 3  # so many times longer it waits for workers that are there and have not said that they can grade
TELL, START = 4.0, 10.0  # seconds until it says for whom it waits, and until it begins without them
WIPED = 5.0  # seconds for the workers to remove the course; a frozen one does not answer
AGAIN = "What was graded is saved: run the same command again for the others."
LOST = "The connection to the scheduler is lost."


@dataclass
class _Sent:
    """A submission whose result is waited for; `task` is None if it must be sent again."""

    text: str
    notebook: NotebookNode
    task: Task | None = None


class ClusterExecutor(Elsewhere):
    """Sends parcels to the workers that `plugin` has prepared.

    Args:
        connect: makes a new client when the present one has given up; None if there is no use in it.
        say: gets a line about each worker that takes no work, and about a scheduler that is lost or comes back.
        patience: seconds without any worker, or without the scheduler, until all that is waited for has failed.

    Attributes:
        threads, workers: how many there are that can grade.
        refusals: why workers take no work, by their addresses.
        unready: the addresses of workers that have not said yet whether they can grade.
    """

    def __init__(
        self,
        client: Client,
        plugin: CourseOnWorker,
        connect: Callable[[], Client] | None = None,
        say: Callable[[str], object] = print,
        patience: float = PATIENCE,
    ):
        self.client, self.plugin, self.patience = client, plugin, patience
        self._connect, self._say = connect, say
        self._waiting: dict[Future[Executed], _Sent] = {}
        self._lock, self._closed = threading.Lock(), threading.Event()
        self.threads, self.workers = 0, 0
        self.refusals: dict[str, str] = {}
        self.unready: list[str] = []
        self._told: set[str] = set()  # of which refusals `say` was told
        self._scheduler = ""  # the id of the one that knows the plugin
        self._error = ""
        self._left: set[object] = set()  # the tasks that no worker had when this was asked last

    @property
    def ahead(self) -> int:  # type: ignore[override]  # the base class has a constant, and the pool only reads it
        """Twice as many as there are threads, so that no worker waits for the network."""
        return max(AHEAD, 2 * self.threads)

    def send(self, converter: Converter, sanitized: Sanitized) -> "Future[Executed]":
        future: Future[Executed] = Future()
        sent = _Sent(parcel.pack(converter, sanitized, self.plugin.digest), sanitized.notebook)
        with self._lock:
            self._waiting[future] = sent
        with contextlib.suppress(Exception):  # without a connection it is sent when there is one again
            self._send(future, sent)
        return future

    def _send(self, future: "Future[Executed]", sent: _Sent) -> None:
        need = {self.plugin.name: 1}
        with self._lock:  # against a second thread that sends it, too
            if sent.task is None:
                sent.task = self.client.submit(execute, sent.text, self.plugin.name, pure=False, resources=need)
                sent.task.add_done_callback(partial(self._take, future))

    def _take(self, future: "Future[Executed]", task: Task) -> None:
        sent = self._waiting.get(future)
        if sent is None or sent.task is not task:  # all that was waited for has failed, or it was sent again
            return
        try:
            # Dask asks the scheduler for the result, and before it ends Python waits for the thread that does this.
            ended, text = task.result(timeout=self.patience)
            if ended == FULL:  # that worker takes no more
                sent.task = None
                self._send(future, sent)
                return
            if ended == CRASHED:
                raise BrokenExecutor(text)
            if ended == NO_COURSE:
                raise ClusterError(f"{text} {AGAIN}")
            if ended != DONE:
                raise parcel.ParcelError(str(text)[:5000])
            executed = parcel.opened(text, sent.notebook)
            self._end(future, lambda: future.set_result(executed))
        except KilledWorker:
            self._fail(future, BrokenExecutor(f"{MAY_KILL + 1} workers ended while they executed it"))
        except (CancelledError, OSError):  # a parcel's own errors come as a result: this is the network's
            sent.task = None
        except Exception as error:
            if self.client.status == "running":
                self._fail(future, error)
            else:
                sent.task = None

    def _fail(self, future: "Future[Executed]", error: Exception) -> None:
        self._end(future, lambda: future.set_exception(error))

    def _end(self, future: "Future[Executed]", end: Callable[[], None]) -> None:
        """Give a future its result, once."""
        with self._lock:
            if self._waiting.pop(future, None):
                end()

    def begin(self) -> None:
        """Wait for a worker that can grade, and a few seconds for the others, which may also join later.

        Raises:
            ClusterError: there is none.
        """
        began = seen = time.monotonic()
        told = False
        while True:
            try:
                self._look()
            except OSError:
                raise ClusterError(f"{LOST} Nothing is graded.") from None
            now = time.monotonic()
            if self.unready:
                seen = now
            if self.threads and (not self.unready or now - began > START):
                break
            if not self.threads and not self.unready and (self.refusals or now - seen > self.patience):
                self._raise_nobody()
            if not self.threads and (self._error or now - began > PREPARING * self.patience):
                self._raise_nobody()
            if not told and self.unready and now - began > TELL:
                self._say(f"{self._counted()} ready; waiting for {', '.join(self.unready)}")
                told = True
            time.sleep(0.3)
        self._tell()
        late = f"; {', '.join(self.unready)} may join later" if self.unready else ""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        self._say(f"Grading on {threads} of {self.workers} worker{'s' * (self.workers != 1)}{late}")
        threading.Thread(target=self._look_after, daemon=True).start()

    def _counted(self) -> str:
        number = self.workers + len(self.unready)
        return f"{self.workers} of {number} worker{'s are' if number != 1 else ' is'}"

    def _raise_nobody(self) -> None:
        reasons = {**dict.fromkeys(self.unready, self._error or "it does not answer"), **self.refusals}
        lines = "".join(f"\n  {worker}: {words}" for worker, words in sorted(reasons.items()))
        raise ClusterError(f"No worker can grade, so nothing is graded.{lines or ' There is none.'}")

    def _tell(self) -> None:
        for worker in self.refusals.keys() - self._told:
            self._say(f"Worker {worker} takes no work: {self.refusals[worker]}")
            self._told.add(worker)

    def _look(self) -> None:
        """Ask the scheduler about the workers; prepare them if it is a new one, and send again what it does not have.

        Raises:
            Exception: the scheduler has not answered, or there is no connection.
        """
        if self.client.status == "closed" and self._connect is not None:
            self.client = self._connect()
            for sent in list(self._waiting.values()):
                sent.task = None
        told = identity(self.client)
        if told["id"] != self._scheduler:
            self.client.run_on_scheduler(limit_failures, MAY_KILL)
            if self._scheduler:
                self._say("The scheduler was started again; it gets the submissions that it had.")
            self._scheduler = told["id"]
            threading.Thread(target=self._prepare, args=[self.client], daemon=True).start()
        name, events = self.plugin.name, self.client.scheduler.events
        for _, event in self.client.sync(events, topic=self.plugin.reports, callback_timeout=ANSWER):
            worker, words = event["worker"], printed(str(event["refusal"]))
            self.refusals.setdefault(worker, words)
        ready = {worker: one for worker, one in told["workers"].items() if one.get("resources", {}).get(name)}
        self.threads, self.workers = sum(one["nthreads"] for one in ready.values()), len(ready)
        self.unready = sorted(told["workers"].keys() - ready.keys() - self.refusals.keys())
        if self.threads:
            self._send_again()

    def _send_again(self) -> None:
        """Send submissions that the scheduler does not have, or has given to no worker.

        Dask does not look again at a task for which there was no worker when a worker gets its resource. One that has
        just ended is with no worker either, so this waits for the next time.
        """
        processing = self.client.sync(self.client.scheduler.processing, workers=None, callback_timeout=ANSWER)
        given = {key for keys in processing.values() for key in keys}
        left: set[object] = set()
        for future, sent in list(self._waiting.items()):
            task = sent.task
            if task is not None and task.status == "pending" and task.key not in given:
                left.add(task.key)
                if task.key in self._left:
                    sent.task = None
            if sent.task is None:
                self._send(future, sent)
        self._left = left

    def _prepare(self, client: Client) -> None:
        """Prepare the workers. This takes as long as the slowest needs, and each tells when it is ready."""
        try:
            client.register_plugin(self.plugin, name=self.plugin.name)
        except (CancelledError, OSError):
            pass  # a worker was lost meanwhile
        except Exception as error:
            words = printed(str(error))
            self._error = f"it has another version of the grading package ({type(error).__name__}: {words})"

    def _look_after(self) -> None:
        """Look for workers and for the scheduler; fail all pending submissions when no worker is left."""
        seen, lost = time.monotonic(), False
        while not self._closed.wait(1):
            try:
                self._look()
                self._tell()
                if lost:
                    self._say("The scheduler is there again.")
                lost = False
            except Exception:  # it has no connection, or the scheduler does not answer
                if not lost and not self._closed.is_set():
                    self._say(f"{LOST} It has {self.patience:g} s to come back.")
                lost = True
            now = time.monotonic()
            if self.threads and not lost:
                seen = now
            if now - seen > self.patience * (PREPARING if self.unready and not lost else 1):
                words = f"For {now - seen:.0f} s no worker could grade."
                for future in list(self._waiting):
                    self._fail(future, ClusterError(f"{LOST if lost else words} {AGAIN}"))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Remove the course from the workers, and disconnect."""
        self._closed.set()
        with contextlib.suppress(Exception):
            if self.client.status == "running":
                unregister = self.client.scheduler.unregister_worker_plugin
                self.client.sync(unregister, name=self.plugin.name, callback_timeout=WIPED)
        close(self.client)


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
        cluster: `local:<threads>`, the address of a scheduler, or a file, see `grading/cluster/configured.py`.
        say: gets a line about how many workers can grade, about each that cannot, and about those it waits for.
        certificates: their folder; by default `cluster/` in the course folder.

    Raises:
        CourseError: a part of the course is missing, or the address is not safe.
        ClusterError: there is no scheduler, or no worker that can grade.
    """
    plugin = CourseOnWorker(parcel.course_files(course.root, assignments), parcel.settings(course.config), assignments)
    folder = certificates or course.root / FOLDER
    plan = configured.read(cluster)
    again = None if plan or cluster.startswith("local:") else partial(connect, cluster, folder)
    with connection(cluster, plan, folder) as client:
        if plan:
            patience = plan.wait
            first = f"the first of {plan.workers} workers" if plan.workers > 1 else "the worker"
            say(f"Waiting up to {patience:g} s for {first} from {cluster}")
        executor = ClusterExecutor(client, plugin, again, say, patience)
        try:
            executor.begin()
            yield executor
        finally:
            executor.shutdown()
