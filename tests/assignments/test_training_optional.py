"""The optional exercise of `training`: its self-check waits, passes and fails as it should."""

import contextlib
import io

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("training"))
CELLS = {cell.id: cell.source for cell in SOURCE.cells}
NAMES, _ = definitions(SOURCE)

FINDER = """
def learning_rate_finder(model, batches, loss_fn, optimizer, low, high):
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    group = optimizer.param_groups[0]
    before, rates, losses = group["lr"], [], []
    for k, (X_batch, y_batch) in enumerate(batches):
        group["lr"] = low * (high / low) ** (k / (len(batches) - 1))
        optimizer.zero_grad()
        loss = loss_fn(model(X_batch), y_batch)
        rates.append(group["lr"])
        losses.append(loss.item())
        if not losses[-1] <= 4 * min(losses):
            break
        loss.backward()
        optimizer.step()
    group["lr"] = before
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights):
            parameter.copy_(weight)
    return rates, losses
"""


def said(source: str) -> str:
    """Run this source and then the self-check; what it says."""
    names = dict(NAMES)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(source, names)
            exec(CELLS["optional-finder-check"], names)
        except AssertionError as error:
            return str(error)
    return out.getvalue()


def test_the_optional_exercise_may_be_skipped():
    assert "(optional): not written yet" in said(CELLS["optional-finder-write"])


def test_a_right_answer_passes():
    assert "this self-check passes" in said(FINDER)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(len(batches) - 1)", "len(batches)", "Each is the one before times"),
        ("        optimizer.zero_grad()\n", "", "Are the gradients cleared"),
        ("4 * min(losses)", "1000 * min(losses)", "there the test should end"),
        (".detach().clone()", ".detach()", "Is a copy really one"),
        ('group["lr"] = before', "pass", "learning rate after the test should be 0.25"),
        ("return rates, losses", "return rates", "should return 2 things"),
    ],
)
def test_a_wrong_answer_gets_a_hint(old, new, words):
    assert FINDER.count(old) == 1
    assert words in said(FINDER.replace(old, new))
