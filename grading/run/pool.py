"""Execute sanitized notebooks in worker processes."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from copy import deepcopy
from itertools import islice

from nbformat import NotebookNode
from traitlets.config import Config

from grading.course.folder import CourseError
from grading.execution.execute import FINDINGS, Execute
from grading.execution.interpreters import Interpreters
from grading.run.conversion import Converter, Executed, Sanitized

AHEAD = 16  # submissions that are sanitized and not yet saved; their notebooks are in memory


class ClusterError(CourseError):
    """The other machines cannot grade; the message says why and what to do."""


class Elsewhere(Executor):
    """Other machines: they have no folder in common with this one, so each submission is sent as a parcel.

    Attributes:
        ahead: how many submissions may be sent and not yet returned.
    """

    ahead = AHEAD

    def send(self, converter: Converter, sanitized: Sanitized) -> "Future[Executed]":
        """Execute a submission on one of them, see `grading/run/parcel.py`."""
        raise NotImplementedError


def execute(notebook: NotebookNode, resources: dict, config: Config, root: str) -> Executed:
    """Run a sanitized notebook in a worker; `resources` as nbgrader has them."""
    os.chdir(root)
    os.environ["NBGRADER_EXECUTION"] = "autograde"  # as stock nbgrader does: long demonstrations may look at it
    for last in (False, True):  # a kernel that could not be started is no student's fault
        preprocessor = Execute(config=config)
        preprocessor.log = logging.Logger("grading.execution.execute", logging.CRITICAL)
        try:
            notebook, resources = preprocessor.preprocess(notebook, resources)
            break
        except Exception:
            if last:
                raise
    findings = resources.pop(FINDINGS)
    findings.cell_seconds = {name: round(value, 3) for name, value in findings.cell_seconds.items()}
    return Executed(notebook, findings)


def run(
    converters: list[Converter], jobs: int | None, executor: Executor | None, started: Interpreters
) -> Iterator[tuple[Converter, Sanitized | None, Callable[[], Executed]]]:
    """Sanitize and execute; each submission with a function that gives its result, or raises, as they come in.

    If a worker crashes, the pool loses all running submissions. They run again, each in its own worker, to find out
    which of them caused the crash.
    """
    again: list[Converter] = []
    started.prepare_followers()
    pool = executor or started.make_pool(jobs)
    try:
        for converter, sanitized, future in _submit(converters, pool):
            if isinstance(future.exception(), BrokenExecutor):
                again.append(converter)
            else:
                yield converter, sanitized, future.result
    finally:
        if executor is None:
            pool.shutdown(cancel_futures=True)  # the caller has stopped reading
    for converter in again:
        with contextlib.nullcontext(pool) if isinstance(pool, Elsewhere) else started.make_pool(1) as alone:
            yield from ((one, sanitized, future.result) for one, sanitized, future in _submit([converter], alone))


def _submit(converters: list[Converter], pool: Executor) -> Iterator[tuple[Converter, Sanitized | None, Future]]:
    """Hand submissions to a pool, a few ahead of what it can do, and yield them as they are finished."""
    waiting: dict[Future, tuple[Converter, Sanitized | None]] = {}
    queue = iter(converters)
    while True:
        ready: list[tuple[Converter, Sanitized]] = []
        ahead = pool.ahead if isinstance(pool, Elsewhere) else AHEAD
        for converter in islice(queue, max(0, ahead - len(waiting))):
            try:
                ready.append((converter, converter.sanitize()))
            except Exception as error:
                waiting[_failed(error)] = converter, None
        for converter, sanitized in ready:  # the first may wait here until the processes of the pool have imported
            try:
                task = submit(pool, converter, sanitized)
            except Exception as error:
                task = _failed(error)
            waiting[task] = converter, sanitized
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield *waiting.pop(future), future


def submit(pool: Executor, converter: Converter, sanitized: Sanitized) -> Future:
    """Execute a submission in a worker of a pool."""
    if isinstance(pool, Elsewhere):
        return pool.send(converter, sanitized)
    settings, root = execution_settings(converter.course.config), str(converter.course.root)
    return pool.submit(execute, sanitized.notebook, sanitized.resources, settings, root)


def _failed(error: Exception) -> Future:
    task: Future = Future()
    task.set_exception(error)
    return task


def execution_settings(config: Config) -> Config:
    """The settings that a worker needs; others may hold classes that are known only in the settings file."""
    names = {cls.__name__ for cls in Execute.mro()} | {"CourseDirectory"}
    chosen = Config({name: deepcopy(section) for name, section in config.items() if name in names})
    chosen.CourseDirectory.pop("db_url", None)  # no worker opens the gradebook, and its password stays here
    return chosen
