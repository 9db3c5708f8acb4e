"""The interpreters from which workers and kernels are forked. They import for seconds while the grader prepares.

Both start together and as early as possible, so this module imports little and nothing of nbgrader. It does not read
the settings, because that imports all of nbgrader.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grading.course.folder import Course
from grading.execution.workers import begin, make_pool
from grading.kernels.torch_masks import Missing
from grading.kernels.zygote_client import share, wake, zygotes
from grading.sandbox.bubblewrap import SandboxError

# Words in a source notebook that show which followers its hidden tests need.
FOLLOWED = {
    Missing.TORCH: (b"oracle.optimizers", b"training.iterate", b"same_gradients"),
    Missing.OPTIMIZERS: (b"real_parameters.",),
}
PRELOAD = "grading.execution.forkserver_preload"


@dataclass(frozen=True)
class Interpreters:
    """The interpreters that `start` has started.

    Attributes:
        make_pool: makes a pool of a number of processes, by default one for each core, that execute submissions.
        prepare_followers: makes the followers' interpreters import now, if hidden tests need them, see
            `grading/kernels/follower.py`. A core is idle while the processes of the pool import.
    """

    make_pool: Callable[[int | None], ProcessPoolExecutor]
    prepare_followers: Callable[[], object] = lambda: None


@contextlib.contextmanager
def start(course: Course, assignments: list[str], kernels: bool = True) -> Iterator[Interpreters]:
    """Start interpreters for submissions of these assignments.

    Args:
        kernels: also start the interpreter that forks kernels. Otherwise each worker starts its own when needed.
    """
    texts = [course.source(name).read_bytes() for name in assignments]
    begin([PRELOAD])
    cells = [cell for name in assignments for cell in given_cells(course, name)]
    started = Interpreters(partial(make_pool, preload=[PRELOAD]))
    with contextlib.ExitStack() as stack:
        if kernels:
            with contextlib.suppress(SandboxError):  # then each worker tries again, and says what is wrong
                folders = stack.enter_context(zygotes(cells))
                make = partial(make_pool, preload=[PRELOAD], first=partial(share, folders))
                asked = [
                    missing for missing, words in FOLLOWED.items() if any(w in text for w in words for text in texts)
                ]
                started = Interpreters(make, partial(_wake, [folders[missing] for missing in asked]))
        yield started


def _wake(folders: list[Path]) -> None:
    for folder in folders:
        wake(folder)


def given_cells(course: Course, assignment: str) -> list[str]:
    """The texts of the code cells that are the same in every submission, as they are run."""
    from grading.course import notebooks

    cells = [cell for cell in notebooks.read(course.source(assignment)).cells if cell.cell_type == "code"]
    return [notebooks.split_hidden(cell.source)[0] for cell in cells if notebooks.kind(cell) != "solution"]
