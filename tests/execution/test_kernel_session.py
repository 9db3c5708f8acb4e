"""Cells, kernels that end or hang, and who is to blame: without Jupyter."""

from functools import partial

import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grading.execution import kernel_session
from grading.execution.kernel_session import Limits, Session
from grading.kernels.channel import KernelStuck
from grading.kernels.messages import BrokenMessage

FATES = {
    "dies": DeadKernelError("Kernel died"),
    "hangs": CellTimeoutError("no"),
    "silent": KernelStuck("it waited 3 s"),
    "garbage": BrokenMessage("ValueError"),
}


class FakeKernel:
    """A kernel that keeps the texts of its cells; what a text says is what happens."""

    tripped = ""

    def __init__(self):
        self.ran, self.open = [], True

    def run(self, cell: NotebookNode, index: int) -> None:
        assert self.open
        word = cell.source.split()[0]
        if word in FATES:
            raise FATES[word]
        if word == "first" and not self.ran[1:]:  # all is well only where something ran before
            raise FATES["dies"]
        if word == "works" and "poison" in self.ran:
            raise FATES["dies"]
        if word == "trips":
            self.tripped = "too much was taken"
            raise FATES["dies"]
        if word == "bug":
            raise AttributeError("no such function")
        self.ran.append(cell.source)

    run_again = run

    def rest(self) -> None: ...

    def answers(self) -> bool:
        return "poison" not in self.ran

    def close(self) -> None:
        self.open = False


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(kernel_session, "IDLE", 0)


class Runs:
    """A session with these cells, after they have run."""

    def __init__(self, *sources: str, restarts: int = 9, seconds: float = 600):
        self.kernels: list[FakeKernel] = []
        self.session = Session(self.start, Limits(restarts, 4, seconds))
        self.troubles = {}
        for index, source in enumerate(sources):
            cell = new_code_cell(source)
            found = self.session.run(cell, index, partial(self.work, cell, index), keep=not source.startswith("test"))
            for trouble in found:
                self.troubles[trouble.index] = (trouble.name, trouble.state)
                self.last = trouble.message

    def start(self) -> FakeKernel:
        self.kernels.append(FakeKernel())
        return self.kernels[-1]

    def work(self, cell: NotebookNode, index: int) -> None:
        self.session.kernel.run(cell, index)


def test_healthy_cells_run_once_in_one_kernel():
    runs = Runs("a", "b", "test", "c")
    assert runs.troubles == {} and len(runs.kernels) == 1
    assert runs.session.sources == ["a", "b", "c"], "no cell below needs a test"


@pytest.mark.parametrize(
    ("fate", "name", "state"),
    [
        ("dies", "DeadKernelError", "kernel_died"),
        ("hangs", "CellTimeoutError", "cell_timed_out"),
        ("silent", "CellTimeoutError", "cell_timed_out"),
        ("garbage", "BrokenMessage", "kernel_died"),
        ("trips", "DeadKernelError", "kernel_died"),
    ],
)
def test_a_cell_that_kills_its_kernel_fails_alone(fate, name, state):
    runs = Runs("a", "b", fate, "c")
    assert runs.troubles == {2: (name, state)}
    assert runs.kernels[-1].ran == ["a", "b", "c"]
    assert [kernel.open for kernel in runs.kernels] == [False] * (len(runs.kernels) - 1) + [True]


def test_an_earlier_cell_that_spoiled_the_kernel_is_blamed():
    runs = Runs("a", "poison", "works", "b")
    assert runs.troubles == {1: ("DeadKernelError", "kernel_died")} and "The cells below ran without it" in runs.last
    assert runs.kernels[-1].ran == ["a", "works", "b"] == runs.session.sources


def test_the_number_of_fresh_kernels_is_limited():
    runs = Runs("a", *["dies"] * 4, "b", restarts=2)
    assert runs.troubles[5] == ("DeadKernelError", "") and len(runs.kernels) == 3
    assert "2 fresh kernels have been used up" in runs.last


def test_all_cells_together_have_a_time_limit():
    runs = Runs("a", "b", seconds=-1)
    assert runs.troubles == {0: ("DeadKernelError", "cell_timed_out"), 1: ("DeadKernelError", "")}


def test_an_error_of_the_grader_is_blamed_on_nobody():
    with pytest.raises(AttributeError, match="no such function"):
        Runs("a", "bug", "b")
