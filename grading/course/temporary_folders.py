"""Temporary folders, named after their process, so that the next grader can remove those of a killed one."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

# Containers may share /tmp, and a process id means something only among the processes that see each other.
_NAMESPACE = Path("/proc/self/ns/pid")
_HERE = _NAMESPACE.stat().st_ino if _NAMESPACE.exists() else 0

LONGEST = 40  # characters of TMPDIR; a socket's path has 107 at most, and the names of folders in it need the others
SHORT = ("/tmp", "/var/tmp", "/dev/shm")


def prefix(kind: str) -> str:
    """How the name of a temporary folder of this process begins, for `tempfile`."""
    return f"grading-{_HERE}-{os.getpid()}-{kind}-"


def for_sockets() -> str:
    """The parent of folders for sockets: TMPDIR or, because a socket's path must be short, a shorter one."""
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST:
        return usual
    return next((short for short in SHORT if os.access(short, os.W_OK | os.X_OK)), usual)


def closed(kind: str) -> Path:
    """A new folder that a kernel may write to. Its parent keeps other users out, even if the kernel opens its own.

    Take the outer one away: `remove(folder.parent)`.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix(kind), dir=for_sockets())) / "own"
    folder.mkdir(mode=0o700)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder, even if a student has made its content very deep or unreadable."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", folder], check=False, stderr=subprocess.DEVNULL)


def sweep() -> None:
    """Remove the folders of processes that ended without removing them."""
    folders = {tempfile.gettempdir(), for_sockets()}
    for path in (path for folder in folders for path in Path(folder).glob(f"grading-{_HERE}-*-*-*")):
        pid = path.name.split("-")[2]
        if pid.isdigit() and not path.is_symlink() and not runs(int(pid)):
            remove(path)


def runs(pid: int) -> bool:
    """Whether a process with this id still runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
