"""What happens to a submission's cells, in real kernels: who gets which points, and who sees what."""

import copy
import json

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.execute import Execute
from tests.conftest import ROOT, cell, graded
from tests.kernels.test_forked_kernel import execute

pytestmark = pytest.mark.usefixtures("started")

FULL, NONE = (2, 1), (0, 0)


def seen_by_the_spy(classroom) -> list[dict]:
    return json.loads(classroom.notebook("spy").cells[-1].outputs[0].text)


@pytest.mark.parametrize(
    ("student", "scores"),
    {
        "right": FULL,
        "forgets_to_divide": NONE,
        "drops_the_sign": (2, 0),
        "unwritten": NONE,
        "copies_the_visible_answer": NONE,
        "warns_and_shows_half_a_point": FULL,
        "shows_full_points": NONE,
        "hides_its_errors": (0, 1),
        "lies_about_equality": NONE,
        "exits_and_raises": NONE,
        "ends_python": (0, 1),
        "loops_when_asked": (0, 1),
        "loops_and_ends_python_when_asked": NONE,
        "does_not_parse": NONE,
        "has_cells_that_raise_and_end_python": FULL,
        "has_a_cell_that_loops": FULL,
        "has_many_cells_that_end_python": NONE,
        "spy": FULL,
    }.items(),
)
def test_each_test_has_the_points_it_earned(classroom, student, scores):
    assert classroom.scores(student) == scores


@pytest.mark.parametrize(
    ("student", "test", "words"),
    [
        ("copies_the_visible_answer", "test_mean", "mean([2, 3, 7]) should be 4, yours is 3."),
        ("exits_and_raises", "test_mean", "SystemExit"),
        ("exits_and_raises", "test_mean_negative", "`mean` raised ZeroDivisionError: division by zero"),
        ("exits_and_raises", "test_mean_negative", "in your line: return sys.exit() if"),
        ("ends_python", "test_mean", "did not run to its end"),
        ("loops_when_asked", "test_mean", "waited 4 s for the code above. Is there a loop that never ends?"),
        ("loops_and_ends_python_when_asked", "test_mean", "did not finish within 4 s: is there a loop"),
        ("loops_and_ends_python_when_asked", "test_mean_negative", "Python itself ended"),
        ("hides_its_errors", "test_mean", "AssertionError"),
        ("unwritten", "test_mean", "NotImplementedError: This gap is still empty"),
        ("unwritten", "test_mean_negative", "`mean` is not written yet: its gap still raises NotImplementedError."),
        ("does_not_parse", "test_mean", "name 'mean' is not defined"),
        ("does_not_parse", "test_mean_negative", "`mean` is not defined: there is no `mean` in the notebook."),
        ("has_many_cells_that_end_python", "test_mean", "2 fresh kernels have been used up by the cells above"),
    ],
)
def test_a_failed_test_shows_what_happened(classroom, student, test, words):
    assert words in classroom.error(student, test)


def test_the_mistake_is_named_after_a_hidden_failure(classroom):
    assert "A likely mistake: The sign of the values is lost." in classroom.error(
        "drops_the_sign", "test_mean_negative"
    )
    cell = classroom.cell("drops_the_sign", "test_mean_negative")
    assert cell.metadata["grading"]["mistake"] == "mean_drops_the_sign"


def test_the_mistake_is_named_after_a_visible_failure(classroom):
    error = classroom.error("forgets_to_divide", "test_mean")
    assert error.startswith("AssertionError: mean([1, 2, 6]) should be 3, yours is 9")
    assert "A likely mistake: The sum is not divided by the number of values." in error


def test_an_unknown_mistake_gets_no_name(classroom):
    assert "likely mistake" not in classroom.error("copies_the_visible_answer", "test_mean")


def test_a_passed_test_has_no_error(classroom):
    assert classroom.error("right", "test_mean") == classroom.error("right", "test_mean_negative") == ""


def test_printed_output_stays_in_the_notebook(classroom):
    outputs = classroom.cell("warns_and_shows_half_a_point", "test_mean").outputs
    assert any("hm" in output.get("text", "") for output in outputs)


def test_the_graded_notebook_holds_the_whole_test(classroom):
    source = classroom.cell("right", "test_mean").source
    assert "\nassert mean([1, 2, 6]) == 3" in source and "oracle.same_number" in source


def test_no_hidden_test_is_anywhere_in_the_students_python(classroom):
    for seen in seen_by_the_spy(classroom):
        assert seen["hidden"] == []
        assert not any("oracle.same_number" in source or "HIDDEN" in source for source in seen["cells"])


def test_a_student_who_searches_the_process_finds_only_visible_code(classroom):
    assert [seen["visible"] for seen in seen_by_the_spy(classroom)] == [True] * 3


def test_neither_student_nor_oracle_is_in_the_students_python(classroom):
    for seen in seen_by_the_spy(classroom):
        assert not {"student", "oracle", "grading", "core"} & set(seen["names"])
        assert not any("oracle" in name or "student" in name for name in seen["modules"])
        assert "grading.probe.core" in seen["modules"]


def test_running_cells_again_leaves_no_trace_in_the_notebook(classroom):
    cells = classroom.notebook("has_cells_that_raise_and_end_python").cells
    assert [cell.cell_type for cell in cells] == ["markdown"] * 2 + ["code"] * 5
    assert [output.ename for cell in cells[2:] for output in cell.outputs] == ["ZeroDivisionError", "DeadKernelError"]


def test_an_endless_loop_is_reported_as_one(classroom):
    (error,) = classroom.notebook("has_a_cell_that_loops").cells[3].outputs
    assert error.ename == "CellTimeoutError"


@pytest.mark.parametrize(
    ("answer", "own", "runs"),
    [
        ("answer = 1", [], False),
        ("answer = given + 1", [], False),
        ("answer = 1  # not shown", [], False),
        ("shown = 1\nanswer = shown", [], False),
        ("answer = shown + 1", [], True),
        ("def answer():\n    return show(1)", [], True),
        ("answer = 1", ["print(1)"], True),
    ],
)
def test_a_demonstration_runs_only_if_an_answer_or_another_cell_may_need_it(tmp_path, answer, own, runs):
    """Also an answer may: the students see its result just above the question."""
    given = new_code_cell("given = 1", id="given")
    show = new_code_cell("shown = 1\ndef show(x): return x", id="show", metadata={"tags": ["demonstration"]})
    release = new_notebook(cells=[given, show, cell("answer = None", "solution", "answer")])
    release.metadata.kernelspec = {"name": "python3"}
    for folder in ("release", "source"):
        notebooks.write(release, tmp_path / folder / "a" / "a.ipynb")
    (tmp_path / "mistakes").mkdir()
    (tmp_path / "mistakes" / "a.toml").touch()
    submitted = copy.deepcopy(release)
    submitted.cells[2].source = answer
    submitted.cells += [new_code_cell(source) for source in own]
    config = Course(ROOT).config.copy()
    config.CourseDirectory.root = str(tmp_path)
    names = {"assignment": "a", "notebook": "a", "inputs": 0}
    resources = {"metadata": {"path": str(tmp_path)}, "nbgrader": names}
    done, _ = Execute(config=config).preprocess(submitted, resources)
    assert bool(done.cells[1].outputs) is not runs
    assert done.cells[2].outputs == []


def test_a_cell_tagged_skip_execution_is_not_run(tmp_path):
    notebook = new_notebook(
        cells=[new_code_cell("print(1)", metadata={"tags": ["skip-execution"]}), new_code_cell("2")]
    )
    notebook.metadata.kernelspec = {"name": "python3"}
    done, _ = Execute(config=Course(ROOT).config).preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    assert [len(cell.outputs) for cell in done.cells] == [0, 1]


POISON = {
    "a_task_that_exits": "import asyncio\nasync def late():\n    await asyncio.sleep(0.2)\n    raise SystemExit\n"
    "task = asyncio.create_task(late())",
    "no_more_cells": "get_ipython().run_cell = None",
    "a_timer_that_ends_python": "import os, threading\nthreading.Timer(0.2, os._exit, (1,)).start()",
    "garbage_on_every_line": "import os\nfor number in range(200):\n    try:\n        os.set_blocking(number, False)\n"
    "        os.write(number, b'\\xff{}\\n7 {}\\n' * 4000)\n    except OSError:\n        pass",
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_a_cell_whose_thread_ends_python_later_fails_alone(tmp_path, poison):
    slow = "import time; time.sleep(0.3); print(b)"
    cells = execute(tmp_path, "a = 1", "b = a + 1", poison, slow, "print(a + b)", question_timeout=5)
    assert "The cells below ran without it" in cells[2].outputs[-1].evalue
    assert [[output.text for output in cell.outputs] for cell in cells[3:]] == [["2\n"], ["3\n"]]


def test_a_cell_that_calls_a_function_that_ends_python_fails_alone(tmp_path):
    deadly = "def f(x):\n    import os\n    return x if x else os._exit(0)"
    cells = execute(tmp_path, deadly, "f(0)", "print(f(1))", "f(0)", "print(f(2))")
    assert cells[0].outputs == []
    assert [cell.outputs[0].get("ename", cell.outputs[0].get("text")) for cell in cells[1:]] == [
        "DeadKernelError",
        "1\n",
        "DeadKernelError",
        "2\n",
    ]


def test_all_cells_together_have_a_time_limit(tmp_path):
    cells = execute(tmp_path, *["import time; time.sleep(1.5)"] * 3, "import os; os._exit(0)", "1", max_seconds=4)
    assert "together may take 4 s" in cells[2].outputs[0].evalue
    assert "used up 4 s" in cells[4].outputs[0].evalue


def test_an_endless_loop_uses_up_its_time_limit_only_once(tiny, hand_in, pool):
    """The further tests of the exercise wait for less; `loops_when_asked` shows that what ends is still counted."""
    hand_in("ada", "def mean(values):\n    while True:\n        pass")
    found = graded(tiny, pool)
    assert found.scores("ada") == (0, 0)
    assert "did not finish within 4 s" in found.error("ada", "test_mean")
    assert "waited 2 s for the code above" in found.error("ada", "test_mean_negative")
