"""A Dask worker that grades: it has the course, warm interpreters, and as many processes as threads.

Students' code runs below those processes, as on one machine; Dask's threads only wait for them.
"""

import contextlib
import errno
import os
import platform
import queue
import secrets
import shutil
import tempfile
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import psutil
from distributed import Worker, WorkerPlugin, get_worker
from distributed.system import MEMORY_LIMIT
from distributed.utils import sync

from grading.course import temporary_folders
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution import interpreters
from grading.execution.execute import Execute
from grading.execution.interpreters import Interpreters
from grading.run import fingerprint, parcel
from grading.sandbox.bubblewrap import described, why_not

# How a parcel ends. After `FULL` it must run on another worker.
DONE, CRASHED, NO_COURSE, FAILED, FULL = "done", "crashed", "no course", "failed", "full"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def versions() -> dict[str, str]:
    """What must be the same on all machines, by name."""
    grader = sha256(b"".join(path.read_bytes() for path in fingerprint.grader_files())).hexdigest()[:12]
    python = ".".join(platform.python_version_tuple()[:2])
    found = {"Python": python, "the grading package": f"{version('optimization-course')} ({grader})"}
    return found | {name: version(name) for name in ("torch", "numpy", "nbgrader")}


def why_refused(theirs: dict[str, str], isolated: bool) -> str:
    """Why this worker takes no work from a grader; empty if it does.

    Args:
        theirs: the grader's versions.
        isolated: whether students' code is to be isolated.
    """
    mine = versions()
    different = [
        f"{name} {mine[name]} here and {wanted} at the grader"
        for name, wanted in theirs.items()
        if mine[name] != wanted
    ]
    if different:
        return f"another version: {', '.join(different)}"
    if current_process().daemon:
        return "it may start no processes: start it with --no-nanny, or with python -m grading worker"
    if isolated and (reason := why_not()):
        return reason
    if not isolated and os.environ.get("SANDBOX") != "none":
        return (
            "the grader says SANDBOX=none, and this worker was started without it: it runs no student's code "
            "with its own rights"
        )
    return ""


def why_full(room: int) -> str:
    """Why there is not enough room for students' files; empty if there is.

    Args:
        room: bytes that must be free in the folders for temporary files.
    """
    for folder in {tempfile.gettempdir(), temporary_folders.for_sockets()}:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:  # a quota may be used up on a disk that has room
                file.write(bytes(4096))
                file.flush()
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return f"its disk is full: {folder}: {error.strerror}"
        if free < room:
            return f"its disk is full: {free / 2**20:.0f} MiB are free in {folder}, and {room / 2**20:.0f} are needed"
    return ""


def examined(theirs: dict[str, str], isolated: bool, dask_worker: Worker) -> dict[str, str]:
    """What `make doctor` shows of a worker, see `why_refused`: versions, threads, sandbox, memory, refusal."""
    free = f"{min(psutil.virtual_memory().available, MEMORY_LIMIT) / 2**30:.1f} GiB"
    sandbox = "works" if why_not() is None else described()
    found = {"threads": str(dask_worker.state.nthreads), "sandbox": sandbox, "free memory": free}
    return versions() | found | {"refusal": why_refused(theirs, isolated)}


def name_of(digest: str) -> str:
    """The name of the plugin for a course, and of the resource of the workers that it has prepared."""
    return f"grading-{digest[:16]}"


class CourseOnWorker(WorkerPlugin):
    """Prepares each worker of a cluster once for one course, including workers that join late.

    A worker that cannot grade gets no tasks: they need a resource that only a prepared worker has.

    Args:
        files, settings: the course, see `grading.run.parcel`.
        assignments: whose submissions will come.

    Attributes:
        refusal: why the worker cannot grade; empty if it can.
        reports: the topic of Dask's events under which workers say why they take no work.
    """

    def __init__(self, files: dict[str, bytes], settings: dict[str, Any], assignments: list[str]):
        self.files, self.settings, self.assignments = files, settings, assignments
        self.digest, self.versions = parcel.digest(files, settings), versions()
        self.name, self.refusal = name_of(self.digest), ""
        self.reports = f"{self.name}-{secrets.token_hex(4)}"  # of this run only

    async def setup(self, worker: Worker) -> None:
        self._worker, self._ended, self._open = worker, False, contextlib.ExitStack()
        self._free: queue.Queue[ProcessPoolExecutor] = queue.Queue()
        try:
            self._prepare(worker.state.nthreads)
        except Exception as error:
            self._open.close()
            self.refusal = str(error) or type(error).__name__
            worker.log_event(self.reports, {"refusal": self.refusal})
        else:
            await worker.set_resources(**{self.name: worker.state.nthreads})

    def teardown(self, worker: Worker) -> None:
        """End the processes and wipe the course."""
        self._ended = True
        while not self._free.empty():
            self._free.get().shutdown(wait=False, cancel_futures=True)
        self._open.close()

    def _prepare(self, threads: int) -> None:
        """Raises:
        CourseError: the worker cannot grade.
        """
        told = self.settings.get("Execute", {})
        isolated = told.get("sandbox") != "none"
        if reason := why_refused(self.versions, isolated):
            raise CourseError(reason)
        temporary_folders.sweep()
        self._room = (threads + 1) * told.get("max_disk", Execute.max_disk.default_value)
        if reason := why_full(self._room):
            raise CourseError(reason)
        folder = Path(tempfile.mkdtemp(prefix=temporary_folders.prefix("course")))
        self._open.callback(temporary_folders.remove, folder)
        for path, content in self.files.items():
            target = folder / parcel.inside(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        if parcel.digest(parcel.course_files(folder, self.assignments), self.settings) != self.digest:
            raise CourseError("the course did not arrive as it was sent")
        self._folder = folder
        started = interpreters.start(Course(folder), self.assignments, isolated and told.get("warm", True))
        self._started: Interpreters = self._open.enter_context(started)
        self._started.prepare_followers()
        for _ in range(threads):
            self._free.put(self._started.make_pool(1))

    def run(self, text: str) -> tuple[str, str]:
        """Execute a parcel in a separate process. Returns how it ended, and the result or a message."""
        if self._is_full():
            return FULL, self.refusal
        ended = self._run(text)
        return (FULL, self.refusal) if self._is_full() else ended  # students' code may have met the full disk

    def _is_full(self) -> bool:
        """Whether the disk is full, or was. Then the scheduler sends no more work; what it has sent is given back."""
        if not self.refusal and (reason := why_full(self._room)):
            self.refusal = reason
            self._worker.log_event(self.reports, {"refusal": reason})
            # Change only the scheduler's count: with its own, the worker still accepts and returns queued tasks.
            set_resources = partial(self._worker.scheduler.set_resources, worker=self._worker.contact_address)
            with contextlib.suppress(OSError):  # the scheduler is lost, and with it all that it has sent
                sync(self._worker.loop, partial(set_resources, resources={self.name: 0}))
        return bool(self.refusal)

    def _run(self, text: str) -> tuple[str, str]:
        pool = self._free.get()
        try:
            return DONE, pool.submit(parcel.execute, text, str(self._folder)).result()
        except BrokenExecutor:
            pool = self._started.make_pool(1)
            return CRASHED, "the process that executed it ended"
        except CourseError as error:
            return NO_COURSE, str(error)
        except Exception as error:
            no_room = isinstance(error, OSError) and error.errno in NO_ROOM  # for its own files, or for a moment
            return CRASHED if no_room else FAILED, f"{type(error).__name__}: {error}"
        finally:
            if self._ended:
                pool.shutdown(wait=False)
            self._free.put(pool)


def execute(text: str, name: str) -> tuple[str, str]:
    """Execute a parcel on the worker that runs this."""
    plugin = get_worker().plugins.get(name)
    if not isinstance(plugin, CourseOnWorker):
        return NO_COURSE, "a worker lost the course while grading"
    return plugin.run(text)
