"""Calls that no notebook needs are refused, in warm and in cold kernels; what notebooks do still works."""

import platform
import struct

import pytest

from grading.sandbox import seccomp
from tests.kernels.test_forked_kernel import execute

pytestmark = pytest.mark.usefixtures("started")

CALLS = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for call in {calls}:
    print("allowed" if libc.syscall(*call) >= 0 else errno.errorcode[ctypes.get_errno()])
"""
USES = """
import ctypes, multiprocessing, socket, subprocess, threading
import torch
from torch.utils.data import DataLoader, TensorDataset

subprocess.run(["true"], check=True)
threads = [threading.Thread(target=print, args=("thread",))]
threads.append(multiprocessing.get_context("fork").Process(target=print, args=("child",)))
for one in threads:
    one.start()
    one.join()
print(sum(batch.sum().item() for (batch,) in DataLoader(TensorDataset(torch.ones(8)), batch_size=2, num_workers=1)))
print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(2))
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
"""


def test_every_jump_stays_in_the_program():
    for machine in seccomp.ARCHITECTURES:
        program = seccomp.program(machine)
        steps = [struct.unpack("=HBBI", program[place : place + 8]) for place in range(0, len(program), 8)]
        assert steps[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)
        for place, (code, true, false, _) in enumerate(steps):
            assert code in (seccomp.LOAD, seccomp.RETURN) or place + max(true, false) + 1 < len(steps)


def test_an_unknown_architecture_has_no_filter():
    assert seccomp.program("s390x") == b""


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
def test_calls_that_hide_memory_or_make_namespaces_are_refused(tmp_path, warm):
    refused = [(319, b"x", 0), (29, 0, 4096, 0o1600), (250, 0, -3, 0), (272, 0x10000000), (165, 0, 0, 0, 0, 0)]
    refused += [(56, 0x10000000 | 17, 0, 0, 0, 0), (101, 16, 1, 0, 0), (seccomp.X32 + 39,)]
    refused += [(54, 0, 1, 7, b"1234", 4), (54, 0, 1, 8, b"1234", 4)]
    refused += [(41, family, kind, 0) for family in (17, 29, 31, 38, 40, 44) for kind in (1, 2, 3)]  # AF_VSOCK is 40
    new = b"/scratch/new"
    refused += [(90, new, 0o4755), (91, 9, 0o2755), (268, -100, new, 0o4755), (452, -100, new, 0o6755, 0)]
    refused += [(2, new, 0o102, 0o4755), (257, -100, new, 0o102, 0o2755), (85, new, 0o4755), (133, new, 0o104755, 0)]
    allowed = [(39,), *[(41, family, 3 if family == 16 else 2, 0) for family in seccomp.FAMILIES]]
    allowed += [(85, new, 0o755), (90, new, 0o1700), (257, -100, b"/scratch", 0, 0)]
    (cell,) = execute(tmp_path, CALLS.format(calls=[*refused, (435, 0, 0), (437, 0, b"x", 0, 0), *allowed]), warm=warm)
    wanted = ["EPERM"] * len(refused) + ["ENOSYS"] * 2 + ["allowed"] * len(allowed)
    assert cell.outputs[0].text.split() == wanted


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_processes_threads_and_loopback_work(tmp_path, warm):
    (cell,) = execute(tmp_path, USES, warm=warm)
    assert [output.get("text", output.get("evalue")) for output in cell.outputs] == ["thread\nchild\n8.0\n3\n"]
