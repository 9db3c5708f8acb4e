"""Warm kernels: fork each submission's kernel from an interpreter that has imported everything, in the sandbox."""

import shutil
import uuid
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from grading.compat.jupyter_client import KernelManager
from grading.course import temporary_folders
from grading.kernels import zygote_client
from grading.kernels.zygote_client import Fork
from grading.sandbox import bubblewrap
from grading.sandbox.watchdog import Guarded


class ForkProvisioner(LocalProvisioner):
    """Launches a kernel by forking it."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        manager = self.parent
        assert isinstance(manager, WarmKernelManager)  # only its kernels name this provisioner
        home = manager.home
        arguments = cmd[cmd.index("-f") :] if "-f" in cmd else cmd[1:]
        pid = home.start(manager.folder.name, manager.folder, {"arguments": arguments})
        process = Fork(home, manager.folder.name, pid)
        self.process = process  # type: ignore[assignment]  # as much of a Popen as LocalProvisioner uses
        self.pid, self.pgid = pid, None
        return self.connection_info


class WarmKernelManager(KernelManager):
    """Starts kernels by forking; the folder `files` is copied into the kernel's working folder."""

    files = Unicode()
    has_probes = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.home = zygote_client.forkers[None]
        self.folder = self.home.exchange / uuid.uuid4().hex[:8]
        self.folder.mkdir()
        self.transport, self.ip = "ipc", f"{self.folder}/s"
        self.connection_file = f"{self.folder}/kernel.json"
        assert self.kernel_spec is not None  # jupyter_client raises NoSuchKernel instead
        self.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "sandboxed-fork"}

    @property
    def guarded(self) -> Guarded:
        """The arguments of this kernel's `Watchdog`. The forker itself limits the number of files."""
        return {"home": self.home.pid, "spared": 1, "folder": self.folder}

    def before_start(self) -> None:
        shutil.copytree(self.files, self.folder / "files")
        bubblewrap.give_away(self.folder, self.home.exchange.stat().st_uid)

    def after_end(self) -> None:
        temporary_folders.remove(self.folder)
