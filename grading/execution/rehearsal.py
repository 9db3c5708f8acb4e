"""Run the tests of a source notebook in this interpreter, with some solutions replaced: fast, for trusted code only.

It runs the notebook's definitions, which are its `given_...` and solution cells, without plots and demonstrations. The
real pipeline (`grading.run.grade`) runs a kernel for each submission. Both must reach the same verdict.
"""

import contextlib
import functools
import io
import linecache
import signal
import threading
import traceback
import warnings
from collections.abc import Iterator
from types import FrameType

from nbformat import NotebookNode

from grading.course import notebooks
from grading.oracle.student_code import InProcess, connected
from grading.probe import core

_compiled = functools.lru_cache(maxsize=512)(compile)  # the same cells are run for every entry of a catalogue


def rehearse(
    notebook: NotebookNode,
    replaced: dict[str, str] | None = None,
    only: list[str] | None = None,
    hidden_only: bool = False,
    inputs: int = 0,
) -> dict[str, str | None]:
    """Run given, solution and test cells in order.

    Args:
        notebook: from `source/`.
        replaced: other sources for some cells, by grade_id.
        only: the test cells to run; by default all.
        hidden_only: leave out the visible part of the tests.
        inputs: the number of the set that hidden tests draw, see `grading.oracle.inputs`.

    Returns:
        For each test cell None if it passed, or the message of its failure.
    """
    replaced, verdicts = replaced or {}, {}
    namespace: dict = {"__name__": "__main__"}
    sources: list[str] = []
    with connected(InProcess(namespace, sources), inputs):
        for name, cell in notebooks.by_id(notebook).items():
            kind, source = notebooks.kind(cell), replaced.get(name, cell.source)
            if cell.cell_type != "code" or (kind == "test" and only is not None and name not in only):
                continue
            if kind == "test" and hidden_only:
                source = notebooks.split_hidden(source)[1]
            failure = run(source, namespace, name)
            sources.append(source)
            if kind == "test":
                verdicts[name] = failure
    return verdicts


def definitions(
    notebook: NotebookNode, replaced: dict[str, str] | None = None, until: str | None = None
) -> tuple[dict, list[str]]:
    """The names that a notebook's given and solution cells define, and those cells' sources.

    Args:
        replaced: other sources for some cells, by grade_id.
        until: the last cell to run; a later one may define a name anew.
    """
    replaced, namespace, sources = replaced or {}, {"__name__": "__main__"}, []
    for name, cell in notebooks.by_id(notebook).items():
        if cell.cell_type == "code" and notebooks.kind(cell) != "test":
            sources.append(replaced.get(name, cell.source))
            run(sources[-1], namespace, name)
        if name == until:
            break
    return namespace, sources


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in what takes more processor time inside the block, and again each second.

    Processor time, because the time on a clock depends on the machine's load. Imports are not interrupted: that would
    leave half a module behind. Only the main thread of a Unix process can be interrupted; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def too_long(number: int, frame: FrameType | None) -> None:
        if not core.importing(frame):
            raise TimeoutError(f"not finished after {seconds:g} s")

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(source: str, namespace: dict, name: str) -> str | None:
    """Run one cell's source silently. Returns the message of what it raised, or None."""
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            exec(_compiled(source, filename, "exec"), namespace)
    except AssertionError as error:
        return str(error) or "AssertionError"
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, TimeoutError)):
            raise
        return "".join(traceback.format_exception_only(error)).strip()
    return None
