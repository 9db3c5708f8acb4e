"""What a Dask worker becomes when it grades: it has the course, warm interpreters, and as many processes as threads.

Students' code runs below those processes, as on one machine; Dask's threads only wait for them.
"""

import contextlib
import os
import platform
import queue
import tempfile
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import psutil
from distributed import Worker, WorkerPlugin, get_worker
from distributed.system import MEMORY_LIMIT

from grading.course import temporary_folders
from grading.course.folder import Course, CourseError
from grading.execution import interpreters
from grading.execution.interpreters import Interpreters
from grading.run import fingerprint, parcel
from grading.sandbox.bubblewrap import described, why_not

DONE, CRASHED, NO_COURSE, FAILED = "done", "crashed", "no course", "failed"  # how a parcel ends


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


def examined(theirs: dict[str, str], isolated: bool, dask_worker: Worker) -> dict[str, str]:
    """What `make doctor` shows of a worker, see `why_refused`: versions, threads, sandbox, memory, refusal."""
    free = f"{min(psutil.virtual_memory().available, MEMORY_LIMIT) / 2**30:.1f} GiB"
    sandbox = "works" if why_not() is None else described()
    found = {"threads": str(dask_worker.state.nthreads), "sandbox": sandbox, "free memory": free}
    return versions() | found | {"refusal": why_refused(theirs, isolated)}


def name_of(digest: str) -> str:
    """What the plugin for a course is called, and the resource of the workers that it has prepared."""
    return f"grading-{digest[:16]}"


class CourseOnWorker(WorkerPlugin):
    """Prepares each worker of a cluster once for one course, including workers that join late.

    A worker that cannot grade gets no tasks: they need a resource that only a prepared worker has.

    Args:
        files, settings: the course, see `grading.run.parcel`.
        assignments: whose submissions will come.

    Attributes:
        refusal: why the worker cannot grade; empty if it can.
    """

    def __init__(self, files: dict[str, bytes], settings: dict[str, Any], assignments: list[str]):
        self.files, self.settings, self.assignments = files, settings, assignments
        self.digest, self.versions = parcel.digest(files, settings), versions()
        self.name, self.refusal = name_of(self.digest), ""

    async def setup(self, worker: Worker) -> None:
        self._open = contextlib.ExitStack()
        self._free: queue.Queue[ProcessPoolExecutor] = queue.Queue()
        try:
            self._prepare(worker.state.nthreads)
        except Exception as error:
            self.refusal = str(error) or type(error).__name__
            self._open.close()
        else:
            await worker.set_resources(**{self.name: worker.state.nthreads})

    def teardown(self, worker: Worker) -> None:
        """End the processes and wipe the course."""
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
        pool = self._free.get()
        try:
            return DONE, pool.submit(parcel.execute, text, str(self._folder)).result()
        except BrokenExecutor:
            pool = self._started.make_pool(1)
            return CRASHED, "the process that executed it ended"
        except CourseError as error:
            return NO_COURSE, str(error)
        except Exception as error:
            return FAILED, f"{type(error).__name__}: {error}"
        finally:
            self._free.put(pool)


def execute(text: str, name: str) -> tuple[str, str]:
    """Execute a parcel on the worker that runs this."""
    plugin = get_worker().plugins.get(name)
    if not isinstance(plugin, CourseOnWorker):
        return NO_COURSE, "a worker lost the course while grading"
    return plugin.run(text)


def refusal(name: str, dask_worker: Worker) -> str:
    """Why a worker cannot grade; empty if it can."""
    plugin = dask_worker.plugins.get(name)
    return plugin.refusal if isinstance(plugin, CourseOnWorker) else "it was not prepared"
