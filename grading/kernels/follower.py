"""A second interpreter for each submission, without torch's optimizers, in which update rules run.

The student's kernel has all of torch, so code there could delegate steps to torch unnoticed. Questions about an update
rule therefore go to a follower: a separate sandbox without torch or, for an answer that needs torch, with torch but
without its optimizers. Code that takes the right steps here computes them itself.

A follower proves at startup that they are missing, see `follower_inside.why_not`. Otherwise nothing is graded.

One way around remains in a follower that has torch: a program that calls libtorch's symbols through ctypes, with its
own C++ declarations, could still let torch take the step. Such answers are listed for a person.
"""

import contextlib
import json
import re
import select
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from nbclient.exceptions import DeadKernelError

from grading import probe
from grading.course import temporary_folders
from grading.kernels import zygote_client
from grading.kernels.channel import KernelStuck, Patience, ask_timed
from grading.kernels.torch_masks import NO_CLIPPING, NO_OPTIMIZER, Missing, masks, torch_places
from grading.kernels.zygote_client import INSIDE, Fork
from grading.oracle.student_code import StudentError
from grading.probe import wire
from grading.sandbox import bubblewrap, seccomp
from grading.sandbox.bubblewrap import SandboxError
from grading.sandbox.watchdog import Guarded, Watchdog

STARTUP_SECONDS = 60  # for starting Python, and importing torch if it is there
ABOUT = re.compile(r'^\{"probe": "optimizers\.follow", "arguments": \{"name": "(\w+)"')
ENDED = "Python itself ended (the kernel died) while the hidden test called the code above"


@dataclass(frozen=True)
class Seconds:
    """Time limits for a question, a cell, and all cells together; `deadline` (monotonic clock) ends everything."""

    question: float
    cell: float
    cells: float
    deadline: float = float("inf")


class Process(Protocol):
    """What runs a follower."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """Its error output, if that can be read."""

    def poll(self) -> int | None:
        """The exit code; None as long as it runs."""


@dataclass
class Running:
    """A follower that runs.

    Attributes:
        guarded: the arguments of its `Watchdog`.
        line: the grader's end of the connection.
        waited: how long it has waited for a processor so far, see `Patience`.
        processor_time: seconds that it has computed so far, see `Watchdog.processor_time`.
        said: bytes that have arrived but have not been read.
    """

    process: Process
    guarded: Guarded
    line: socket.socket
    waited: Callable[[], float] = lambda: 0.0
    processor_time: Callable[[], float | None] = lambda: None
    said: bytes = b""

    def write(self, text: str, seconds: float) -> None:
        """Send a line. If the other end is closed, the next `read` raises an error."""
        with contextlib.suppress(OSError):
            self.line.settimeout(seconds)
            self.line.sendall(text.encode() + b"\n")

    def read(self, patience: Patience) -> bytes:
        """The next line.

        Raises:
            DeadKernelError: the follower has ended.
            KernelStuck: no line arrived in time.
        """
        while b"\n" not in self.said:
            wait = patience.look()
            if wait is None:
                raise KernelStuck("the hidden test waited for the code above, and no answer came")
            if select.select([self.line], [], [], wait)[0]:
                data = self._receive()
                if not data:
                    raise DeadKernelError(ENDED)
                self.said = (self.said + data)[-8 * wire.MAX_CHARACTERS :]
            elif self.process.poll() is not None:
                raise DeadKernelError(ENDED)
        line, _, self.said = self.said.partition(b"\n")
        return line

    def _receive(self) -> bytes:
        try:
            return self.line.recv(2**20)
        except OSError:
            return b""


class Follower:
    """An interpreter that runs a student's cells and answers questions about update rules; the first one starts it.

    Args:
        missing: what it lacks.
        files: the folder that is copied into its working folder.
        sources: the texts of the student's cells that have run; the list may grow.
        seconds: the time limits.
        warm: fork it from a warm interpreter.
        watch: starts and returns a `Watchdog`; called with the fields of `Guarded`.
    """

    def __init__(
        self,
        missing: Missing,
        files: Path,
        sources: list[str],
        seconds: Seconds,
        warm: bool,
        watch: Callable[..., Watchdog],
    ):
        self.missing, self.files, self.sources, self.warm, self.watch = missing, files, sources, warm, watch
        self.seconds, self.left = seconds, seconds.cells
        self.failure, self.ran, self._number = "", 0, 0
        self._running: Running | None = None
        self._used: set[str] = set()  # the classes that it was asked about
        self._open = contextlib.ExitStack()

    def ask(self, question: str) -> str:
        """Send a question, after the cells that have come since the last one.

        Raises:
            DeadKernelError: the interpreter ended.
            KernelStuck: it did not answer in time.
            StudentError: the cells above do not run here.
            SandboxError: it could not be started, or what must be missing is there; no fault of the student's.
        """
        return self._ask(question)[0]

    def ask_timed(self, question: str) -> tuple[str, float | None]:
        """Like `ask`, and the seconds of processor time that the answer took; None if that is unknown."""
        return self._ask(question, timed=True)

    def _ask(self, question: str, timed: bool = False) -> tuple[str, float | None]:
        if self.failure:
            raise StudentError(self.failure)
        running = self._running or self._start()
        try:
            while self.ran < len(self.sources):
                began = time.monotonic()
                if self.left <= 0:
                    raise KernelStuck("there is no time left to run the cells above again")
                cell = json.dumps({"cell": self.sources[self.ran]})
                self._exchange(running, cell, min(self.seconds.cell, self.left))
                self.ran, self.left = self.ran + 1, self.left - (time.monotonic() - began)
            left = max(1.0, self.seconds.deadline - time.monotonic())
            about = ABOUT.search(question)
            if about is not None and about[1] not in self._used:
                # In the notebook a self-check has used the class before the hidden test does. State that such a use
                # leaves behind, in a default argument for example, must show here too.
                self._used.add(about[1])
                self._exchange(running, question, min(self.seconds.question, left))
            exchange = partial(self._exchange, running, seconds=min(self.seconds.question, left))
            return ask_timed(exchange, question, running.processor_time) if timed else (exchange(question), None)
        except (DeadKernelError, KernelStuck) as error:
            if self.ran < len(self.sources):  # the next attempt would fail in the same way
                self.failure = f"A cell that has run before does not run a second time: {error}."
            self.close()
            raise

    def close(self) -> None:
        """End the interpreter, if there is one."""
        self._running, self.ran = None, 0
        self._used.clear()
        self._open.close()

    def _start(self) -> Running:
        try:
            running = self._open.enter_context((_forked if self.warm else _fresh)(self.missing, self.files))
            guard = self.watch(**running.guarded)
            self._open.callback(guard.stop)
            running.waited, running.processor_time = guard.waited, guard.processor_time
            proof = json.loads(running.read(Patience(STARTUP_SECONDS, guard.waited)))
        except (DeadKernelError, KernelStuck, OSError, ValueError) as error:
            self.close()
            raise SandboxError(f"No interpreter without {self.missing} could be started: {error}") from error
        if proof != {"wrong": None}:
            self.close()
            raise SandboxError(
                f"Update rules cannot be followed safely on this machine: {proof['wrong']}. This is no fault of the "
                "submission, which was not graded. The environment should hold exactly one copy of torch."
            )
        self._running = running
        return running

    def _exchange(self, running: Running, text: str, seconds: float) -> str:
        self._number += 1
        tag, patience = b"%d " % self._number, Patience(seconds, running.waited)
        running.write(tag.decode() + text, seconds)
        try:
            while not (said := running.read(patience)).startswith(tag):
                pass  # the student's code may write to the line, too
        except KernelStuck:
            raise KernelStuck(f"the hidden test waited {seconds:.0f} s for the code above") from None
        return said[len(tag) :].decode(errors="replace")[: wire.MAX_CHARACTERS + 1]


class Followers:
    """The followers of one submission, by what they lack. The arguments are those of `Follower`."""

    def __init__(self, files: Path, sources: list[str], seconds: Seconds, warm: bool, watch: Callable[..., Watchdog]):
        self._make = partial(Follower, files=files, sources=sources, warm=warm, watch=watch)
        self._seconds = seconds
        self._made: dict[Missing, Follower] = {}

    def __getitem__(self, missing: Missing) -> Follower:
        if missing not in self._made:
            self._made[missing] = self._make(missing, seconds=self._seconds)
        return self._made[missing]

    def limit(self, question: float) -> None:
        """From now on a question may take so many seconds."""
        self._seconds = replace(self._seconds, question=question)
        for follower in self._made.values():
            follower.seconds = self._seconds

    def close(self) -> None:
        """End them. The next question starts them again."""
        for follower in self._made.values():
            follower.close()


def request(missing: Missing, path: Path) -> dict:
    """The request of `follower_inside.run`; `path` is the socket's."""
    told = {"missing": missing, "torch": sorted(torch_places()), "stub": NO_OPTIMIZER, "path": str(path)}
    return told | {"clipping": NO_CLIPPING, "filter": seccomp.no_programs().hex()}


@contextlib.contextmanager
def _forked(missing: Missing, files: Path) -> Iterator[Running]:
    """A follower that is forked from a warm interpreter."""
    home = zygote_client.forkers[missing]
    folder = home.exchange / uuid.uuid4().hex[:8]
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        stack.callback(temporary_folders.remove, folder)
        shutil.copytree(files, folder / "files")
        door = stack.enter_context(_door(folder / "line"))
        bubblewrap.give_away(folder, home.exchange.stat().st_uid)
        pid = home.start(folder.name, folder, request(missing, folder / "line"))
        process = Fork(home, folder.name, pid)
        stack.callback(process.kill)
        guarded: Guarded = {"home": home.pid, "spared": 1, "folder": folder}
        yield Running(process, guarded, stack.enter_context(_accepted(door, process)))


@contextlib.contextmanager
def _fresh(missing: Missing, files: Path) -> Iterator[Running]:
    """A follower in an interpreter of its own."""
    if bubblewrap.why_not():
        raise SandboxError(bubblewrap.why_not())
    sockets = temporary_folders.closed("kernel")
    told = request(missing, sockets / "line") | {"probes": probe.source(), "roots": bubblewrap.python_folders()}
    with contextlib.ExitStack() as stack:
        stack.callback(temporary_folders.remove, sockets.parent)
        door = stack.enter_context(_door(sockets / "line"))
        bubblewrap.give_away(sockets)
        inside = [bubblewrap.python(), "-I", "-c", INSIDE.read_text(encoding="utf-8")]
        command = bubblewrap.command(inside, files, sockets, masks=masks(missing))
        process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        )
        stack.callback(process.kill)
        assert process.stdin is not None  # it is a pipe
        process.stdin.write(json.dumps(told).encode() + b"\n")
        process.stdin.flush()
        guarded: Guarded = {"home": process.pid, "spared": 2, "folder": sockets, "private": bubblewrap.PRIVATE}
        yield Running(process, guarded, stack.enter_context(_accepted(door, process)))


@contextlib.contextmanager
def _door(path: Path) -> Iterator[socket.socket]:
    """A socket at which a follower may call."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        path.chmod(0o666)  # it may run as another user
        door.listen(1)
        yield door


def _accepted(door: socket.socket, process: Process) -> socket.socket:
    """The line to the follower that calls."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if select.select([door], [], [], 0.2)[0]:
            return door.accept()[0]
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            raise DeadKernelError((said or "it ended at once").splitlines()[-1])
    raise KernelStuck(f"it did not call within {STARTUP_SECONDS} s")
