"""Long demonstrations need not run where nothing can depend on them."""

import pytest
from nbformat.v4 import new_code_cell

from grading.execution.skipped_cells import demonstrations
from tests.conftest import cell

SHOW = "shown = 1\ndef show(x): return x"


def skipped(answer: str, *own: str) -> set[str]:
    show = new_code_cell(SHOW, metadata={"tags": ["demonstration"]})
    released = [new_code_cell("given = 1"), show, cell("answer = None", "solution", "answer")]
    submitted = [*released[:2], cell(answer, "solution", "answer"), *map(new_code_cell, own)]
    return demonstrations(submitted, released)


@pytest.mark.parametrize(
    "answer", ["answer = 1", "answer = given + 1", "answer = 1  # shown", "shown = 1\nanswer = shown"]
)
def test_a_cell_whose_names_nobody_reads_is_skipped(answer):
    assert skipped(answer) == {SHOW}


@pytest.mark.parametrize("answer", ["answer = shown + 1", "def answer():\n    return show(1)"])
def test_a_cell_whose_names_an_answer_reads_runs(answer):
    assert skipped(answer) == set()


def test_a_cell_that_a_students_own_cell_may_need_runs():
    assert skipped("answer = 1", "print(1)") == set()
