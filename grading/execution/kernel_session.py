"""A kernel's life: cells run in it; when it ends or hangs, the remaining cells run in a fresh one.

A fresh kernel first replays the earlier healthy cells. If it then ends by itself, one of these is to blame: that cell
fails, and the others run without it. Nothing here depends on Jupyter: see `Kernel` for the interface.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from grading.gradebook import records
from grading.kernels.channel import KernelStuck
from grading.kernels.messages import BrokenMessage

POISONED = "This cell later crashed Python or made it hang. The cells below ran without it."
IDLE = 0.5  # seconds within which a kernel that a cell has broken ends
FAILURES = (DeadKernelError, CellTimeoutError, KernelStuck, BrokenMessage)  # any other error is the grader's own


class Kernel(Protocol):
    """A kernel in which no cell has run yet."""

    @property
    def tripped(self) -> str:
        """Why the watchdog ended it, in plain words; empty if it did not."""

    def run_again(self, cell: NotebookNode, index: int) -> None:
        """Replay a cell of an earlier kernel without changing its outputs. Raises one of `FAILURES`."""

    def rest(self) -> None:
        """Let it work on what earlier cells left unfinished, such as callbacks."""

    def answers(self) -> bool:
        """Whether it can still run cells."""

    def close(self) -> None:
        """End it."""


K = TypeVar("K", bound=Kernel)


@dataclass(frozen=True)
class Limits:
    """Limits of a submission: fresh kernels, seconds for each cell, and seconds for all cells together."""

    restarts: int
    cell_seconds: float | None
    seconds: float


@dataclass(frozen=True)
class Trouble:
    """A cell that hung, ended Python, or was not run.

    Attributes:
        name, message: the error to show in the cell.
        state: its name in the record; empty if a cell above is to blame.
    """

    cell: NotebookNode
    index: int
    name: str
    message: str
    state: str = ""


@dataclass
class Session(Generic[K]):
    """Runs the cells of a submission, in order.

    Args:
        start: starts a kernel.
        limits: of this submission.

    Attributes:
        kernel: the current one.
        deadline: the end of the submission's time, on the monotonic clock.
        sources: the texts of the healthy cells.
    """

    start: Callable[[], K]
    limits: Limits
    sources: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.limits.seconds
        self._healthy: list[tuple[NotebookNode, int]] = []
        self._restarts, self._spent = 0, ""
        self._used = False  # whether a cell has run in the current kernel since it was started
        self._ready = False  # whether it has run the healthy cells and nothing else
        self.kernel = self.start()

    def close(self) -> None:
        """End the current kernel."""
        self.kernel.close()

    def run(self, cell: NotebookNode, index: int, work: Callable[[], None], keep: bool) -> list[Trouble]:
        """Run a cell in the current kernel.

        Args:
            work: runs the cell; raises one of `FAILURES` if the kernel fails. After a restart it is called again.
            keep: replay this cell in fresh kernels, because cells below may need it.

        Returns:
            The cells that failed with their kernel: this one, or cells above that are to blame.
        """
        if not self._spent and time.monotonic() > self.deadline:
            self._spent = f"the cells above have used up {self.limits.seconds:g} s"
            return [self._not_run(cell, index, records.TIMED_OUT)]
        if self._spent:
            return [self._not_run(cell, index)]
        blamed: list[Trouble] = []
        try:
            self._run_or_blame(work, blamed)
        except FAILURES as error:
            return [*blamed, self._give_up(cell, index, error)]
        self._used = True
        if keep:
            self.sources.append(cell.source)
            self._healthy.append((cell, index))
        return blamed

    def _not_run(self, cell: NotebookNode, index: int, state: str = "") -> Trouble:
        return Trouble(cell, index, "DeadKernelError", f"This cell did not run to its end: {self._spent}.", state)

    def _run_or_blame(self, work: Callable[[], None], blamed: list[Trouble]) -> None:
        """Run the cell. If Python ends or hangs, find out whether a cell above is to blame; that one then fails."""
        while True:
            self._ready = False
            try:
                return work()
            except (DeadKernelError, CellTimeoutError, KernelStuck) as error:
                if self.kernel.tripped or self._exhausted():
                    raise
                again = self._used and isinstance(error, DeadKernelError)  # it may be no fault of this cell
                if self._is_sound(self._healthy):
                    if not again:
                        raise
                elif (culprit := self._culprit()) is not None:
                    blamed.append(culprit)
                else:
                    raise

    def _exhausted(self) -> bool:
        return self._restarts >= self.limits.restarts or time.monotonic() > self.deadline

    def _culprit(self) -> Trouble | None:
        """Find, by bisection, the earlier cell that breaks fresh kernels, and continue without it."""
        restarts, healthy = self._restarts, self._healthy
        sound, unsound = 0, len(healthy)  # numbers of cells, counted from the first
        while unsound - sound > 1 and time.monotonic() < self.deadline:
            middle = (sound + unsound) // 2
            sound, unsound = (middle, unsound) if self._is_sound(healthy[:middle]) else (sound, middle)
        self._restarts = restarts
        if not healthy or unsound - sound > 1:
            return None
        cell, index = healthy.pop(unsound - 1)
        self.sources.remove(cell.source)
        self._healthy = healthy
        self._restart()
        return Trouble(cell, index, "DeadKernelError", POISONED, records.DIED)

    def _is_sound(self, healthy: list[tuple[NotebookNode, int]]) -> bool:
        """Whether a fresh kernel survives these cells and can still run others. It becomes the current kernel."""
        self._healthy = list(healthy)
        self._restart()
        if len(self._healthy) < len(healthy):
            return False
        self.kernel.rest()
        time.sleep(IDLE)
        return self.kernel.answers()

    def _give_up(self, cell: NotebookNode, index: int, error: Exception) -> Trouble:
        """The trouble of a cell that ended its kernel. Starts a fresh kernel for the cells below."""
        tripped = self.kernel.tripped
        name, message = in_words(error, self.limits, time.monotonic() > self.deadline)
        if tripped:
            name, message = "DeadKernelError", f"This cell was ended: {tripped}."
        if not self._ready:
            if self._restarts >= self.limits.restarts:
                self._spent = f"{self.limits.restarts} fresh kernels have been used up by the cells above"
            else:
                self._restart()
        state = records.TIMED_OUT if name == "CellTimeoutError" else records.DIED
        return Trouble(cell, index, name, message, state)

    def _restart(self) -> None:
        """Start a fresh kernel and replay the healthy cells."""
        self._restarts, self._used = self._restarts + 1, False
        self.kernel.close()
        self.kernel = self.start()
        healthy, self._healthy = self._healthy, []
        for cell, index in healthy:
            if time.monotonic() > self.deadline:
                break
            try:
                self.kernel.run_again(cell, index)
            except FAILURES:
                break
            self._healthy.append((cell, index))
        self._ready = True


def in_words(error: Exception, limits: Limits, late: bool) -> tuple[str, str]:
    """The name and the message of the error of a cell that ended its kernel."""
    if isinstance(error, (CellTimeoutError, KernelStuck)) and late:
        return "CellTimeoutError", (
            f"This cell was ended: all cells of a notebook together may take {limits.seconds:g} s."
        )
    if isinstance(error, CellTimeoutError):
        seconds = f"{limits.cell_seconds} s"
        return "CellTimeoutError", f"This cell did not finish within {seconds}: is there a loop that never ends?"
    if isinstance(error, KernelStuck):
        return "CellTimeoutError", f"No answer in time: {error}. Is there a loop that never ends?"
    if isinstance(error, BrokenMessage):
        return "BrokenMessage", f"This cell sent a malformed message ({error})."
    return "DeadKernelError", f"This cell did not run to its end: {str(error).rstrip('.')}."
