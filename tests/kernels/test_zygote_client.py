"""The warm interpreters: shared by workers, each with a fork of its own, and gone when nobody needs them."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from grading.kernels import zygote_client
from grading.kernels.torch_masks import Missing
from grading.sandbox.bubblewrap import SandboxError

CALLER = """
import sys
from pathlib import Path
from grading.kernels import zygote_client
zygote_client.share({None: Path(sys.argv[1])})
home = zygote_client.forkers[None]
print(home.exchange == Path(sys.argv[1]), home.pid, flush=True)
sys.stdin.read()
"""


def call(exchange) -> subprocess.Popen:
    """A process that calls another one's zygote."""
    line = [sys.executable, "-c", CALLER, str(exchange)]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while there(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not there(pid)


def test_workers_share_a_zygote_and_each_has_a_fork_of_its_own():
    with zygote_client.zygotes(["x = 1"]) as folders:
        callers = [call(folders[None]) for _ in range(2)]
        said = [caller.stdout.readline().split() for caller in callers]
        forks = [int(pid) for _, pid in said]
        assert [shared for shared, _ in said] == ["True", "True"]
        assert len(set(forks)) == 2 and all(map(there, forks))
        callers[0].kill()
        assert ends(forks[0]), "the fork of a worker that was killed goes on"
        assert there(forks[1])
        for caller in callers:
            caller.communicate("", timeout=30)
        assert ends(forks[1])


def test_a_zygote_that_is_woken_imports_before_it_is_called():
    def is_of(process: psutil.Process, folder: Path) -> bool:
        try:
            return str(folder) in process.cmdline()
        except psutil.NoSuchProcess:  # or it has ended meanwhile
            return False

    def memory(folder: Path) -> int:
        own = [one for one in psutil.Process().children(recursive=True) if is_of(one, folder)]
        return max(one.memory_info().rss for one in own)

    with zygote_client.zygotes([]) as folders:
        asleep = memory(folders[Missing.TORCH])
        zygote_client.wake(folders[Missing.TORCH])
        deadline = time.monotonic() + 60
        while memory(folders[Missing.TORCH]) < asleep + 50 * 2**20 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert time.monotonic() < deadline, "it sleeps on"
        zygote_client.wake(folders[Missing.TORCH])
        caller = call(folders[Missing.TORCH])
        assert caller.stdout.readline().startswith("True")
        caller.communicate("", timeout=30)
    zygote_client.wake(folders[Missing.TORCH])  # it is gone: nothing happens


def test_without_the_shared_zygote_a_worker_has_its_own():
    with zygote_client.zygotes([]) as folders:
        gone = folders[None]
    caller = call(gone)
    assert caller.stdout.readline().startswith("False")
    caller.communicate("", timeout=30)


def test_an_error_ends_without_waiting_for_zygotes(monkeypatch):
    made = []

    class Zygote(zygote_client.Zygote):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(zygote_client, "Zygote", Zygote)
    with pytest.raises(ZeroDivisionError), zygote_client.zygotes([]) as folders:
        raise ZeroDivisionError
    assert [one.process.returncode for one in made] == [-9] * 3, "they were importing, and were waited for"
    assert not any(folder.exists() for folder in folders.values())


def test_without_bubblewrap_there_is_no_zygote(monkeypatch):
    monkeypatch.setattr("grading.sandbox.bubblewrap.bundled", lambda: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match="bubblewrap is missing"):
        zygote_client.Zygote(None, [])
