"""nbclient's kernel with the interface that `kernel_session` needs: watched, with probes and a line for questions."""

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

from grading.kernels.channel import KernelChannel, KernelStuck, needs_event_loop
from grading.kernels.messages import BrokenMessage
from grading.oracle.student_code import StudentError
from grading.sandbox.watchdog import Watchdog, processor_time

if TYPE_CHECKING:
    from grading.execution.execute import Execute

NOBODY: dict[str, dict] = {
    "header": {},
    "parent_header": {},
    "metadata": {},
    "content": {},
}  # a request that no front end has sent
NOT_RECEIVED = "... Outputs are left out here: the notebook shows too much at once.\n"
LAST_WORDS = 0.3  # seconds to wait for the last outputs of a kernel that has ended


class NotebookKernel:
    """The running kernel of an nbclient client.

    Args:
        client: its kernel has just been started.
        sources: the texts of the cells that run in it; the list may grow.
        guard: watches the kernel and stops when it ends; None without a sandbox.
        deadline: on the monotonic clock; after it, no question waits for an answer.
    """

    def __init__(self, client: "Execute", sources: list[str], guard: Watchdog | None, deadline: float):
        self.client, self.guard, self._open = client, guard, ExitStack()
        if guard is not None:
            self._open.callback(guard.stop)
        assert client.km is not None  # its kernel has just been started
        folder = Path(client.km.ip).parent
        waited = guard.waited if guard is not None else lambda: 0.0
        time_of = partial(_processor_time, client)
        self.channel = KernelChannel(client.kc, sources, client.question_timeout, folder, waited, time_of)
        self._open.callback(self.channel.close)
        try:
            self.channel.load_probes(there=getattr(client.km, "has_probes", False))
        except BaseException:
            self._open.close()
            raise
        self.channel.deadline = deadline
        self._loop_used = False  # whether a cell may have used the kernel's event loop

    @property
    def tripped(self) -> str:
        return self.guard.tripped if self.guard is not None else ""

    def run(self, cell: NotebookNode, index: int) -> None:
        """Run a cell in the fastest way that this cell and the earlier ones allow."""
        self._loop_used = self._loop_used or needs_event_loop(cell.source)  # their tasks continue in later cells
        if self._loop_used:
            self.channel.rest()
            self.client.execute_cell(cell, index)
        else:
            run_sync(self._run_over_the_line)(cell, index)

    def run_again(self, cell: NotebookNode, index: int) -> None:
        again = NotebookNode(cell_type="code", source=cell.source, metadata=NotebookNode(), outputs=[])
        room = self.client.room
        try:
            self.run(again, index)
        finally:
            self.client.nb.cells[index] = cell  # nbclient puts the cell that it ran there
            self.client.room = room  # what it showed is there already

    def rest(self) -> None:
        self.channel.rest()

    def answers(self) -> bool:
        try:
            run_sync(self.channel.run_cell)("", NOBODY, self.client.question_timeout)
            return True
        except (DeadKernelError, KernelStuck, BrokenMessage, StudentError):
            return False

    def let_go(self) -> None:
        """Stop watching and close the line. The kernel keeps running."""
        self._open.close()

    def close(self) -> None:
        self.let_go()
        self.client.stop_kernel()

    async def _run_over_the_line(self, cell: NotebookNode, index: int) -> None:
        """Do what nbclient's `async_execute_cell` does, with two messages instead of six around the outputs."""
        client = self.client
        cell.outputs = []
        request = client.kc.session.msg("execute_request")
        request = {"header": {**request["header"], "date": ""}, "parent_header": {}, "metadata": {}, "content": {}}
        outputs = asyncio.ensure_future(client.receive_outputs(request["header"]["msg_id"], cell, index))
        seconds = client.seconds_for(cell)
        try:
            reply = await self.channel.run_cell(cell.source, request, seconds)
            await asyncio.wait({outputs}, timeout=client.iopub_timeout)
            if outputs.done():
                outputs.result()
            else:
                await self._connect_again()
                cell.outputs.append(new_output("stream", name="stdout", text=NOT_RECEIVED))
            cell.execution_count = reply["execution_count"]
            client.on_cell_executed(cell=cell, execute_reply={"content": reply})
        except KernelStuck:
            message = "Cell execution timed out"
            raise CellTimeoutError.error_from_timeout_and_cell(message, round(seconds), cell) from None
        except DeadKernelError:
            await asyncio.wait({outputs}, timeout=LAST_WORDS)
            raise
        except StudentError as error:  # a kernel that runs no cells counts as dead
            raise DeadKernelError(str(error)) from None
        finally:
            outputs.cancel()

    async def _connect_again(self) -> None:
        """Get a new client: after a message longer than `max_message`, ZeroMQ accepts no more from this kernel."""
        client = self.client
        assert client.km is not None  # this kernel still runs
        self.channel.rest()
        client.kc.stop_channels()
        client.kc = self.channel.client = client.km.client()
        client.kc.start_channels()
        client.kc.allow_stdin = False
        try:
            await client.kc.wait_for_ready(timeout=client.question_timeout)
        except RuntimeError as error:
            raise DeadKernelError(str(error)) from None


def _processor_time(client: "Execute") -> float | None:
    """What the kernel has computed so far. Asked only without a sandbox: with one, followers answer timed questions."""
    provisioner = client.km.provisioner if client.km is not None else None
    return processor_time(provisioner.pid) if isinstance(provisioner, LocalProvisioner) and provisioner.pid else None


def seconds_left(deadline: float) -> float:
    """How long a cell may still take; at least one second."""
    return max(1.0, deadline - time.monotonic())
