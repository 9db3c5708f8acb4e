"""Which processes run: grading must leave none behind."""

import contextlib
from pathlib import Path


def processes_with(marker: str) -> list[str]:
    """The command lines of the processes that have this word in their environment, as bubblewrap and workers do."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker.encode() in path.read_bytes():
                found.append(path.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def processes_left(word: str) -> list[int]:
    """The processes with this word on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
