"""Cold kernels: a sandboxed interpreter of its own for each submission."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from grading.compat.jupyter_client import KernelManager
from grading.course import temporary_folders
from grading.sandbox import bubblewrap
from grading.sandbox.watchdog import Guarded


class SandboxedKernelManager(KernelManager):
    """Starts the kernel in a sandbox; it talks over sockets in a folder of its own."""

    files = Unicode(help="The folder that is copied into the kernel's working folder.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if bubblewrap.why_not():
            raise bubblewrap.SandboxError(bubblewrap.why_not())
        self.sockets = temporary_folders.closed("kernel")
        self.transport, self.ip = "ipc", f"{self.sockets}/s"
        self.connection_file = f"{self.sockets}/kernel.json"

    @property
    def guarded(self) -> Guarded:
        """The arguments of this kernel's `Watchdog`."""
        assert isinstance(self.provisioner, LocalProvisioner) and self.provisioner.process  # it has been started
        return {
            "home": self.provisioner.process.pid,
            "spared": 2,
            "folder": self.sockets,
            "private": bubblewrap.PRIVATE,
        }

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        bubblewrap.give_away(self.sockets)
        inside = super().format_kernel_cmd(extra_arguments)
        inside[0] = bubblewrap.python() if inside[0] == sys.executable else inside[0]
        return bubblewrap.command(inside, Path(self.files), self.sockets)

    def launch_settings(self) -> dict:
        return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # the terminal is not the student's

    def after_end(self) -> None:
        temporary_folders.remove(self.sockets.parent)
