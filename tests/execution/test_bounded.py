"""Work in a process with limits: what takes too much is named, and the next call works."""

import os
import signal
import time

import pytest

from grading.execution.bounded import Bounded, LimitError

seen = []


def remember(value: int) -> list[int]:
    seen.append(value)
    return seen


def compute_forever() -> None:
    while True:
        pass


def sleep_and_compute() -> float:
    time.sleep(1.5)
    return time.process_time()


def take_memory() -> int:
    return len(bytearray(2**30))


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Unsendable(Exception):
    def __init__(self, one: int, two: int):
        super().__init__(f"{one} and {two}")


def fail(kind: str) -> None:
    raise ValueError("wrong") if kind == "plain" else Unsendable(1, 2)


@pytest.fixture(scope="module")
def bounded():
    with Bounded(seconds=1, memory=2**28) as bounded:
        yield bounded


def test_state_is_kept_in_the_process_and_not_in_the_caller(bounded):
    bounded(remember, 1)
    assert bounded(remember, 2) == [1, 2] and seen == []


@pytest.mark.parametrize(
    ("function", "reason", "is_time"),
    [
        (compute_forever, "more than 1 s", True),
        (take_memory, "more than 256 MiB of memory", False),
        (end, "its process ended .exit code -9.", False),
    ],
)
def test_a_call_over_a_limit_is_ended_and_the_next_call_works(bounded, function, reason, is_time):
    with pytest.raises(LimitError, match=reason) as caught:
        bounded(function)
    assert caught.value.is_time is is_time
    assert bounded(max, 1, 2) == 2


def test_each_call_has_its_own_time_limit_and_waiting_does_not_count(bounded):
    bounded(sleep_and_compute)
    for _ in range(3):
        bounded(sum, range(10_000_000))


@pytest.mark.parametrize(("kind", "error"), [("plain", ValueError), ("odd", RuntimeError)])
def test_an_exception_in_the_process_is_raised_in_the_caller(bounded, kind, error):
    with pytest.raises(error, match=r"wrong|Unsendable: 1 and 2"):
        bounded(fail, kind)
