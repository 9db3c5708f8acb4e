"""The optional exercises of `optimizers`: their self-checks wait, pass and fail as they should."""

import contextlib
import io

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("optimizers"))
CELLS = {cell.id: cell.source for cell in SOURCE.cells}
NAMES, _ = definitions(SOURCE)

LOOK_AHEAD = """
def look_ahead(gradient, start, eta, gamma, num_steps):
    path = [(start, 0.0)]
    for _ in range(num_steps):
        theta, v = path[-1]
        v = gamma * v + eta * gradient(theta - gamma * v)
        path.append((theta - v, v))
    return path
"""


def run(name: str, source: str) -> str:
    """Run an optional exercise's cell, or this source in its place, and then its check; what is said."""
    names = dict(NAMES)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(source, names)
            exec(CELLS[f"optional-{name}-check"], names)
        except AssertionError as error:
            return str(error)
    return out.getvalue()


@pytest.mark.parametrize("name", ["nesterov"])
def test_optional_exercises_may_be_skipped(name):
    assert "(optional): not written yet" in run(name, CELLS[f"optional-{name}-write"])


@pytest.mark.parametrize(("name", "source"), [("nesterov", LOOK_AHEAD)])
def test_a_right_answer_passes(name, source):
    assert "this self-check passes" in run(name, source)


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("nesterov", LOOK_AHEAD.replace("theta - gamma * v)", "theta)"), "Where is the gradient taken"),
        ("nesterov", LOOK_AHEAD.replace("range(num_steps)", "range(3)"), "should return 11 pairs"),
    ],
)
def test_a_wrong_answer_gets_a_hint(name, source, words):
    assert words in run(name, source)
