"""Private names of jupyter_client."""

from typing import Any

from jupyter_client.client import KernelClient
from jupyter_client.manager import AsyncKernelManager


class KernelManager(AsyncKernelManager):
    """jupyter_client's, with hooks around a kernel's life."""

    def launch_settings(self) -> dict:
        """What `subprocess.Popen` is called with, besides what jupyter_client decides."""
        return {}

    def before_start(self) -> None:
        """Called when all is prepared for a kernel's start."""

    def after_end(self) -> None:
        """Called when a kernel has ended, by itself or not."""

    async def _async_pre_start_kernel(self, **settings: Any) -> tuple[list[str], dict]:
        prepared = await super()._async_pre_start_kernel(**{**self.launch_settings(), **settings})
        self.before_start()
        return prepared

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        self.after_end()

    cleanup_resources = _async_cleanup_resources  # what nbclient calls when the kernel has ended by itself


def note_kernel_info(client: KernelClient, reply: dict) -> None:
    """Let a client know what its kernel has told about itself."""
    client._handle_kernel_info_reply(reply)
