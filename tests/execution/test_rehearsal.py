"""A source notebook's tests in this interpreter: the same verdicts as in a real kernel."""

import signal
import sys

import pytest

from grading.course import notebooks
from grading.execution.rehearsal import definitions, rehearse, run, time_limit
from tests.classroom import SOLUTIONS
from tests.conftest import DROPS_THE_SIGN, cell, tiny_notebook

PASSED = {"test_mean": None, "test_mean_negative": None}


def test_the_reference_solution_passes():
    assert rehearse(tiny_notebook()) == PASSED


def test_a_wrong_solution_fails_with_its_message():
    assert rehearse(tiny_notebook(), {"mean": DROPS_THE_SIGN}) == {
        "test_mean": None,
        "test_mean_negative": "mean([-2, -4]) should be -3, yours is 3.",
    }


def test_only_the_named_tests_run():
    assert rehearse(tiny_notebook(), only=["test_mean_negative"]) == {"test_mean_negative": None}


def test_a_solution_that_does_not_parse_fails_every_test():
    assert all(rehearse(tiny_notebook(), {"mean": "def mean(:"}).values())


def test_an_endless_solution_is_stopped():
    before = signal.getsignal(signal.SIGPROF)
    with pytest.raises(TimeoutError), time_limit(0.1):
        rehearse(tiny_notebook(), {"mean": "def mean(values):\n    while True: pass"})
    assert signal.getsignal(signal.SIGPROF) is before and signal.getitimer(signal.ITIMER_PROF) == (0, 0)


BUSY = "import time\nbegan = time.process_time()\nwhile time.process_time() < began + {seconds}: pass\n"


def test_an_import_is_not_cut_short(tmp_path, monkeypatch):
    """Half a module would stay behind, and fail the answers of everybody who needs it."""
    (tmp_path / "imported_slowly.py").write_text(f"{BUSY.format(seconds=0.5)}whole = True\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TimeoutError), time_limit(0.1):
        import imported_slowly

        assert imported_slowly.whole
        exec(BUSY.format(seconds=5))
    monkeypatch.delitem(sys.modules, "imported_slowly")


def test_a_solution_that_calls_exit_fails_without_ending_the_rehearsal():
    verdicts = rehearse(tiny_notebook(), {"mean": "import sys\ndef mean(values):\n    sys.exit(0)"})
    assert verdicts["test_mean"] == "SystemExit: 0"


def test_ungraded_cells_do_not_run():
    notebook = tiny_notebook()
    free = cell("raise SystemExit", "given", "plot")
    free.metadata.clear()
    notebook.cells.insert(2, free)
    assert rehearse(notebook) == PASSED


def test_given_cells_run():
    notebook = tiny_notebook()
    notebook.cells.insert(2, cell("from math import fsum", "given", "given_imports"))
    assert rehearse(notebook, {"mean": "def mean(values):\n    return fsum(values) / len(values)"}) == PASSED


def test_nothing_is_printed(capfd):
    rehearse(tiny_notebook(), {"mean": "print('!')\ndef mean(values):\n    print('?')"})
    assert capfd.readouterr() == ("", "")


def test_definitions_returns_the_names_of_the_solutions():
    namespace, sources = definitions(tiny_notebook(), {"mean": "def mean(values):\n    return 7"})
    assert namespace["mean"]([1]) == 7
    assert sources == ["def mean(values):\n    return 7"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", None),
        ("assert False, 'no'", "no"),
        ("assert False", "AssertionError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_run_gives_the_message_of_a_failure(source, message):
    assert run(source, {}, "cell") == message


@pytest.mark.parametrize(
    "student",
    [
        "right",
        "forgets_to_divide",
        "drops_the_sign",
        "copies_the_visible_answer",
        "lies_about_equality",
        "does_not_parse",
    ],
)
def test_rehearsing_gives_the_verdicts_of_real_grading(classroom, student):
    verdicts = rehearse(tiny_notebook(), {"mean": SOLUTIONS[student]})
    points = [notebooks.points(cell) for cell in notebooks.by_id(tiny_notebook()).values()][1:]
    expected = tuple(0 if failed else full for failed, full in zip(verdicts.values(), points))
    assert classroom.scores(student) == expected
