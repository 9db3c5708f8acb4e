"""Questions to a real kernel: they leave no trace in it, and what kills or stops it is told apart."""

import contextlib
import os
import time

import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from grading.kernels.channel import KernelChannel, KernelStuck, Patience, needs_event_loop, prepare
from grading.oracle.student_code import StudentError, connected, student
from grading.probe import wire
from grading.sandbox.watchdog import resident

NOBODY = {"header": {}, "parent_header": {}, "metadata": {}, "content": {}}
CELL = """
import os, sys
calls = []
ran = []
get_ipython().events.register("pre_run_cell", lambda info: ran.append(info.raw_cell))
get_ipython().input_transformers_post.append(lambda lines: ran.append(lines) or lines)

def f(x):
    print("printed")
    calls.append(x)
    return {"x": x, "modules": sorted(name for name in sys.modules if name.startswith("grading"))}

def names():
    return sorted(globals())

def hang():
    while True:
        pass

def die():
    os._exit(3)
""".strip()


@pytest.fixture
def kernel(request, tmp_path):
    """A channel to a fresh kernel that has run `CELL`."""
    notebook = new_notebook(cells=[new_code_cell(CELL)])
    client = NotebookClient(
        notebook,
        kernel_manager_class=AsyncKernelManager,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": tmp_path}},
    )
    (tmp_path / "click.py").write_text("shadow = True", encoding="utf-8")
    with client.setup_kernel(), contextlib.closing(KernelChannel(client.kc, [CELL], 10, tmp_path)) as channel:
        channel.load_probes()
        client.execute_cell(notebook.cells[0], 0)

        def run(source: str) -> list:
            channel.rest()
            return client.execute_cell(new_code_cell(source), 0).outputs

        channel.cell = run
        yield channel


def test_questions_leave_no_trace_in_the_kernel(kernel):
    with connected(kernel):
        reply = student.call("f", [1.5, float("nan")])
        assert reply["x"][0] == 1.5 and reply["x"][1] != reply["x"][1]
        assert not any("oracle" in name or "student" in name for name in reply["modules"])
        student.call("f", "ü'\"\\\n")
        assert student.value("calls")[1] == "ü'\"\\\n"
        assert student.value("In") == ["", CELL], "a question is in the history"
        assert "probe" not in str(student.value("ran")), "a hook saw a question"
        assert not {"grading", "student", "Reply", "core"} & set(student.call("names"))
    kernel.sources.append("def g(): pass")
    assert kernel.source_of("f") == CELL and kernel.source_of("g") == "def g(): pass"
    assert kernel.source_of("h") is None
    (output,) = kernel.cell("import click\nprint(hasattr(click, 'shadow'))")
    assert output.text == "False\n", "a file of the student's shadows a module"


def test_what_a_kernel_sends_unasked_does_not_fill_memory(tmp_path):
    flood = """
def f():
    import time
    for _ in range(60):
        get_ipython().kernel.iopub_thread.socket.send_multipart([b"junk", b"x" * 10_000_000], copy=False)
    time.sleep(2)
    return 3"""
    resources = {"metadata": {"path": tmp_path}}
    client = NotebookClient(new_notebook(), shutdown_kernel="immediate", resources=resources)
    client.kernel_manager_class = AsyncKernelManager
    prepare(client.create_kernel_manager(), 20_000_000)
    with client.setup_kernel(), contextlib.closing(KernelChannel(client.kc, [flood], 20, tmp_path)) as channel:
        channel.load_probes()
        run_sync(channel.run_cell)(flood, NOBODY, 20)
        before = resident(os.getpid())
        with connected(channel):
            assert student.call("f") == 3
        assert resident(os.getpid()) - before < 300_000_000


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        ("x = await seven()", True),
        ("async def seven():\n    return 7", True),
        ("import asyncio", True),
        ("exit()", True),
        ("x = 1", False),
        ("awaited = exits = 1", False),
    ],
)
def test_cells_that_may_need_the_event_loop_are_recognized(source, needs):
    assert needs_event_loop(source) is needs


def test_a_student_who_breaks_the_probes_gets_a_message(kernel):
    kernel.cell("import sys; sys.modules['grading.probe.core'].answer = lambda *args: 'x' * 10**7")
    with connected(kernel), pytest.raises(StudentError, match="cannot be read"):
        student.call("f", 1)
    assert len(kernel.ask("{}")) <= wire.MAX_CHARACTERS + 1
    kernel.cell("core = sys.modules.pop('grading.probe.core')")
    with connected(kernel), pytest.raises(StudentError, match=r"stopped responding \(KeyError"):
        student.call("f", 1)
    kernel.cell("core._questions.close(); core._line.close(); sys.modules['grading.probe.core'] = core")
    with connected(kernel), pytest.raises(StudentError, match=r"stopped responding \(ValueError"):
        student.call("f", 1)
    kernel.load_probes()
    with connected(kernel), pytest.raises(DeadKernelError, match="Python itself ended"):
        student.call("die")


def test_a_question_to_code_that_hangs_times_out(kernel):
    kernel.seconds = 1
    started = time.monotonic()
    with connected(kernel), pytest.raises(KernelStuck, match="waited 1 s"):
        student.call("hang")
    assert time.monotonic() - started < 3


def test_a_truncated_answer_is_reported(kernel):
    kernel.seconds = 1
    kernel.cell(
        "import sys; sys.modules['grading.probe.core'].answer = lambda *args: core._line.sendall(b'1') or 1 / 0"
    )
    kernel.cell("core = sys.modules['grading.probe.core']")
    with connected(kernel), pytest.raises(StudentError, match=r"stopped responding \(ZeroDivisionError"):
        student.call("f", 1)


def test_a_leftover_fork_of_the_kernel_delays_nothing(kernel):
    """A child that a student's code has forked keeps the line open when the kernel itself is gone."""
    kernel.cell(
        "def leave():\n    if os.fork():\n        os._exit(3)\n    __import__('time').sleep(9)\n    os._exit(0)"
    )
    started = time.monotonic()
    with connected(kernel), pytest.raises(DeadKernelError, match="Python itself ended"):
        student.call("leave")
    assert time.monotonic() - started < 5


def test_the_kernel_runs_cells_between_questions(kernel):
    with connected(kernel):
        for number in range(3):
            assert student.value("calls") == [number] * number
            kernel.cell(f"calls = [{number + 1}] * {number + 1}")


def test_waiting_for_a_processor_does_not_count_against_the_limit(monkeypatch):
    """As long as it computes: an honest answer loses nothing because of what others compute."""
    now, waited = [100.0], [5.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    patience = Patience(4, lambda: waited[0])
    assert patience.look() == Patience.QUICK
    now[0] += 1
    assert patience.look() == 1
    now[0] += 2
    assert patience.left == 1
    now[0], waited[0] = 109, 12  # 9 s later, of which it waited 7
    assert patience.left == 2
    now[0] = 112
    assert patience.left == -1
    now[0], waited[0] = 1000, 1000
    assert patience.left < 0, "not forever"
    assert Patience(None).left == float("inf")


def test_an_answer_that_came_in_time_is_read_after_the_limit_too(monkeypatch):
    """The grader itself may have got no processor meanwhile."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    patience = Patience(4)
    assert patience.look() == Patience.QUICK
    assert patience.look() == 1
    now[0] = 3.5
    assert patience.look() == 0.5
    now[0] = 50.0
    assert patience.look() > 0 and patience.look() is None
