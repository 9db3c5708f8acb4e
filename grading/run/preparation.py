"""Work out the right answers before the first attempt arrives, in each process that will grade."""

import os
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse


class Preparation:
    """What is left to prepare in the processes of a pool.

    In a process that has never computed an assignment's references, the first submission takes seconds longer: torch's
    optimizers and the compiled hidden tests are used for the first time.

    Args:
        assignments: to prepare for, one after another.
        processes: of the pool.
    """

    def __init__(self, course: Course, assignments: list[str], pool: ProcessPoolExecutor, processes: int):
        self._sources = [course.source(name) for name in assignments]
        self._root, self._pool, self._processes = course.root, pool, processes
        self._running: list[Future[None]] = []

    def go_on(self) -> None:
        """Begin with the next assignment, if the last one is done; to be called while nothing waits to be graded.

        A notebook that fails is not reported here: the canary of its first submission says what is wrong.

        Raises:
            BrokenExecutor: a process of the pool has ended.
        """
        if self._sources and all(future.done() for future in self._running):
            source = self._sources.pop(0)
            # Each one keeps its process busy for a while, so the next goes to another process.
            self._running = [self._pool.submit(prepare, source, self._root) for _ in range(self._processes)]


def prepare(source: Path, root: Path) -> None:
    """Run the hidden tests of an assignment in this process, on the instructor's own answers."""
    os.chdir(root)
    os.environ["NBGRADER_EXECUTION"] = "autograde"  # as while a notebook is graded
    rehearse(notebooks.read(source), hidden_only=True)
