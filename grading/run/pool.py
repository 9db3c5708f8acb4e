"""Execute sanitized notebooks in worker processes."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from copy import deepcopy
from itertools import islice

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets.config import Config

from grading.course.errors import CourseError
from grading.execution.bounded import BoundedPool, LimitError
from grading.execution.execute import FINDINGS, Execute
from grading.execution.interpreters import Interpreters
from grading.execution.workers import begin
from grading.run import sanitizing
from grading.run.conversion import Converter
from grading.run.results import MOVABLE, Executed, Finished, finish, movable
from grading.run.sanitizing import Sanitized

AHEAD = 16  # submissions that are sanitized and not yet saved; their notebooks are in memory
TOGETHER = 64  # submissions that are saved in one transaction at most; meanwhile no new ones are read
SANITIZERS = 2  # processes; while one reads a notebook that was made to take long, the other serves the rest

# A submission, its notebook, None if it could not be read, and what gives its result or raises.
Result = tuple[Converter, Sanitized | None, Callable[[], Executed | Finished]]


class ClusterError(CourseError):
    """The other machines cannot grade; the message says why and what to do."""


class Elsewhere(Executor):
    """Other machines: they have no folder in common with this one, so each submission is sent as a parcel.

    Attributes:
        ahead: how many submissions may be sent and not yet returned.
        workers: how many machines grade.
    """

    ahead = AHEAD
    workers = 0

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


def execute_and_finish(
    notebook: NotebookNode, resources: dict, config: Config, root: str, steps: list[type[Preprocessor]]
) -> Finished:
    """Run a sanitized notebook in a worker, and do all that needs no gradebook."""
    return finish(execute(notebook, resources, config, root), resources, steps, config)


def run(
    converters: list[Converter], jobs: int | None, executor: Executor | None, started: Interpreters
) -> Iterator[list[Result]]:
    """Sanitize and execute; yields the submissions that are ready at the moment.

    A worker that ends takes with it all that was under way. These run once more, each in a worker of its own, so that
    it is known which of them it was; the others continue in new workers. What took too much when it was sanitized is
    tried once more at the end, too.
    """
    started.prepare_followers()
    begin([sanitizing.__name__])  # for executors that start no interpreters here
    waiting, alone = converters, list[Converter]()
    with (
        BoundedPool(SANITIZERS, sanitizing.SECONDS, sanitizing.MEMORY) as processes,
        ThreadPoolExecutor(SANITIZERS) as threads,
    ):

        def sanitize(converter: Converter) -> Future[Sanitized]:
            return threads.submit(converter.sanitize, processes)

        while waiting:
            pool, left = executor or started.make_pool(jobs), list[Converter]()
            try:
                for ended in _submit(waiting, pool, sanitize):
                    ready: list[Result] = []
                    for converter, sanitized, future in ended:
                        error = future.exception()
                        if isinstance(error, BrokenExecutor) and sanitized is None:
                            left.append(converter)
                        elif isinstance(error, (BrokenExecutor, LimitError)):
                            alone.append(converter)
                        else:
                            ready.append((converter, sanitized, future.result))
                    if ready:
                        yield ready
            finally:
                if executor is None:
                    pool.shutdown(cancel_futures=True)  # the caller has stopped reading
            if executor is not None or len(left) == len(waiting):
                alone += left
                break
            waiting = left
        for converter in alone:
            with contextlib.nullcontext(pool) if isinstance(pool, Elsewhere) else started.make_pool(1) as one:
                for ended in _submit([converter], one, sanitize):
                    yield [(converter, sanitized, future.result) for _, sanitized, future in ended]


def _submit(
    converters: list[Converter], pool: Executor, sanitize: Callable[[Converter], Future[Sanitized]]
) -> Iterator[list[tuple[Converter, Sanitized | None, Future]]]:
    """Hand submissions to a pool, a few ahead of what it can do, and yield those that are finished, in their order.

    The notebook is None for those that never came to the pool.
    """
    read: dict[Future, Converter] = {}
    executed: dict[Future, tuple[Converter, Sanitized]] = {}
    queue = iter(converters)
    while True:
        ahead = pool.ahead if isinstance(pool, Elsewhere) else AHEAD
        for converter in islice(queue, max(0, ahead - len(read) - len(executed))):
            read[sanitize(converter)] = converter
        if not read and not executed:
            return
        done = wait([*read, *executed], return_when=FIRST_COMPLETED).done
        ended: list[tuple[Converter, Sanitized | None, Future]] = []
        for future in [future for future in executed if future in done][:TOGETHER]:
            ended.append((*executed.pop(future), future))
        for future in [future for future in read if future in done]:
            converter = read.pop(future)
            try:
                sanitized = future.result()
                # The first may wait here until the processes of the pool have imported.
                executed[submit(pool, converter, sanitized)] = converter, sanitized
            except Exception as error:
                ended.append((converter, None, _failed(error)))
        if ended:
            yield ended


def submit(pool: Executor, converter: Converter, sanitized: Sanitized) -> Future:
    """Execute a submission in a worker of a pool."""
    if isinstance(pool, Elsewhere):
        return pool.send(converter, sanitized)
    function, *arguments = task(converter, sanitized)
    return pool.submit(function, *arguments)


def task(converter: Converter, sanitized: Sanitized) -> tuple:
    """What a worker on this machine calls to execute a submission: the function and its arguments."""
    config, root = converter.course.config, str(converter.course.root)
    steps = movable(converter.autograde_preprocessors)
    if steps is None:
        return execute, sanitized.notebook, sanitized.resources, execution_settings(config), root
    settings = execution_settings(config, (Execute, *MOVABLE))
    return execute_and_finish, sanitized.notebook, sanitized.resources, settings, root, steps


def _failed(error: Exception) -> Future:
    task: Future = Future()
    task.set_exception(error)
    return task


def execution_settings(config: Config, classes: Iterable[type] = (Execute,)) -> Config:
    """The settings of these classes, for a worker; others may hold classes that are known only in the settings file."""
    names = {cls.__name__ for one in classes for cls in one.mro()} | {"CourseDirectory"}
    chosen = Config({name: deepcopy(section) for name, section in config.items() if name in names})
    chosen.CourseDirectory.pop("db_url", None)  # no worker opens the gradebook, and its password stays here
    return chosen
