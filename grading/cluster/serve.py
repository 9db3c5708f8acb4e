"""The scheduler and the workers of a cluster as processes: no dashboard, no supervisor, encrypted beyond loopback."""

import asyncio
import importlib
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import dask
from distributed import Scheduler, Worker

from grading.cluster.connection import LIMITS, MAY_KILL, NO_PAGES, PRELOAD, QUIET
from grading.cluster.security import is_loopback, require_safe, security
from grading.course.errors import CourseError

WAIT = 60  # seconds that a worker waits for its scheduler


def scheduler(host: str, port: int, certificates: Path, say: Callable[[str], object]) -> None:
    """Run a scheduler until it is stopped.

    Raises:
        CourseError: it would listen beyond loopback without certificates.
    """
    secured = None if is_loopback(host) and not certificates.is_dir() else security(certificates)

    def make() -> Scheduler:
        return Scheduler(
            host=host,
            port=port,
            protocol="tls" if secured else "tcp",
            security=secured,
            allowed_failures=MAY_KILL,
            dashboard=False,
            dashboard_address=NO_PAGES,
        )

    asyncio.run(_serve(make, lambda server: say(f"Scheduler at {server.address}")))


def worker(address: str, threads: int, certificates: Path, say: Callable[[str], object]) -> None:
    """Run a worker until it is stopped, or until the scheduler is away for a minute.

    Raises:
        CourseError: the address is not safe, there are no certificates, or the scheduler does not answer.
    """
    require_safe(address)
    secured = security(certificates) if address.startswith("tls://") else None
    importlib.import_module(PRELOAD)
    own = "127.0.0.1" if is_loopback(str(urlsplit(address).hostname)) else None

    def make() -> Worker:
        return Worker(
            address,
            nthreads=threads,
            security=secured,
            host=own,
            death_timeout=WAIT,
            dashboard=False,
            dashboard_address=NO_PAGES,
        )

    def ready(server: Scheduler | Worker) -> None:
        say(f"Worker at {server.address} with {threads} thread{'s' * (threads != 1)}")

    try:
        while not asyncio.run(_serve(make, ready)):  # Dask's worker ends when it loses its scheduler
            say(f"The scheduler is lost. Waiting {WAIT} s for it to come back")
            time.sleep(1)
    except TimeoutError:
        raise CourseError(f"No scheduler answers at {address} for {WAIT} s.") from None
    except OSError as error:
        raise CourseError(f"The worker cannot start: {error}") from None


async def _serve(make: Callable[[], Scheduler | Worker], ready: Callable[[Scheduler | Worker], object]) -> bool:
    """Run a server until it ends. Returns whether a signal has ended it."""
    logging.getLogger("distributed").setLevel(logging.WARNING)
    dask.config.update_defaults(LIMITS)  # what is set for Dask itself has precedence
    with dask.config.set(QUIET):
        async with make() as server:
            stopped = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stopped.set)
            ready(server)
            waiting = [asyncio.ensure_future(server.finished()), asyncio.ensure_future(stopped.wait())]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return stopped.is_set()
