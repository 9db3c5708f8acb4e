"""What is kept of a notebook's outputs, from real kernels."""

import json

import pytest

from tests.kernels.test_forked_kernel import execute

pytestmark = pytest.mark.usefixtures("started")


def test_pieces_of_one_stream_become_one_output(tmp_path):
    pieces = "print('a', end='', flush=True); print('b', flush=True); print('c', file=sys.stderr, flush=True)"
    (cell,) = execute(tmp_path, f"import sys; {pieces}")
    assert [(output.name, output.text) for output in cell.outputs] == [("stdout", "ab\n"), ("stderr", "c\n")]


SEND = "kernel = get_ipython().kernel\nfor number in range(60): kernel.session.send(kernel.iopub_socket, {}, {}, "
SEND += "parent=kernel.get_parent())"
FLOODS = {
    "display_that_is_shown_often": "for number in range(150): display({'text/plain': 'x'}, raw=True, display_id='q')\n"
    "update_display({'text/plain': 'y' * 800_000}, raw=True, display_id='q')",
    "tracebacks": SEND.format("'error'", "{'ename': 'E', 'evalue': 'v', 'traceback': ['x' * 9_900] * 100}"),
    "names_of_errors": SEND.format("'error'", "{'ename': 'E' * 1_500_000, 'evalue': 'v', 'traceback': []}"),
    "names_of_streams": SEND.format("'stream'", "{'name': 'n' * 1_500_000, 'text': 't'}"),
    "widgets": SEND.format("'comm_open'", "{'comm_id': str(number), 'data': {'state': {'a': 'x' * 1_500_000}}}"),
    "pictures": "for number in range(60): display({'text/plain': 'x' * 100_000}, raw=True)",
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_output_beyond_the_limit_of_a_notebook_is_dropped(tmp_path, flood):
    flood = f"from IPython.display import display, update_display\n{flood}"
    first, second = execute(tmp_path, flood, "print(1)", max_output=2_000_000)
    assert len(json.dumps(first)) < 2_100_000
    assert second.outputs[0].text == "1\n"


def test_output_repeated_in_a_fresh_kernel_counts_once(tmp_path):
    show = "display({'text/plain': 'x' * 4000}, raw=True)"
    cells = execute(tmp_path, show, "import os; os._exit(0)", show, max_output=10_000)
    assert [cell.outputs[0].output_type for cell in cells] == ["display_data", "error", "display_data"]


def test_an_error_is_kept_when_the_notebook_is_full(tmp_path):
    (cell,) = execute(tmp_path, "display({'text/plain': 'x' * 3_000_000}, raw=True)\n1 / 0", max_output=10_000)
    assert [output.output_type for output in cell.outputs] == ["stream", "error"]
    assert "3.0 MB is left out" in cell.outputs[0].text and cell.outputs[1].ename == "ZeroDivisionError"


def test_a_display_of_an_earlier_cell_can_be_changed(tmp_path):
    shown, changed = execute(tmp_path, "print('x')\nshown = display('a', display_id=True)", "shown.update('b')")
    assert shown.outputs[1].data["text/plain"] == "'b'" and changed.outputs == []


def test_an_invalid_execution_count_is_left_out(tmp_path):
    cells = execute(tmp_path, "get_ipython().execution_count = -(10**30)", "print(1)")
    assert [cell.execution_count for cell in cells] == [None, None]
