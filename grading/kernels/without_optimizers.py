"""A kernel in which torch has no optimizers, for code that could undo the watch in its own kernel.

An optimizer of such a notebook is followed here, in a second, fresh sandbox. The folder `torch/optim` shows a package
of the same names that does nothing, and the fused optimizer kernels of torch raise an error. No file, memory or process
with torch's update rules can be reached from Python: what takes the right steps here has taken them itself.

Not closed: machine code. Whoever calls the symbols of libtorch through ctypes, in C++ declarations of his own, could
still let torch take the step.
"""

import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path

from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from grading.course import notebooks
from grading.kernels.channel import KernelChannel, KernelStuck
from grading.kernels.harmless_code import doubt
from grading.oracle.student_code import StudentError
from grading.probe import wire

FOLLOWS = '{"probe": "optimizers.follow",'  # how a question for an update rule begins
OUTSIDE = "outside of this thread"  # how `torch_optim_use` ends where it cannot follow
STARTUP_SECONDS = 60  # for starting Python and importing torch
INERT = {".txt", ".md", ".pdf", ".png", ".jpg", ".jpeg", ".csv"}  # nothing looks for such files in the working folder

# Runs in the kernel before any cell: replaces the fused optimizers in torch's dispatcher, through which all calls go.
# A comparison with torch.optim fails here. What stands below it in its cell is needed all the same.
NO_OPTIMIZERS = """
import ast, ctypes, sys, torch, warnings

sys.modules["grading.probe.optimizers"].follow_outside = False

class EachForItself(ast.NodeTransformer):
    def visit_Module(self, tree):
        tree.body = [self.tried(statement) for statement in tree.body]
        return ast.fix_missing_locations(tree)

    def tried(self, statement):
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            return statement
        handler = ast.ExceptHandler(type=ast.Name("Exception", ast.Load()), name=None, body=[ast.Pass()])
        whole = ast.Try(body=[statement], handlers=[handler], orelse=[], finalbody=[])
        return ast.copy_location(whole, statement)

sys.modules["IPython"].get_ipython().ast_transformers.append(EachForItself())

def refuse(*args, **kwargs):
    raise RuntimeError("torch's own optimizers are not here: write the steps yourself")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    library = torch._C._dispatch_library("IMPL", "aten", "CPU", "", 0)
    for name in torch._C._dispatch_get_all_op_names():
        if name.startswith(("aten::_fused_ada", "aten::_fused_sgd")):
            if torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU"):
                library.impl(name.removeprefix("aten::"), "CPU", refuse)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))  # out of reach from now on, and never undone
"""


class GuardedChannel:
    """A `student.Channel` to the student's kernel, and to a bare one for the optimizers of doubtful notebooks.

    Args:
        kernel: the channel to the student's kernel.
        bare: the bare kernel of this submission; None where there is no sandbox, so that nobody looks closer.
        trusted: texts of cells that are as the course gave them.
        brought: the name of a file that came with the notebook, if any did: Python may have run it.
    """

    def __init__(self, kernel: KernelChannel, bare: "BareKernel | None", trusted: Collection[str], brought: str | None):
        self.kernel, self.bare, self.trusted, self.brought = kernel, bare, trusted, brought
        self._words: dict[int, str | None] = {}  # the doubt, by how many cells have run

    def ask(self, question: str) -> str:
        if _follows(question) and self._doubt():
            return self.bare.ask(question)
        return self.kernel.ask(question)

    def source_of(self, name: str) -> str | None:
        return self.kernel.source_of(name)

    def rest(self) -> None:
        """Let the student's kernel do other things than answer."""
        self.kernel.rest()

    def remarks(self, transcript: list[tuple[str, object]]) -> list[str]:
        """What to tell a student whose optimizer has failed in the bare kernel."""
        reason = self._doubt() if any(_follows(question) for question, _ in transcript) else None
        if reason is None:
            return []
        return [
            f"(Your notebook uses {reason}. So these steps were taken in a Python without torch.optim. "
            "If yours come from there: write them yourself.)"
        ]

    def delegated(self, transcript: list[tuple[str, object]]) -> str | None:
        """Of an optimizer that has failed in the bare kernel: what it lets torch do where torch's optimizers are."""
        if self.bare is None or not self._doubt():
            return None
        for question in [question for question, _ in transcript if _follows(question)]:
            with contextlib.suppress(wire.WireError, StudentError, TypeError, KeyError):
                where = wire.loads(self.kernel.ask(question))["value"]["torch_optim"]
                if where and not where.endswith(OUTSIDE):  # to leave the thread is not yet to let torch do it
                    return f"it calls torch's own optimizer (`torch.optim`, in `{str(where)[:100]}`)"
        return None

    def _doubt(self) -> str | None:
        if self.bare is None:
            return None
        if self.brought:
            return f"a file of its own, {self.brought}"
        number = len(self.kernel.sources)
        if number not in self._words:  # many questions are asked between two cells
            self._words[number] = doubt(self.kernel.sources, self.trusted)
        return self._words[number] and f"`{self._words[number]}`"


class BareKernel:
    """A sandboxed kernel without torch's optimizers. It is started when it is first asked, and runs the cells itself.

    Args:
        make_manager: makes a `SandboxedKernelManager` or a `WarmKernelManager` with `optimizer_stubs.masks()`.
        watch: lets a `Watchdog` watch over the kernel of such a manager, and returns it.
        sources: the sources of the student's cells that have run; the list may grow.
        question_seconds, cell_seconds: how long a question, and a cell, may take.
        deadline: when, on the monotonic clock, everything has to be done.
    """

    def __init__(
        self,
        make_manager: Callable,
        watch: Callable,
        sources: list[str],
        question_seconds: float,
        cell_seconds: float,
        deadline: float = float("inf"),
    ):
        self.make_manager, self.watch, self.sources = make_manager, watch, sources
        self.question_seconds, self.cell_seconds, self.deadline = question_seconds, cell_seconds, deadline
        self.channel: KernelChannel | None = None
        self.failure, self.ran, self._open = "", 0, contextlib.ExitStack()

    def ask(self, question: str) -> str:
        """Like `KernelChannel.ask`, after the cells that have come since the last question."""
        if self.failure:
            raise StudentError(self.failure)
        try:
            if self.channel is None:
                self._start()
            while self.ran < len(self.sources):
                left = self.deadline - time.monotonic()
                if left < 0:
                    raise KernelStuck("there is no time left to run the cells above once more")
                self.channel.run_silently(self.sources[self.ran], min(self.cell_seconds, max(1.0, left)))
                self.ran += 1
            return self.channel.ask(question)
        except (DeadKernelError, KernelStuck) as error:
            if self.ran < len(self.sources):  # it would be so each time
                self.failure = f"A cell that has run before does not run a second time: {error}."
            self.close()
            raise

    def close(self) -> None:
        """End the kernel, if there is one."""
        self.channel, self.ran = None, 0
        self._open.close()

    def _start(self) -> None:
        manager = self.make_manager()
        run_sync(manager._async_start_kernel)()
        self._open.callback(run_sync(manager._async_shutdown_kernel), now=True)
        self._open.callback(self.watch(manager).stop)
        client = manager.client()
        client.start_channels(iopub=False, stdin=False, hb=False, control=False)  # nobody reads what the cells print
        self._open.callback(client.stop_channels)
        channel = KernelChannel(client, self.sources, STARTUP_SECONDS, Path(manager.ip).parent)
        self._open.callback(channel.close)
        channel.load_probes(there=getattr(manager, "has_probes", False))
        channel.run(NO_OPTIMIZERS)
        channel.seconds, channel.deadline, self.channel = self.question_seconds, self.deadline, channel


def trusted(cells: list[NotebookNode]) -> set[str]:
    """The texts of a release's cells that are not the student's; of the free ones, those without torch."""
    return {
        cell.source
        for cell in cells
        if notebooks.kind(cell) == "given" or (notebooks.kind(cell) is None and "torch" not in cell.source)
    }


def brought(folder: Path, release: Path) -> str | None:
    """The name of a file in a submission's folder that is not the release's, and that Python might run or read."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        given, inert = release / path.relative_to(folder), path.parent == folder and path.suffix in INERT
        if not inert and not (given.is_file() and given.read_bytes() == path.read_bytes()):
            return path.name
    return None


def _follows(question: str) -> bool:
    return question.startswith(FOLLOWS)
