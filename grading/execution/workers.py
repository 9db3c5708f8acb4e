"""The processes in which submissions are executed and feedback pages are written."""

import ctypes
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import forkserver, get_context
from multiprocessing.util import get_temp_dir

from grading.compat.process import spare_grammar
from grading.course import cores
from grading.course.temporary_folders import for_sockets, runs

PR_SET_PDEATHSIG = 1


def make_pool(
    jobs: int | None = None, preload: Sequence[str] = (), first: Callable[[], None] | None = None
) -> ProcessPoolExecutor:
    """A pool of processes, by default one for each core. They share no state.

    Args:
        preload: modules that are imported once, before the processes are forked; where that cannot be done safely
            each process imports what it needs.
        first: called in each process when it starts.
    """
    jobs, arguments = jobs or cores.usable(), (os.getpid(), first)
    if not preload or sys.platform != "linux":
        return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=arguments)
    _set(preload)
    return ProcessPoolExecutor(jobs, mp_context=get_context("forkserver"), initializer=_begin, initargs=arguments)


def begin(preload: Sequence[str]) -> None:
    """Make the process that forks workers import these modules now, in parallel to this process."""
    if sys.platform == "linux":
        _set(preload)
        forkserver.ensure_running()


def _set(preload: Sequence[str]) -> None:
    _make_room_for_its_socket()
    forkserver.set_forkserver_preload(["grading.execution.forkserver_leash", *preload])


def _make_room_for_its_socket() -> None:
    """Make multiprocessing use a temporary folder whose path is short enough for a socket."""
    usual, tempfile.tempdir = tempfile.gettempdir(), for_sockets()
    try:
        get_temp_dir()
    finally:
        tempfile.tempdir = usual


def _begin(grader: int, first: Callable[[], None] | None) -> None:
    end_with_parent()
    spare_grammar()
    if not runs(grader):  # it was killed before this process was ready to be told
        os._exit(1)
    if first is not None:
        first()


def end_with_parent() -> None:
    """Make the system end this process, and everything that it runs, when its parent is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
