"""Kernels forked from a warm interpreter: fresh, alone, and the same in what they compute."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grading.execute import Execute
from grading.grade import Course
from tests.conftest import ROOT

CELLS = [
    "import os; print(os.getpid(), len(os.listdir('/proc')))",
    "import numpy, random; print(numpy.random.rand(), random.random())",
    "print(sorted(name for name in os.listdir('/scratch') if not name.startswith('.')))",
    "open('/tmp/left', 'w').write('x'); open('left', 'w').write('x')",
    "import torch; print(torch.get_num_threads(), torch.linspace(0, 1, 5).sum().item())",
    "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.title('$x$'); plt.show()",
    "import ctypes; print(ctypes.CDLL(None).umount2(b'/proc', 2), ctypes.CDLL(None).ptrace(16, 1, 0, 0))",
]


def run(folder, warm: bool, sandbox: str = "bwrap") -> list[str]:
    """The text that each cell prints, in a kernel of its own."""
    config = Course(ROOT).config.copy()
    config.Execute.warm, config.Execute.sandbox = warm, sandbox
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    notebook.metadata.kernelspec = {"name": "python3"}
    notebook, _ = Execute(config=config).preprocess(notebook, {"metadata": {"path": str(folder)}})
    said = []
    for cell in notebook.cells:
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
    config = Course(ROOT).config.copy()
    config.Execute.max_message = 100_000
    loud = "from IPython.display import display\nprint('before')\ndisplay({'text/plain': 'x' * 200_000}, raw=True)"
    notebook = new_notebook(cells=[new_code_cell(loud), new_code_cell("print('after')")])
    notebook.metadata.kernelspec = {"name": "python3"}
    notebook, _ = Execute(config=config).preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    first, second = ["".join(output.text for output in cell.outputs) for cell in notebook.cells]
    assert first == "before\n... Outputs are left out here: the notebook shows too much at once.\n"
    assert second == "after\n"
