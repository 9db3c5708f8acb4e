"""The optional exercises of `conditioning`: their self-checks wait, pass and fail as they should."""

import contextlib
import io

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("conditioning"))
CELLS = {cell.id: cell.source for cell in SOURCE.cells}
NAMES, _ = definitions(SOURCE)

ORTHOGONALIZE = """
def orthogonalize(G, steps=5):
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G.T if G.shape[0] > G.shape[1] else G
    X = X / (X.norm() + 1e-7)
    for _ in range(steps):
        B = X @ X.T
        X = a * X + (b * B + c * B @ B) @ X
    return X.T if G.shape[0] > G.shape[1] else X
"""
MUON = (
    ORTHOGONALIZE
    + """
class Muon:
    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95):
        self.params = list(params)
        self.lr, self.weight_decay, self.momentum = lr, weight_decay, momentum
        self.B = [torch.zeros_like(param) for param in self.params]

    @torch.no_grad()
    def step(self):
        for i, param in enumerate(self.params):
            self.B[i] = self.momentum * self.B[i] + (1 - self.momentum) * param.grad
            update = orthogonalize((1 - self.momentum) * param.grad + self.momentum * self.B[i])
            m, n = param.shape
            param.mul_(1 - self.lr * self.weight_decay)
            param.add_(update, alpha=-self.lr * max(1, m / n) ** 0.5)
"""
)
LION = """
def lion_step(x, m, g, eta=1e-4, beta1=0.9, beta2=0.99):
    return x - eta * np.sign(beta1 * m + (1 - beta1) * g), beta2 * m + (1 - beta2) * g
"""
RIGHT = {"orthogonalize": ORTHOGONALIZE, "muon": MUON, "lion": LION}


def said(name: str, source: str) -> str:
    """Run this source and then the exercise's self-check; what it says."""
    names = dict(NAMES)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(source, names)
            exec(CELLS[f"optional-{name}-check"], names)
        except AssertionError as error:
            return str(error)
    return out.getvalue()


@pytest.mark.parametrize("name", RIGHT)
def test_optional_exercises_may_be_skipped(name):
    assert "(optional): not written yet" in said(name, CELLS[f"optional-{name}-write"])


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes(name):
    assert "this self-check passes" in said(name, RIGHT[name])


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("orthogonalize", "X / (X.norm() + 1e-7)", "X", "With no step G is divided by its norm"),
        ("orthogonalize", "b * B + c * B @ B", "b * B", "Look at a, b and c"),
        ("orthogonalize", "return X.T if G.shape[0] > G.shape[1] else X", "return X", "should have the shape of G"),
        ("muon", "max(1, m / n) ** 0.5", "1.0", "at the root of max(1, m / n)"),
        ("muon", "1 - self.lr * self.weight_decay", "1", "look at the weight decay"),
        ("muon", "self.momentum * self.B[i] + (1 - self.momentum) * param.grad", "param.grad", "look at the average B"),
        ("lion", "beta1 * m + (1 - beta1) * g", "g", "The sign is that of beta1 * m"),
        ("lion", "x - eta", "x + eta", "the step goes against it"),
        ("lion", "beta2 * m + (1 - beta2)", "beta1 * m + (1 - beta1)", "It keeps beta2 of the old m"),
        ("lion", "return x -", "return -x,", "should return the next x and the next m"),
    ],
)
def test_a_wrong_answer_gets_a_hint(name, old, new, words):
    assert old in RIGHT[name]
    assert words in said(name, RIGHT[name].replace(old, new, 1) if name != "lion" else RIGHT[name].replace(old, new))
