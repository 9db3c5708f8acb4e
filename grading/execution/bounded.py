"""Process students' texts in a separate process that ends when it takes too much time or memory."""

import contextlib
import pickle
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import LifoQueue
from typing import Any

from grading.execution.workers import end_with_parent

PATIENCE = 10  # on a busy machine, seconds on the clock for each second of processor time


class LimitError(Exception):
    """The work exceeded a limit, or its process ended for another reason; the message says which.

    Attributes:
        is_time: it used up its processor time, and would do so again.
    """

    def __init__(self, reason: str, is_time: bool = False):
        super().__init__(reason)
        self.is_time = is_time


class Bounded:
    """Calls functions one after another in a separate process. If it has ended, the next call starts a new one.

    The process lives from call to call, and so do its caches.

    Args:
        seconds: of processor time for each call, and ten times that on the clock.
        memory: in bytes, more than the process has when it starts.
    """

    def __init__(self, seconds: float, memory: int):
        self.seconds, self.memory = seconds, memory
        self._running: tuple[Any, Connection] | None = None

    def __call__(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What the function returns; its exceptions are raised here.

        Raises:
            LimitError: it took too much time or memory, or its process ended.
        """
        _, here = self._running = self._running or self._start()
        try:
            here.send((function, arguments))
            if not here.poll(PATIENCE * self.seconds + 60):
                raise LimitError(f"it did not finish within {PATIENCE * self.seconds + 60:g} s", is_time=True)
            kind, value = here.recv()
        except (EOFError, ConnectionError):
            code = self._end()
            if code == -24:  # SIGXCPU; macOS has the same number
                raise LimitError(f"it took more than {self.seconds:g} s", is_time=True) from None
            raise LimitError(f"its process ended (exit code {code})") from None
        except LimitError:
            self._end()
            raise
        if kind == "memory":
            self._end()
            raise LimitError(f"it took more than {self.memory // 2**20} MiB of memory")
        if kind == "error":
            raise value
        return value

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            self._end()

    def __enter__(self) -> "Bounded":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self) -> tuple[Any, Connection]:
        context: Any = get_context("forkserver" if sys.platform == "linux" else "spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self.seconds, self.memory), daemon=True)
        process.start()
        there.close()
        return process, here

    def _end(self) -> int | None:
        if self._running is None:
            return None
        (process, here), self._running = self._running, None
        here.close()
        process.join(1)
        process.kill()
        process.join()
        code = process.exitcode
        process.close()
        return code


class BoundedPool:
    """Several `Bounded` processes, each started when it is needed. Several threads may call functions in them."""

    def __init__(self, jobs: int, seconds: float, memory: int):
        self._processes = [Bounded(seconds, memory) for _ in range(jobs)]
        self._free: LifoQueue[Bounded] = LifoQueue()  # one that has started is used before one that has not
        for process in self._processes:
            self._free.put(process)

    def __call__(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What the function returns; its exceptions are raised here. Waits until a process is free.

        Raises:
            LimitError: it took too much time or memory, or its process ended.
        """
        process = self._free.get()
        try:
            return process(function, *arguments)
        finally:
            self._free.put(process)

    def __enter__(self) -> "BoundedPool":
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes. No call may be under way."""
        for process in self._processes:
            process.close()


def _serve(there: Connection, seconds: float, memory: int) -> None:
    end_with_parent()
    _limit_memory(memory)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            function, arguments = there.recv()
            _limit_time(seconds)
            try:
                answer = ("value", function(*arguments))
            except MemoryError:
                there.send(("memory", None))
                return
            except Exception as error:
                answer = ("error", _portable(error))
            there.send(answer)


def _portable(error: Exception) -> Exception:
    """The exception or, if it cannot be pickled, one with the same message. A note holds the traceback."""
    note = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return error


def _limit_time(seconds: float) -> None:
    """Make the system end this process after this many more seconds of processor time."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        end = int(time.process_time() + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit_memory(more: int) -> None:
    """Limit the additional memory of this process. Only on Linux, which reports how much it has now."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
