"""Start warm interpreters in the sandbox, and have them fork kernels."""

import contextlib
import json
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from select import select
from typing import IO

from grading import probe
from grading.course import temporary_folders
from grading.kernels.torch_masks import Missing, masks, torch_places
from grading.sandbox import bubblewrap, seccomp

INSIDE = Path(__file__).with_name("follower_inside.py")
CREDENTIALS = struct.Struct("3i")  # the ids of a process, its user and its group, see unix(7)


class Zygote:
    """A sandboxed interpreter from which kernels are forked, see `grading/kernels/zygote.py`.

    It warms up when a `Forker` first calls it.

    Args:
        missing: what its followers lack; None if it forks students' kernels.
        cells: texts of cells that most notebooks hold; IPython tokenizes them in advance.

    Raises:
        SandboxError: it cannot be started.
    """

    def __init__(self, missing: Missing | None, cells: list[str]):
        if bubblewrap.executable() is None:
            raise bubblewrap.SandboxError(bubblewrap.why_missing())
        folder = tempfile.mkdtemp(prefix=temporary_folders.prefix("kernels"), dir=temporary_folders.for_sockets())
        self.exchange = Path(folder)
        bubblewrap.give_away(self.exchange)
        source = (Path(__file__).parent / "zygote.py").read_text(encoding="utf-8")
        inside = [bubblewrap.python(), "-I", "-c", source, str(self.exchange)]
        prepare = {"probes": probe.source(), "cells": cells, "missing": missing}
        hidden = {} if missing is None else masks(missing)
        if missing is not None:
            prepare |= {"torch": sorted(torch_places()), "roots": bubblewrap.python_folders()}
            prepare |= {"follower": INSIDE.read_text(encoding="utf-8")}
        with tempfile.TemporaryDirectory() as nothing:
            line = bubblewrap.command(inside, Path(nothing), self.exchange, limited=False, masks=hidden)
            self.process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
            # A worker that was forked runs none of the functions of `atexit`.
            self.end = Finalize(self, _end, (self.process, self.exchange), exitpriority=0)
            stdin, stdout, _ = _pipes(self.process)
            ready = select([stdout], [], [], 60)[0] and stdout.readline()
        try:
            if ready != b"listening\n":
                raise BrokenPipeError
            stdin.write(json.dumps(prepare).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise bubblewrap.SandboxError(f"no warm interpreter could be started: {self.complaint()}") from None

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def complaint(self) -> str:
        """End it and return the last line that it wrote."""
        self.process.kill()
        _, _, stderr = _pipes(self.process)
        lines = stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    """The standard input, output and error output of a zygote."""
    assert process.stdin and process.stdout and process.stderr  # `Zygote` starts it with a pipe for each
    return process.stdin, process.stdout, process.stderr


def _end(process: subprocess.Popen[bytes], exchange: Path) -> None:
    """Let a zygote exit by itself, and remove its folder."""
    stdin, stdout, stderr = _pipes(process)
    with contextlib.suppress(OSError):
        stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    stdout.close()
    stderr.close()
    temporary_folders.remove(exchange)


class Forker:
    """The fork of a zygote that forks kernels for this process alone.

    Args:
        exchange: the folder of the zygote.

    Attributes:
        pid: its process id outside the sandbox.

    Raises:
        OSError: there is no zygote that listens, or it ends while it warms up.
    """

    def __init__(self, exchange: Path):
        self.exchange = exchange
        self._unread, self._open = b"", True
        self._ended: dict[str, int] = {}
        self._started: dict[str, int] = {}
        self.line = socket.socket(socket.AF_UNIX)
        Finalize(self, self.line.close, exitpriority=0)
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # messages say who has sent them
        self.line.connect(str(exchange / "zygote"))
        self.line.settimeout(120)  # until it is warm
        ready, (sender, *_), *_ = self.line.recvmsg(65536, socket.CMSG_SPACE(CREDENTIALS.size))
        if not ready:
            raise ConnectionResetError("the warm interpreter has ended")
        self.pid, _, _ = CREDENTIALS.unpack(sender[2])

    def start(self, name: str, folder: Path, told: dict) -> int:
        """Fork a kernel, or a follower; its process id inside the sandbox.

        Args:
            told: a kernel's command line as `{"arguments": ...}`, or the request of `follower_inside.run`.
        """
        request: dict[str, object] = {"name": name, "folder": str(folder), "told": told}
        request |= {"limits": bubblewrap.LIMITS, "bytes": bubblewrap.SCRATCH_BYTES, "inodes": bubblewrap.SCRATCH_INODES}
        request |= {"filter": seccomp.program().hex(), "python": bubblewrap.python_folders()}
        self._write(request)
        while name not in self._started:
            self._read(30)
        return self._started.pop(name)

    def kill(self, name: str) -> None:
        """End a kernel and everything that it started."""
        self._write({"name": name, "kill": True})

    def ended(self, name: str, seconds: float = 0.0) -> int | None:
        """The exit code of a kernel that has ended, or ends within some seconds, else None."""
        deadline = time.monotonic() + seconds
        while self._ended.get(name) is None and self.alive() and self._ready(max(0.0, deadline - time.monotonic())):
            with contextlib.suppress(bubblewrap.SandboxError):
                self._read(0)
        return self._ended.get(name, None if self._open else -9)

    def alive(self) -> bool:
        """Whether it can fork more kernels."""
        while self._open and select([self.line], [], [], 0)[0]:
            self._receive()
        return self._open

    def _write(self, request: dict) -> None:
        try:
            self.line.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            self._open = False
            raise bubblewrap.SandboxError("the warm interpreter has ended") from None

    def _receive(self) -> None:
        try:
            data = self.line.recv(65536)
        except OSError:
            data = b""
        self._unread += data
        self._open = bool(data)

    def _ready(self, seconds: float) -> bool:
        return b"\n" in self._unread or bool(select([self.line], [], [], seconds)[0])

    def _read(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            if not self._ready(max(0.0, deadline - time.monotonic())):
                raise bubblewrap.SandboxError("the warm interpreter does not answer")
            self._receive()
            if not self._open:
                raise bubblewrap.SandboxError("the warm interpreter has ended")
        line, _, self._unread = self._unread.partition(b"\n")
        said = json.loads(line)
        if "ended" in said:
            self._ended[said["ended"]] = said["status"]
        if "started" in said:
            self._started[said["started"]] = said["pid"]


class Fork:
    """A forked kernel or follower, with the interface of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, home: Forker, name: str, pid: int):
        self.home, self.name, self.pid = home, name, pid

    def poll(self) -> int | None:
        return self.home.ended(self.name)

    def wait(self, timeout: float | None = None) -> int:
        code = self.home.ended(self.name, timeout or 30)
        return -9 if code is None else code

    def kill(self) -> None:
        if self.poll() is None:
            self.home.kill(self.name)
            self.wait(5)  # it takes milliseconds; jupyter_client would look again only after a tenth of a second

    terminate = kill

    def send_signal(self, number: int) -> None:
        """End it, whatever the signal: no signal reaches a kernel's processes from outside."""
        self.kill()


class Forkers:
    """Forkers by what is missing in the followers that they fork; None: of kernels. They start when first asked for.

    Args:
        shared: the folders of zygotes that another process has started. Where there is none, one is started here.
    """

    def __init__(self, shared: dict[Missing | None, Path] | None = None):
        self.shared = shared or {}
        self._zygotes: dict[Missing | None, Zygote] = {}
        self._forkers: dict[Missing | None, Forker] = {}

    def __getitem__(self, missing: Missing | None) -> Forker:
        """A forker that is alive.

        Raises:
            SandboxError: none can be started.
        """
        if missing not in self._forkers or not self._forkers[missing].alive():
            self._forkers[missing] = self._call(missing)
        return self._forkers[missing]

    def _call(self, missing: Missing | None) -> Forker:
        if missing in self.shared:
            with contextlib.suppress(OSError):
                return Forker(self.shared[missing])
        if bubblewrap.why_not():
            raise bubblewrap.SandboxError(bubblewrap.why_not())
        if missing not in self._zygotes or not self._zygotes[missing].alive():
            self._zygotes[missing] = Zygote(missing, [])
        try:
            return Forker(self._zygotes[missing].exchange)
        except OSError:
            words = self._zygotes[missing].complaint()
            raise bubblewrap.SandboxError(f"no warm interpreter could be started: {words}") from None


# Those of this process. Nothing can hand them over: nbclient makes a kernel manager from its class alone, and a worker
# of a pool learns of shared zygotes before its first task.
forkers = Forkers()


@contextlib.contextmanager
def zygotes(cells: list[str]) -> Iterator[dict[Missing | None, Path]]:
    """Zygotes for several processes, of students' kernels and of followers; their folders, for `share`.

    The one for kernels warms up now. The others may never be needed: they warm up when called or woken.

    Args:
        cells: texts of cells that most notebooks hold.
    """
    started: list[Zygote] = []
    with contextlib.ExitStack() as stack:
        for missing in (None, *Missing):
            started.append(Zygote(missing, cells))
            stack.callback(started[-1].end)
            if missing is None:
                wake(started[-1].exchange)
        try:
            yield dict(zip((None, *Missing), (zygote.exchange for zygote in started)))
        except BaseException:  # do not wait for zygotes that may still be importing
            for zygote in started:
                zygote.process.kill()
            raise


def wake(exchange: Path) -> None:
    """Make the zygote with this folder warm up now, before somebody waits for it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(exchange / "zygote"))


def share(folders: dict[Missing | None, Path]) -> None:
    """Make this process use zygotes that another process has started."""
    forkers.shared.update(folders)
