"""Start warm interpreters in the sandbox, and let them fork kernels."""

import contextlib
import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from select import select

from grading import probe
from grading.course import temporary_folders
from grading.sandbox import bubblewrap, seccomp

CREDENTIALS = struct.Struct("3i")  # the ids of a process, its user and its group, see unix(7)


class Zygote:
    """A sandboxed interpreter from which kernels are forked, see `grading/kernels/zygote.py`.

    It warms up when it is first called, see `Forker`.

    Args:
        masks: folders that it and its kernels see in the place of others, see `bubblewrap.command`.
        cells: texts of cells that most notebooks hold; IPython looks at them in advance.

    Raises:
        SandboxError: it cannot be started.
    """

    def __init__(self, masks: dict[str, str], cells: list[str]):
        if bubblewrap.executable() is None:
            raise bubblewrap.SandboxError(bubblewrap.why_missing())
        self.exchange = Path(tempfile.mkdtemp(prefix=temporary_folders.prefix("kernels")))
        bubblewrap.give_away(self.exchange)
        source = (Path(__file__).parent / "zygote.py").read_text(encoding="utf-8")
        inside = [sys.executable, "-I", "-c", source, str(self.exchange)]
        with tempfile.TemporaryDirectory() as nothing:
            line = bubblewrap.command(inside, Path(nothing), self.exchange, limited=False, masks=masks)
            self.process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
            # A worker that was forked runs none of the functions of `atexit`.
            self.end = Finalize(self, _end, (self.process, self.exchange), exitpriority=0)
            ready = select([self.process.stdout], [], [], 60)[0] and self.process.stdout.readline()
        try:
            if ready != b"listening\n":
                raise BrokenPipeError
            self.process.stdin.write(json.dumps({"probes": probe.source(), "cells": cells}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise bubblewrap.SandboxError(f"no warm interpreter could be started: {self.complaint()}") from None

    def alive(self) -> bool:
        """Whether it can be called."""
        return self.process.poll() is None

    def complaint(self) -> str:
        """End it; the last line that it wrote."""
        self.process.kill()
        lines = self.process.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def _end(process: subprocess.Popen, exchange: Path) -> None:
    """Let a zygote end by itself, and take its folder away."""
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
    process.stderr.close()
    temporary_folders.remove(exchange)


class Forker:
    """The fork of a zygote that forks kernels for this process alone.

    Args:
        exchange: the folder of the zygote.

    Attributes:
        pid: its process id, as it is here.

    Raises:
        OSError: there is no zygote that listens, or it ends while it warms up.
    """

    def __init__(self, exchange: Path):
        self.exchange = exchange
        self._unread, self._ended, self._started, self._open = b"", {}, {}, True
        self.line = socket.socket(socket.AF_UNIX)
        Finalize(self, self.line.close, exitpriority=0)
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # messages tell who has sent them
        self.line.connect(str(exchange / "zygote"))
        self.line.settimeout(120)  # until it is warm
        ready, (sender, *_), *_ = self.line.recvmsg(65536, socket.CMSG_SPACE(CREDENTIALS.size))
        if not ready:
            raise ConnectionResetError("the warm interpreter has ended")
        self.pid, _, _ = CREDENTIALS.unpack(sender[2])

    def start(self, name: str, folder: Path, arguments: list[str]) -> int:
        """Fork a kernel; its process id inside the sandbox."""
        request = {"name": name, "folder": str(folder), "arguments": arguments}
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


PLAIN, BARE = "plain", "bare"
_shared: dict[str, Path] = {}  # the folders of zygotes that another process has started, by kind
_own: dict[str, Zygote] = {}
_forkers: dict[str, Forker] = {}


def forker(masks: dict[str, str] | None = None) -> Forker:
    """What forks the kernels of this process; a new one if the last has ended.

    Args:
        masks: those of bare kernels, none for students' own.

    Raises:
        SandboxError: none can be started.
    """
    kind = BARE if masks else PLAIN
    if kind not in _forkers or not _forkers[kind].alive():
        _forkers[kind] = _call(kind, masks or {})
    return _forkers[kind]


def _call(kind: str, masks: dict[str, str]) -> Forker:
    if kind in _shared:
        with contextlib.suppress(OSError):
            return Forker(_shared[kind])
    if bubblewrap.why_not():
        raise bubblewrap.SandboxError(bubblewrap.why_not())
    if kind not in _own or not _own[kind].alive():
        _own[kind] = Zygote(masks, [])
    try:
        return Forker(_own[kind].exchange)
    except OSError:
        raise bubblewrap.SandboxError(f"no warm interpreter could be started: {_own[kind].complaint()}") from None


@contextlib.contextmanager
def zygotes(cells: list[str], masks: dict[str, str]) -> Iterator[dict[str, Path]]:
    """Zygotes for several processes; their folders, for `share`.

    Args:
        cells: texts of cells that most notebooks hold.
        masks: those of bare kernels.
    """
    with contextlib.ExitStack() as started:
        plain = Zygote({}, cells)
        started.callback(plain.end)
        wake(plain.exchange)
        bare = Zygote(masks, cells)  # it may never be needed
        started.callback(bare.end)
        try:
            yield {PLAIN: plain.exchange, BARE: bare.exchange}
        except BaseException:  # nobody waits for what may be importing still
            plain.process.kill()
            bare.process.kill()
            raise


def wake(exchange: Path) -> None:
    """Let the zygote with this folder warm up now, before anybody waits for it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(exchange / "zygote"))


def share(folders: dict[str, Path]) -> None:
    """Let this process call the zygotes of another one."""
    _shared.update(folders)
