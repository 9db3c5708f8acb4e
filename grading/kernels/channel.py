"""The wire to a student's kernel: load the probes into it, ask questions, read back plain data.

Questions travel over their own socket, one per line: a number and JSON text. They bypass the student's input
transformers and cell hooks, enter no history, print nothing, and cost a tenth of a Jupyter message. The kernel answers
them during one long Jupyter request, which begins before the first question and ends after the last. Student cells run
over the same socket: their outputs arrive as usual, without the other Jupyter messages.
"""

import asyncio
import atexit
import contextlib
import json
import re
import socket
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from queue import Empty
from select import select

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from traitlets import Type, default

from grading.compat.jupyter_client import note_kernel_info
from grading.kernels.messages import Channel
from grading.oracle.student_code import StudentError, defining
from grading.probe import source, wire

CONNECT = """
import sys
# A student's file named torch.py must not shadow torch: the working folder comes last.
sys.path[:] = [path for path in sys.path if path not in ("", ".")] + [""]
sys.modules["grading.probe.core"].connect({path!r})
"""
ANSWER = "__import__('sys').modules['grading.probe.core'].answer_all(__import__('IPython').get_ipython().user_ns)"


RECONNECT = 5  # milliseconds until the next trial to reach a kernel that is starting; ZeroMQ waits 100
WAITING = 8  # messages of a socket that are held until they are read; the kernel holds many more, in its own memory


class Patience:
    """A time limit that does not count the time a kernel waits for a processor on a busy machine, up to a point.

    Args:
        seconds: the limit; None waits forever.
        waited: how long the kernel has waited so far, see `Watchdog.waited`.
    """

    MOST = 10  # times the limit
    QUICK = 0.05  # seconds; most answers take less, even less than reading how long the kernel has waited

    def __init__(self, seconds: float | None, waited: Callable[[], float] = lambda: 0.0):
        self._seconds, self._waited = seconds or float("inf"), waited
        self._began, self._quick = time.monotonic(), True
        self._before: float | None = None  # how long the kernel had waited when the quick look was over
        self._over = False

    @property
    def left(self) -> float:
        """Seconds until the limit; 0 or less when it is over."""
        left = self._seconds - (time.monotonic() - self._began)
        if left > 0:
            return left
        waited = 0.0 if self._before is None else self._waited() - self._before
        return left + min(max(0.0, waited), (self.MOST - 1) * self._seconds)

    def look(self) -> float | None:
        """Seconds, at most one, for which to wait for an answer before the next call; None if the time is up.

        The last wait comes after the limit: the answer may have arrived while this process waited for a processor.
        """
        quick, self._quick = self._quick, False
        if not quick and self._before is None:
            self._before = self._waited()
        left = self.left
        if left > 0:
            return min(self.QUICK if quick else 1.0, left)
        if self._over:
            return None
        self._over = True
        return 0.01


def ask_timed(
    ask: Callable[[str], str], question: str, processor_time: Callable[[], float | None]
) -> tuple[str, float | None]:
    """The answer to a question, and the seconds of processor time that it took; None if that is unknown."""
    before = processor_time()
    said = ask(question)
    after = processor_time()
    return said, None if before is None or after is None else after - before


class KernelStuck(Exception):
    """The kernel did not answer within the time limit and can no longer be used."""


def prepare(manager: AsyncKernelManager, max_message: int) -> None:
    """Make the manager's clients `QuickClient`s.

    Args:
        max_message: largest message in bytes; larger ones are dropped.
    """
    manager.client_factory, manager.context = QuickClient, _context(max_message)


@cache
def _context(max_message: int) -> zmq.asyncio.Context:
    """ZeroMQ's threads and settings for all sockets of this process."""
    context = zmq.asyncio.Context()
    atexit.register(context.destroy, linger=0)
    context.setsockopt(zmq.MAXMSGSIZE, max_message)
    context.setsockopt(zmq.RCVHWM, WAITING)
    context.setsockopt(zmq.RECONNECT_IVL, RECONNECT)
    return context


class QuickClient(AsyncKernelClient):
    """A client that begins as soon as the kernel is ready, with the settings of its manager's context.

    The stock client then waits 0.2 s for more startup messages. They answer no cell, so nbclient ignores them.
    Its channels reject malformed messages, see `grading.kernels.messages`.
    """

    shell_channel_class = Type(Channel)
    iopub_channel_class = Type(Channel)
    control_channel_class = Type(Channel)

    @default("context")
    def _context_of_manager(self) -> zmq.asyncio.Context:
        assert self.parent is not None  # the manager that has made it
        return self.parent.context

    def start_channels(self, *args: bool, **kwargs: bool) -> None:
        """Start all but the heartbeat. The process tells whether the kernel lives, and a kernel that writes garbage
        into its sockets could block the heartbeat thread, and any thread that joins it, forever.
        """
        super().start_channels(*args, **{**kwargs, "hb": False})

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < deadline:
            self.kernel_info()
            with contextlib.suppress(Empty):
                reply = await self.shell_channel.get_msg(timeout=1)
                while reply["msg_type"] != "kernel_info_reply":  # of an earlier client
                    reply = await self.shell_channel.get_msg(timeout=1)
                await self.iopub_channel.get_msg(timeout=0.2)  # or the first outputs might be lost
                note_kernel_info(self, reply)
                return
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


class KernelChannel:
    """A `student.Channel` to a kernel.

    Args:
        client: a started client of the kernel.
        sources: the sources of the student's cells, in the order in which they ran.
        seconds: how long one question may take.
        folder: one that the kernel can reach under the same path.
        waited: how long the kernel has waited for a processor so far, see `Patience`.
        processor_time: seconds that the kernel has computed so far, see `Watchdog.processor_time`.

    Attributes:
        deadline: on the monotonic clock; after it, no question waits for an answer.
    """

    def __init__(
        self,
        client: AsyncKernelClient,
        sources: list[str],
        seconds: float,
        folder: Path,
        waited: Callable[[], float] = lambda: 0.0,
        processor_time: Callable[[], float | None] = lambda: None,
    ):
        self.waited, self.processor_time = waited, processor_time
        self.client, self.sources, self.seconds, self.folder = client, sources, seconds, folder
        self.deadline = float("inf")
        self._line: socket.socket | None = None
        self._number = 0  # of the last question
        self._answering: str | None = None  # the id of the request during which the kernel answers

    def ask(self, question: str) -> str:
        try:
            return self._exchange(question)
        except DeadKernelError as error:
            error.args = ("Python itself ended (the kernel died) while the hidden test called the code above",)
            raise

    def ask_timed(self, question: str) -> tuple[str, float | None]:
        return ask_timed(self.ask, question, self.processor_time)

    def source_of(self, name: str) -> str | None:
        return defining(name, self.sources)

    def rest(self) -> None:
        """Let the kernel leave its answering loop until the next question."""
        if self._answering is not None:
            self._answering = None
            self._write(b"\n")

    def close(self) -> None:
        """Let go of the kernel."""
        if self._line is not None:
            self._line.close()

    def load_probes(self, there: bool = False) -> None:
        """Load the probes into the kernel, before any student cell runs, and connect the kernel to the socket.

        Args:
            there: the probes are already loaded.
        """
        path = self.folder / "questions"
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            path.chmod(0o666)  # the kernel may run as another user
            door.listen(1)
            door.settimeout(self.seconds)
            self.run(("" if there else source()) + CONNECT.format(path=str(path)))
            self.close()
            self._line = door.accept()[0]
        path.unlink()

    def run(self, source: str) -> None:
        """Run code of the grader's in a fresh namespace."""
        self.rest()
        content = run_sync(self._reply)(self._send(f"exec({source!r}, {{}})"), self.seconds)
        _require_sound(content)

    async def run_cell(self, source: str, request: dict, seconds: float | None) -> dict:
        """Run a student's cell and return the content of Jupyter's `execute_reply`.

        Args:
            source: the cell; it must not need the kernel's event loop, see `needs_event_loop`.
            request: the message that its outputs name as their parent.
            seconds: the time limit.

        Raises:
            KernelStuck: it takes longer.
            DeadKernelError: Python has ended.
            StudentError: the kernel is alive but no longer runs cells.
        """
        tag, open_ = self._begin(json.dumps({"cell": source, "parent": request}))
        said, patience = b"", Patience(seconds, self.waited)
        while (wait := patience.look()) is not None:
            if open_ and await _readable(self._connected(), wait):
                data = self._read()
                *lines, rest = (said + data).split(b"\n")
                open_, said = bool(data), rest[: 4 * wire.MAX_CHARACTERS]
                for line in lines:
                    if line.startswith(tag):
                        return _reply_content(line[len(tag) :])
            else:
                await self._look(0.0 if open_ else 0.05)
        raise KernelStuck(f"the cell did not finish within {seconds:g} s")

    def _send(self, expression: str) -> str:
        return self.client.execute(
            "", silent=True, store_history=False, allow_stdin=False, user_expressions={"reply": expression}
        )

    def _exchange(self, question: str) -> str:
        """Write a question and read its answer."""
        tag, open_ = self._begin(question)
        said = b""
        patience = Patience(min(self.seconds, max(1.0, self.deadline - time.monotonic())), self.waited)
        while (wait := patience.look()) is not None:
            if open_ and select([self._connected()], [], [], wait)[0]:
                data = self._read()
                *lines, rest = (said + data).split(b"\n")
                open_, said = bool(data), rest[: 4 * wire.MAX_CHARACTERS]
                for line in lines:
                    if line.startswith(tag):
                        return line[len(tag) :].decode(errors="replace")[: wire.MAX_CHARACTERS + 1]
            else:
                run_sync(self._look)(0.0 if open_ else 0.05)
        raise KernelStuck(f"the hidden test waited {self.seconds:g} s for the code above")

    def _begin(self, text: str) -> tuple[bytes, bool]:
        """Write a question or a cell. Returns the prefix of its answer, and whether the line is open."""
        if self._answering is None:
            self._answering = self._send(ANSWER)
        self._number += 1
        tag = b"%d " % self._number  # so that a late answer to an abandoned question does not count for this one
        return tag, self._write(tag + text.encode() + b"\n")

    def _connected(self) -> socket.socket:
        """The line to the kernel."""
        assert self._line is not None, "load_probes comes first"
        return self._line

    def _write(self, data: bytes) -> bool:
        line = self._connected()
        try:
            line.settimeout(self.seconds)
            line.sendall(data)
        except OSError:  # the other end is closed or no longer reads
            return False
        return True

    def _read(self) -> bytes:
        try:
            return self._connected().recv(2**20)
        except OSError:
            return b""

    async def _look(self, seconds: float) -> None:
        """Raise an error if the kernel has died or stopped answering questions."""
        if not await self.client.is_alive():
            raise DeadKernelError("Kernel died")
        try:
            message = await self.client.shell_channel.get_msg(timeout=seconds)
        except Empty:
            return
        if message["parent_header"].get("msg_id") == self._answering:
            self._answering = None
            _require_sound(message["content"])
            raise StudentError("The notebook's Python stopped responding.")

    async def _reply(self, sent: str, seconds: float) -> dict:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # unrelated messages must not extend the time
            try:
                message = await self.client.shell_channel.get_msg(timeout=min(1.0, seconds))
            except Empty:
                if not await self.client.is_alive():
                    raise DeadKernelError("Kernel died") from None
                continue
            if message["parent_header"].get("msg_id") == sent:
                return message["content"]
        raise KernelStuck(f"the hidden test waited {seconds:g} s for the code above")


def needs_event_loop(source: str) -> bool:
    """Whether a cell may need the kernel's event loop, which is blocked while the kernel answers questions."""
    return bool(re.search(r"\b(await|async|asyncio|exit|quit)\b", source))


def _reply_content(text: bytes) -> dict:
    """A kernel's report on a cell that it ran, checked."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        reply = json.loads(text)
        content = {"status": reply["status"], "execution_count": int(reply["execution_count"])}
        if reply["status"] != "ok":
            content |= {"ename": str(reply["ename"]), "evalue": str(reply["evalue"])}
            content |= {"traceback": [str(line) for line in reply["traceback"]]}
        return content
    raise StudentError("The notebook's Python stopped responding (its last answer was malformed).")


async def _readable(line: socket.socket, seconds: float) -> bool:
    """Wait until something can be read."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()

    def note() -> None:
        if not came.done():
            came.set_result(None)

    loop.add_reader(line, note)
    try:
        await asyncio.wait({came}, timeout=seconds)
        return came.done()
    finally:
        loop.remove_reader(line)


def _require_sound(content: dict) -> None:
    result = content.get("user_expressions")
    result = result.get("reply") if isinstance(result, dict) else None
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "ok":
        reason = f"{result.get('ename', 'no answer')}: {str(result.get('evalue', ''))[:200]}"
        raise StudentError(f"The notebook's Python stopped responding ({reason}).")
