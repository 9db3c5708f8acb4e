"""What workers and kernels are forked from: started early, for one assignment or several."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from grading.course.folder import Course
from grading.execution import interpreters
from grading.kernels.torch_masks import Missing
from grading.run.grade import grade
from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, ROOT, submit


def test_importing_the_module_imports_little():
    heavy = "{'nbgrader', 'nbconvert', 'jupyter_client', 'sqlalchemy', 'torch', 'numpy', 'matplotlib'}"
    asked = f"import sys, grading.execution.interpreters; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n", "what it imports holds up what it starts"


def test_interpreters_serve_more_than_one_class(tiny):
    submit(tiny, "ada", RIGHT)
    with interpreters.start(tiny, ["averages"]) as started:
        (first,) = grade(tiny, "averages", 1, started=started)
        submit(tiny, "bob", FORGETS_TO_DIVIDE)
        _, second = grade(tiny, "averages", 2, started=started)
    assert first.score == 3
    assert second.has_grade and second.score < 3


def test_shared_cells_are_prepared_without_the_hidden_tests(tiny):
    cells = interpreters.given_cells(tiny, "averages")
    assert any("assert" in cell for cell in cells)
    assert not any("HIDDEN" in cell or "oracle" in cell for cell in cells)


@pytest.mark.parametrize(
    ("assignment", "woken"),
    [("conditioning", []), ("mini-torch", ["torch"]), ("optimizers", ["torch"]), ("training", ["torch", "optimizers"])],
)
def test_followers_are_prepared_only_for_assignments_that_follow_optimizers(monkeypatch, assignment, woken):
    @contextlib.contextmanager
    def zygotes(*args):
        yield {None: Path("plain"), Missing.TORCH: Path("torch"), Missing.OPTIMIZERS: Path("optimizers")}

    called = []
    monkeypatch.setattr(interpreters, "zygotes", zygotes)
    monkeypatch.setattr(interpreters, "wake", lambda folder: called.append(folder.name))
    with interpreters.start(Course(ROOT), [assignment]) as started:
        started.prepare_followers()
    assert called == woken
