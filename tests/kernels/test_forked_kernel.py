"""Kernels forked from a warm interpreter: fresh, alone, and the same in what they compute."""

import contextlib

import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from grading.execution.execute import Execute
from grading.kernels import forked_kernel, zygote_client
from grading.run.grade import Course
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("started")

CELLS = [
    "import os; print(os.getpid(), len(os.listdir('/proc')))",
    "import numpy, random; print(numpy.random.rand(), random.random())",
    "print(sorted(name for name in os.listdir('/scratch') if not name.startswith('.')))",
    "open('/tmp/left', 'w').write('x'); open('left', 'w').write('x')",
    "import torch; print(torch.get_num_threads(), torch.linspace(0, 1, 5).sum().item())",
    "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.title('$x$'); plt.show()",
    "import ctypes; print(ctypes.CDLL(None).umount2(b'/proc', 2), ctypes.CDLL(None).ptrace(16, 1, 0, 0))",
]


def execute(folder, *sources: str, **settings) -> list[NotebookNode]:
    """The cells of a notebook with these texts, after they have run in a kernel of their own."""
    config = Course(ROOT).config.copy()
    config.Execute.update(settings)
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3"}
    notebook, _ = Execute(config=config).preprocess(notebook, {"metadata": {"path": str(folder)}})
    return notebook.cells


def run(folder, warm: bool) -> list[str]:
    """The text that each cell prints."""
    said = []
    for cell in execute(folder, *CELLS, warm=warm):
        assert not [output for output in cell.outputs if output.output_type == "error"], cell.outputs
        said.append("".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stdout"))
    return said


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("submission")
    (folder / "data.txt").write_text("given")
    (folder / "notes.ipynb").write_text("{}")
    return {"first": run(folder, True), "second": run(folder, True), "cold": run(folder, False)}


def test_a_kernel_sees_no_process_but_its_own(runs):
    pid, processes = runs["first"][0].split()
    assert (pid, processes) == ("1", "0")


def test_random_numbers_are_fresh(runs):
    assert runs["first"][1] != runs["second"][1]


def test_nothing_is_left_from_the_kernel_before_and_notebooks_are_not_handed_in(runs):
    assert runs["first"][2] == runs["second"][2] == "['data.txt']\n"


def test_warm_and_cold_kernels_compute_the_same(runs):
    assert runs["first"][4].split()[1] == runs["cold"][4].split()[1]


def test_mounts_and_the_zygote_are_out_of_reach(runs):
    assert runs["first"][6] == "-1 -1\n"


def test_a_message_that_is_too_large_costs_only_itself(tmp_path):
    loud = "from IPython.display import display\nprint('before')\ndisplay({'text/plain': 'x' * 200_000}, raw=True)"
    cells = execute(tmp_path, loud, "print('after')", max_message=100_000)
    first, second = ["".join(output.text for output in cell.outputs) for cell in cells]
    assert first == "before\n... Outputs are left out here: the notebook shows too much at once.\n"
    assert second == "after\n"


def test_a_kernel_that_ends_after_such_a_message_costs_one_cell(tmp_path):
    loud = "import os, threading\nthreading.Timer(0.5, os._exit, (0,)).start()\nprint('x' * 30_000_000)"
    first, second = execute(tmp_path, loud, "print('after')")
    assert first.outputs[-1].ename == "DeadKernelError"
    assert second.outputs[0].text == "after\n"


def test_a_value_that_cannot_be_shown_costs_only_its_cell(tmp_path):
    source = "class T:\n    def __repr__(self):\n        return self.gone\nT()"
    first, second = execute(tmp_path, source, "print(T.__name__)")
    assert first.outputs[0].ename == "AttributeError"
    assert second.outputs[0].text == "T\n"


def test_input_says_that_nobody_can_answer(tmp_path):
    first, second = execute(tmp_path, "input('?')", "print(input.__name__)")
    assert first.outputs[-1].ename == "StdinNotImplementedError"
    assert second.outputs[0].text == "raw_input\n"


def test_a_cell_that_hides_ipython_costs_nothing(tmp_path):
    _, second = execute(tmp_path, "import sys\ndel sys.modules['IPython']", "print('after')")
    assert second.outputs[0].text == "after\n"


def test_tasks_of_earlier_cells_go_on(tmp_path):
    start = "import asyncio\nasync def work():\n    await asyncio.sleep(0.02)\ntask = asyncio.create_task(work())"
    *_, last = execute(tmp_path, start, "import time; time.sleep(0.1)", "x = 1", "y = 2", "print(task.done())")
    assert last.outputs[0].text == "True\n"


def test_cells_that_wait_for_the_event_loop_run_beside_others(tmp_path):
    sources = [
        "async def seven():\n    return 7",
        "x = await seven()",
        "import asyncio\nawait asyncio.sleep(0)\nx += 1",
        "print(x)",
        "In[2][:9]",
    ]
    cells = execute(tmp_path, *sources)
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4, 5]
    assert cells[3].outputs[0].text == "8\n"
    assert cells[4].outputs[0].data["text/plain"] == "'x = await'"


def test_a_copy_that_a_cell_has_forked_answers_nothing(tmp_path):
    cells = execute(tmp_path, "import os; os.fork()", "print(1)", "print(2)")
    assert [cell.outputs[0].text for cell in cells[1:]] == ["1\n", "2\n"]


def test_kernels_share_no_terminal(tmp_path):
    with contextlib.ExitStack() as open_:
        clients = []
        for source in ("import os; ends = os.openpty(); print(os.ttyname(ends[1]))", "!ls /dev/pts"):
            client = NotebookClient(new_notebook(cells=[new_code_cell(source)]), shutdown_kernel="immediate")
            client.kernel_manager_class = forked_kernel.WarmKernelManager
            client.create_kernel_manager().files = str(tmp_path)
            open_.enter_context(client.setup_kernel())
            client.execute_cell(client.nb.cells[0], 0)
            clients.append(client)
        first, second = [client.nb.cells[0].outputs[0].text.split() for client in clients]
    assert first == ["/dev/pts/0"]
    assert second == ["0", "ptmx"], "more than the terminal of `ls`"


def test_ipython_has_looked_at_known_cells(tmp_path, monkeypatch):
    known = "".join(f"x = {number}\n" for number in range(20))
    look = f"""
from IPython.core.interactiveshell import _should_be_async as look
before = look.cache_info().hits
look({known!r})
print(look.cache_info().hits - before)"""
    with zygote_client.zygotes([known]) as folders:
        monkeypatch.setattr(zygote_client, "forkers", zygote_client.Forkers(folders))
        (cell,) = execute(tmp_path, look)
    assert cell.outputs[0].text == "1\n"


def test_a_warm_kernel_has_the_settings_of_a_cold_one(tmp_path):
    look = """
import logging
shell, app, log = get_ipython(), get_ipython().kernel.parent, get_ipython().kernel.log
paths = app.connection_file, app.argv[1], shell.config.IPKernelApp.pop("connection_file")
print(all(paths), sorted(shell.config.items()), app.argv[::2], app.extra_args, shell.history_manager.hist_file)
print(logging.getLogger().handlers, log.name, log.level, [type(handler).__name__ for handler in log.handlers])"""
    warm, cold = [execute(tmp_path, look, warm=kind)[0].outputs[0].text for kind in (True, False)]
    assert warm == cold
    assert warm.startswith("True") and ":memory:" in warm


def test_wait_returns_the_exit_code_of_a_forked_kernel(tmp_path):
    client = NotebookClient(new_notebook(), kernel_name="python3")
    client.kernel_manager_class = forked_kernel.WarmKernelManager
    client.create_kernel_manager().files = str(tmp_path)
    with client.setup_kernel():
        process = client.km.provisioner.process
        assert process.poll() is process.home.ended(process.name, 0.05) is None
        process.kill()
        assert process.poll() == process.wait() == -9


def test_the_number_of_empty_files_is_limited_too(tmp_path):
    many = "import os\nfor n in range(120_000): os.symlink('x', f'{n}')"
    full, after = execute(tmp_path, many, "print(1)")
    assert "No space left on device" in full.outputs[0].evalue and after.outputs[0].text == "1\n"
