"""Warm kernels: fork each submission's kernel from an interpreter that has imported everything, in the sandbox."""

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from select import select

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, Unicode

from grading import sandbox, temporary
from grading.kernel import probes

CREDENTIALS = struct.Struct("3i")  # the ids of a process, its user and its group, see unix(7)


class Zygote:
    """A sandboxed interpreter from which kernels are forked, see `grading/zygote.py`.

    It warms up when it is first called, see `Forker`.

    Args:
        masks: folders that it and its kernels see in the place of others, see `sandbox.command`.
        cells: texts of cells that most notebooks hold; IPython looks at them in advance.
    """

    def __init__(self, masks: dict[str, str], cells: list[str]):
        self.exchange = Path(tempfile.mkdtemp(prefix=temporary.prefix("kernels")))
        sandbox.give_away(self.exchange)
        source = (Path(__file__).parent / "zygote.py").read_text(encoding="utf-8")
        inside = [sys.executable, "-I", "-c", source, str(self.exchange)]
        with tempfile.TemporaryDirectory() as nothing:
            line = sandbox.command(inside, Path(nothing), self.exchange, limited=False, masks=masks)
            self.process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
            # A worker that was forked runs none of the functions of `atexit`.
            self.end = Finalize(self, _end, (self.process, self.exchange), exitpriority=0)
            ready = select([self.process.stdout], [], [], 60)[0] and self.process.stdout.readline()
        try:
            if ready != b"listening\n":
                raise BrokenPipeError
            self.process.stdin.write(json.dumps({"probes": probes(), "cells": cells}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise sandbox.SandboxError(f"no warm interpreter could be started: {self.complaint()}") from None

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
    temporary.remove(exchange)


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
        request |= {"limits": sandbox.LIMITS, "bytes": sandbox.SCRATCH_BYTES, "python": sandbox.python_folders()}
        self._write(request)
        while name not in self._started:
            self._read(30)
        return self._started.pop(name)

    def kill(self, name: str) -> None:
        """End a kernel and everything that it started."""
        self._write({"name": name, "kill": True})

    def ended(self, name: str) -> int | None:
        """The exit code of a kernel that has ended, else None."""
        while self._ended.get(name) is None and self.alive() and self._ready(0):
            with contextlib.suppress(sandbox.SandboxError):
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
            raise sandbox.SandboxError("the warm interpreter has ended") from None

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
                raise sandbox.SandboxError("the warm interpreter does not answer")
            self._receive()
            if not self._open:
                raise sandbox.SandboxError("the warm interpreter has ended")
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
    if kind not in _own or not _own[kind].alive():
        _own[kind] = Zygote(masks, [])
    try:
        return Forker(_own[kind].exchange)
    except OSError:
        raise sandbox.SandboxError(f"no warm interpreter could be started: {_own[kind].complaint()}") from None


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
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(str(plain.exchange / "zygote"))  # so that it warms up now; the other one may never need to
        bare = Zygote(masks, cells)
        started.callback(bare.end)
        yield {PLAIN: plain.exchange, BARE: bare.exchange}


def share(folders: dict[str, Path]) -> None:
    """Let this process call the zygotes of another one."""
    _shared.update(folders)


class _Fork:
    """A forked kernel, in the words of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, home: Forker, name: str, pid: int):
        self.home, self.name, self.pid = home, name, pid

    def poll(self) -> int | None:
        return self.home.ended(self.name)

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (timeout or 30)
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return -9 if code is None else code

    def kill(self) -> None:
        if self.poll() is None:
            self.home.kill(self.name)
            self.wait(5)  # it takes milliseconds; jupyter_client would look again only after a tenth of a second

    terminate = kill

    def send_signal(self, number: int) -> None:
        """Only an end can be asked for: a kernel's processes cannot be reached from outside."""
        self.kill()


class ForkProvisioner(LocalProvisioner):
    """Launches a kernel by forking it."""

    async def launch_kernel(self, cmd: list[str], **kwargs) -> KernelConnectionInfo:
        manager, home = self.parent, self.parent.home
        arguments = cmd[cmd.index("-f") :] if "-f" in cmd else cmd[1:]
        pid = home.start(manager.folder.name, manager.folder, arguments)
        self.process = _Fork(home, manager.folder.name, pid)
        self.pid, self.pgid = pid, None
        return self.connection_info


class WarmKernelManager(AsyncKernelManager):
    """Starts kernels by forking; `files` is the folder whose content the kernel finds in its working folder."""

    files = Unicode()
    masks = Dict(help="As those of `SandboxedKernelManager`.")
    has_probes = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if sandbox.why_not():
            raise sandbox.SandboxError(sandbox.why_not())
        self.home = forker(self.masks)
        self.folder = self.home.exchange / uuid.uuid4().hex[:8]
        self.folder.mkdir()
        self.transport, self.ip = "ipc", f"{self.folder}/s"
        self.connection_file = f"{self.folder}/kernel.json"
        self.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "sandboxed-fork"}

    @property
    def guarded(self) -> tuple[int, int, Path]:
        """What a `guard.Guard` has to know: the process, the generations to spare, the writable folder."""
        return self.home.pid, 1, self.folder

    async def _async_pre_start_kernel(self, **kwargs):
        prepared = await super()._async_pre_start_kernel(**kwargs)
        shutil.copytree(self.files, self.folder / "files")
        sandbox.give_away(self.folder, self.home.exchange.stat().st_uid)
        return prepared

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        temporary.remove(self.folder)
