"""Private names of jupyter_client exist and mean what is assumed. An upgrade that changes one fails here, by name."""

import subprocess

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from grading.compat.jupyter_client import KernelManager
from tests.compat.signatures import assert_takes

NAMES = [
    (AsyncKernelManager, "_async_pre_start_kernel", ["transport_encryption", "kw"]),
    (AsyncKernelManager, "_async_cleanup_resources", ["restart"]),
    (AsyncKernelClient, "_handle_kernel_info_reply", ["msg"]),
]


@pytest.mark.parametrize(("owner", "name", "arguments"), NAMES, ids=[f"{o.__name__}.{n}" for o, n, _ in NAMES])
def test_it_exists_and_takes_these_arguments(owner, name, arguments):
    assert_takes(owner, name, arguments)


def test_starting_and_stopping_a_kernel_calls_the_hooks():
    called = []

    class Manager(KernelManager):
        def launch_settings(self):
            return {"stderr": subprocess.DEVNULL}

        def before_start(self):
            called.append("start")

        def after_end(self):
            called.append("end")

    client = NotebookClient(new_notebook(cells=[new_code_cell("1 + 1")]), kernel_manager_class=Manager)
    client.execute()
    assert client.nb.cells[0].outputs[0].data["text/plain"] == "2"
    assert called[0] == "start" and set(called[1:]) == {"end"}
