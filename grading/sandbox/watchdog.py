"""Watch the total resources of a kernel and everything that it started, and end them when they exceed a limit.

The system's limits apply to each process alone. Many small processes can still fill the memory, many small files the
disk, and many busy processes starve others of the processor. This reads Linux's /proc; elsewhere it sees no process.
"""

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from grading.course import cores
from grading.sandbox.bubblewrap import SCRATCH_INODES

SECONDS = 0.5  # between two looks
PAGE = resource.getpagesize()
ENTRY = 4096  # bytes that even an empty file takes from a disk
CORES = cores.usable()
CROWD = max(16, 2 * CORES)  # processes and threads that may compute at the same time
LOOKS = 6  # consecutive looks at which there may be more
OPEN = 8192  # files and sockets that all processes may have open: nothing else limits the data that wait in sockets
NICENESS = 19  # of the processes that a kernel has started, see nice(2): the lowest priority
LONGEST = 3000  # characters of a path; a little more and it cannot be looked at


class Guarded(TypedDict):
    """The arguments of a `Watchdog` that depend on the kernel."""

    home: int
    spared: int
    folder: Path
    private: NotRequired[Sequence[str]]


class Watchdog(threading.Thread):
    """Ends all descendants of a process when they exceed a limit.

    Args:
        home: the id of the process that a kernel was started with.
        spared: the number of generations, that process first, that are not the kernel: bubblewrap and its init, and in
            a warm sandbox the interpreter that forks kernels.
        folder: the host folder that the kernel can write to.
        memory: limit in bytes for the kernel and everything that it started.
        disk: limit in bytes for what it adds to that folder.
        private: its in-memory folders, by their paths inside, where nothing else limits the number of files.

    Attributes:
        tripped: the limit that was exceeded, in plain words; empty if none was.
    """

    def __init__(self, home: int, spared: int, folder: Path, memory: int, disk: int, private: Sequence[str] = ()):
        super().__init__(name="guard", daemon=True)
        self.home, self.spared, self.folder, self.memory, self.private = home, spared, folder, memory, private
        self.allowed, self.disk = disk, disk + (_size(folder, sys.maxsize) or 0)  # the submission's own files are there
        self.tripped = ""
        self._ended = threading.Event()

    def stop(self) -> None:
        """Stop watching."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        crowded = 0  # looks in a row
        while not self._ended.wait(SECONDS):
            pids, shared = self._kernel()
            crowded = crowded + 1 if sum(map(computing, pids)) > CROWD else 0
            # Forked processes share most of their memory. Counting each page once takes time: do it only if needed.
            if sum(map(resident, pids)) > self.memory and sum(proportional(pid, shared) for pid in pids) > self.memory:
                self.tripped = f"more than {self.memory / 2**30:g} GiB of memory were taken"
            elif crowded > LOOKS:
                self.tripped = f"more than {CROWD} processes and threads of it went on computing at the same time"
            elif (size := _size(self.folder, self.disk)) is None:
                self.tripped = "unreadable folders were made outside the scratch folder"
            elif size > self.disk:
                self.tripped = f"more than {self.allowed / 2**20:g} MiB were written outside the scratch folder"
            elif any(made(pid, path) > SCRATCH_INODES for pid in pids[:1] for path in self.private):
                self.tripped = f"more than {SCRATCH_INODES} files were made in one folder"
            elif len(pids) > 2 and sum(map(opened, pids)) > OPEN:
                self.tripped = f"more than {OPEN} files and sockets were open at the same time"
            else:
                for pid in pids[1:]:
                    stand_back(pid)
                if pids and computing(pids[0]) > CORES:
                    stand_back(pids[0], threads=True)
                continue
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def waited(self) -> float:
        """Seconds for which the kernel's own process waited for a processor; 0 where that is unknown.

        A warm interpreter may have forked several kernels of one submission: their sum.
        """
        return sum(map(waited, self._first()))

    def processor_time(self) -> float | None:
        """Seconds of processor time that the kernel's own process has used so far; None where that is unknown.

        A follower can start no other process, so this is all the time it has used.
        """
        used = [seconds for pid in self._first() if (seconds := processor_time(pid)) is not None]
        return sum(used) if used else None

    def _first(self) -> list[int]:
        """The kernel's own process, or those of the kernels of one submission that a warm interpreter has forked."""
        generation = [self.home]
        for _ in range(self.spared):
            generation = [child for pid in generation for child in children(pid)]
        return generation

    def _kernel(self) -> tuple[list[int], int]:
        """The processes of the kernel, and how much memory each shares with the one that it was forked from."""
        generation, shared, found = [self.home], 0, []
        for _ in range(self.spared):
            shared = max(map(resident, generation), default=0)
            generation = [child for pid in generation for child in children(pid)]
        while generation:
            found += generation
            generation = [child for pid in generation for child in children(pid)]
        return found, shared


def stand_back(pid: int, threads: bool = False) -> None:
    """Lower the priority of a process that a kernel has started.

    Linux may share the processor among sessions, regardless of priorities, see sched(7). So for a process that leads
    its own session, the priority of the whole session is lowered.

    Args:
        threads: lower the priority of the process's threads instead.
    """
    with contextlib.suppress(OSError):
        ids = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()] if threads else [pid]
        for one in ids:
            if not threads or one != pid:
                os.setpriority(os.PRIO_PROCESS, one, NICENESS)
        session = Path(f"/proc/{pid}/autogroup")
        # An ordinary user may change one session in a tenth of a second: the others have their turn at the next looks.
        if not threads and os.getsid(pid) == pid and not session.read_text(encoding="ascii").endswith(f" {NICENESS}\n"):
            session.write_text(str(NICENESS), encoding="ascii")


def waited(pid: int) -> float:
    """Seconds for which the main thread of a process waited for a processor, see proc(5)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def processor_time(pid: int) -> float | None:
    """Seconds of processor time that a process has used, all its threads together, ended ones too; None if unknown.

    Linux has a clock for each process, see clock_getcpuclockid(3). It counts nanoseconds, /proc hundredths of a second.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return None


def children(pid: int) -> list[int]:
    """The processes that a process has started and that have not ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # the process, or a thread of it, may end meanwhile
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, path.read_text(encoding="ascii").split())
    return found


def resident(pid: int) -> int:
    """The bytes of a process that are in memory; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def computing(pid: int) -> int:
    """How many threads of a process compute, or would if they got a processor."""
    found = 0
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):
                found += path.read_text(errors="replace").rpartition(")")[2].startswith(" R")
    return found


def made(pid: int, folder: str) -> int:
    """How many files, folders and links a file system holds that a process sees at this path; 0 if it has ended."""
    try:
        room = os.statvfs(f"/proc/{pid}/root{folder}")
    except OSError:
        return 0
    return room.f_files - room.f_ffree


def opened(pid: int) -> int:
    """How many files and sockets a process has open; 0 if that is secret."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def proportional(pid: int, shared: int = 0) -> int:
    """The bytes of a process, with each page that several share divided among them; an estimate if that is secret."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return max(0, resident(pid) - shared)


def proportional_tree(pid: int) -> int:
    """The memory of a process and its descendants in bytes; shared pages are divided among their users."""
    generation, total = [pid], 0
    while generation:
        total += sum(map(proportional, generation))
        generation = [child for one in generation for child in children(one)]
    return total


def _size(folder: Path, enough: int) -> int | None:
    """The bytes of all files below a folder. It stops counting when the limit is exceeded.

    Files deleted meanwhile do not count. None if a folder is too deep or unreadable.
    """
    total, folders = 0, [str(folder)]
    while folders and total <= enough:
        path = folders.pop()
        if len(path) > LONGEST:
            return None
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        total += max(ENTRY, entry.stat(follow_symlinks=False).st_size)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return total
