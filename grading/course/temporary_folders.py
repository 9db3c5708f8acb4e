"""Temporary folders bear the name of their process: those of a grader that was killed are swept by the next one."""

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
    """Where folders are made in which sockets lie: TMPDIR, or a shorter one, because a socket's path is short."""
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST:
        return usual
    return next((short for short in SHORT if os.access(short, os.W_OK | os.X_OK)), usual)


def closed(kind: str) -> Path:
    """A new folder for a kernel to write to, in one that no other user may enter, whatever the kernel does to its own.

    Take the outer one away: `remove(folder.parent)`.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix(kind), dir=for_sockets())) / "own"
    folder.mkdir(mode=0o700)
    return folder


def remove(folder: Path) -> None:
    """Take away a folder, however deep or forbidden a student has made what is in it."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", folder], check=False, stderr=subprocess.DEVNULL)


def sweep() -> None:
    """Take away the folders of processes that have ended without doing so."""
    folders = {tempfile.gettempdir(), for_sockets()}
    for path in (path for folder in folders for path in Path(folder).glob(f"grading-{_HERE}-*-*-*")):
        pid = path.name.split("-")[2]
        if pid.isdigit() and not path.is_symlink() and not runs(int(pid)):
            remove(path)


def runs(pid: int) -> bool:
    """Whether there is a process of that id that has not ended; one that nobody has waited for has."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
