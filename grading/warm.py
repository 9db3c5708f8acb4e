"""Warm kernels: fork each submission's kernel from an interpreter that has imported everything, in the sandbox."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from multiprocessing.util import Finalize
from pathlib import Path
from select import select

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, Unicode

from grading import sandbox
from grading.kernel import QuickClient, probes


class Zygote:
    """A sandboxed interpreter that forks kernels, see `grading/zygote.py`; one for each worker process.

    Args:
        masks: folders that it and its kernels see in the place of others, see `sandbox.command`.
    """

    def __init__(self, masks: dict[str, str]):
        self.exchange = Path(tempfile.mkdtemp(prefix="kernels-"))
        sandbox.give_away(self.exchange)
        source = (Path(__file__).parent / "zygote.py").read_text(encoding="utf-8")
        inside = [sys.executable, "-I", "-c", source, str(self.exchange)]
        with tempfile.TemporaryDirectory() as nothing:
            line = sandbox.command(inside, Path(nothing), self.exchange, limited=False, masks=masks)
            self.process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
            # A worker that was forked runs none of the functions of `atexit`.
            Finalize(self, _end, (self.process, self.exchange), exitpriority=0)
            self._unread, self._ended, self._started = b"", {}, {}
            self._write({"prepare": probes()})
            if not self._read(120).get("ready"):
                raise sandbox.SandboxError(f"no warm interpreter could be started: {self._complaint()}")

    def start(self, name: str, folder: Path, arguments: list[str], environment: dict[str, str]) -> int:
        """Fork a kernel; its process id inside the sandbox."""
        request = {"name": name, "folder": str(folder), "arguments": arguments, "environment": environment}
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
        while self._ended.get(name) is None and self.process.poll() is None and self._ready(0):
            self._read(0)
        return self._ended.get(name, None if self.process.poll() is None else -9)

    def alive(self) -> bool:
        """Whether it can fork more kernels."""
        return self.process.poll() is None

    def _write(self, request: dict) -> None:
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise sandbox.SandboxError(f"the warm interpreter has ended: {self._complaint()}") from None

    def _ready(self, seconds: float) -> bool:
        return b"\n" in self._unread or bool(select([self.process.stdout], [], [], seconds)[0])

    def _read(self, seconds: float) -> dict:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            if not self._ready(max(0.0, deadline - time.monotonic())):
                raise sandbox.SandboxError("the warm interpreter does not answer")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise sandbox.SandboxError(f"the warm interpreter has ended: {self._complaint()}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        said = json.loads(line)
        if "ended" in said:
            self._ended[said["ended"]] = said["status"]
        if "started" in said:
            self._started[said["started"]] = said["pid"]
        return said

    def _complaint(self) -> str:
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
    process.stdout.close()
    process.stderr.close()
    shutil.rmtree(exchange, ignore_errors=True)


_zygotes: dict[frozenset, Zygote] = {}


def zygote(masks: dict[str, str] | None = None) -> Zygote:
    """The zygote of this process with these masks; a new one if the last has ended."""
    key = frozenset((masks or {}).items())
    if key not in _zygotes or not _zygotes[key].alive():
        _zygotes[key] = Zygote(masks or {})
    return _zygotes[key]


class _Fork:
    """A forked kernel, in the words of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, home: Zygote, name: str, pid: int):
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
    """Launches a kernel by forking it from this process's zygote."""

    async def launch_kernel(self, cmd: list[str], **kwargs) -> KernelConnectionInfo:
        manager, home = self.parent, self.parent.home
        arguments = cmd[cmd.index("-f") :] if "-f" in cmd else cmd[1:]
        pid = home.start(manager.folder.name, manager.folder, arguments, {})
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
        self.home = zygote(self.masks)
        self.folder = self.home.exchange / uuid.uuid4().hex[:8]
        self.folder.mkdir()
        self.transport, self.ip = "ipc", f"{self.folder}/s"
        self.connection_file = f"{self.folder}/kernel.json"
        self.client_factory = QuickClient
        self.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "sandboxed-fork"}

    @property
    def guarded(self) -> tuple[int, int, Path]:
        """What a `guard.Guard` has to know: the process, the generations to spare, the writable folder."""
        return self.home.process.pid, 3, self.folder

    async def _async_pre_start_kernel(self, **kwargs):
        prepared = await super()._async_pre_start_kernel(**kwargs)
        shutil.copytree(self.files, self.folder / "files")
        sandbox.give_away(self.folder)
        return prepared

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        shutil.rmtree(self.folder, ignore_errors=True)
