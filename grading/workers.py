"""The processes in which submissions are executed and feedback pages are written."""

import ctypes
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

PR_SET_PDEATHSIG = 1


def make_pool(jobs: int | None = None) -> ProcessPoolExecutor:
    """Fresh processes that each do one thing at a time, by default one for each core; they share no state."""
    jobs = jobs or os.cpu_count() or 1
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let the system end this worker, and with it all that it runs, when the process that made it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
