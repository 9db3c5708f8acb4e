"""A command in a pseudo-terminal: what it shows, and what a person types."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

import psutil


def _take_terminal() -> None:
    """Let Ctrl-C arrive, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """`python -m grading <arguments>` in a terminal of 24 lines with 100 characters each."""

    def __init__(self, root: Path, *arguments: str, seconds: float = 60):
        self._here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grading", *arguments],
            cwd=root,
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
            preexec_fn=_take_terminal,
            env={**os.environ, "TERM": "xterm", "PYTHONWARNINGS": "ignore"},
        )
        os.close(there)
        self.seconds = seconds

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._here)

    def until(self, words: str) -> str:
        """What is shown from now on until these words, included."""
        shown, end = b"", time.monotonic() + self.seconds
        while words.encode() not in shown:
            ready, _, _ = select.select([self._here], [], [], max(0.0, end - time.monotonic()))
            try:
                more = os.read(self._here, 65536) if ready else b""
            except OSError:  # how Linux says that the other side is closed
                more = b""
            if not more:
                raise AssertionError(f"{words!r} is not shown, but: {shown.decode(errors='replace')}")
            shown += more
        return shown.decode().replace("\r\n", "\n")

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    def line(self, text: str, until: str) -> str:
        """Type a line; what is shown then, until these words."""
        self.type(f"{text}\r")
        return self.until(until)

    def interrupt(self) -> None:
        """Press Ctrl-C, once the command waits for a line: Python can lose one that arrives just before it waits."""
        command, before, end = psutil.Process(self.process.pid), None, time.monotonic() + self.seconds
        while time.monotonic() < end:
            now = (command.status(), command.num_ctx_switches())
            if now == before and now[0] == psutil.STATUS_SLEEPING:  # it did not run between two looks
                return self.type("\x03")
            before = now
            time.sleep(0.2)
        raise AssertionError(f"the command does not wait for a line: {before}")

    def ended(self, words: str) -> str:
        """What is shown until these words, when nothing comes after them and the command has ended well."""
        shown = self.until(words)
        assert self.process.wait(self.seconds) == 0
        return shown
