"""AdamW and clip_gradients of `training`: what the self-checks say, and that no answer lets torch take the steps."""

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("training"))
CELLS = notebooks.by_id(SOURCE)
TESTS = notebooks.tests_of(SOURCE)


def said(exercise: str, old: str, new: str, hidden_only: bool = False) -> list[str]:
    """What the tests say of the solution with one change."""
    source = CELLS[exercise].source
    assert source.count(old) == 1, old
    verdicts = rehearse(SOURCE, {exercise: source.replace(old, new)}, only=TESTS[exercise], hidden_only=hidden_only)
    return [message for message in verdicts.values() if message]


@pytest.mark.parametrize(
    ("exercise", "old", "new", "words"),
    [
        ("clip_gradients", "gradient *= factor", "gradient = gradient * factor", "One factor for all of them"),
        (
            "clip_gradients",
            "factor = max_norm / (norm + 1e-6)",
            "factor = max_norm / (norm + 1e-9)",
            "so small that the 1e-6 in the denominator counts",
        ),
        ("clip_gradients", " if param.grad is not None]", "]", "None"),
        ("clip_gradients", "return norm", "return min(norm, max_norm)", "from before the clipping"),
        ("adamw", "list(params)", "params", "make a list of it"),
        ("adamw", "param.grad = None", "param.grad.zero_()", "None"),
        ("adamw", "1.0 - self.lr * self.weight_decay", "1.0 - self.weight_decay", "1 - lr * weight_decay"),
        ("adamw", "eps=1e-8, weight_decay=0.01", "eps=1e-8, weight_decay=0.0", "The defaults should be"),
        ("adamw", "beta1, beta2 = self.betas", "beta2, beta1 = self.betas", "Is each average kept"),
    ],
)
def test_a_self_check_says_where_to_look(exercise, old, new, words):
    assert any(words in message for message in said(exercise, old, new))


INHERITS = """
class AdamW(torch.optim.AdamW):
    pass
"""
CALLS_A_COPY = """
class AdamW:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        self.made = torch.optim.AdamW(list(params), lr, betas, eps, weight_decay)

    def zero_grad(self):
        self.made.zero_grad()

    def step(self):
        self.made.step()
"""


@pytest.mark.parametrize("source", [INHERITS, CALLS_A_COPY])
def test_an_optimizer_that_wraps_torchs_earns_nothing(source):
    hidden = rehearse(SOURCE, {"adamw": source}, only=TESTS["adamw"], hidden_only=True)
    assert None not in hidden.values()
    assert all("calls torch's own optimizer" in message for message in hidden.values())
    visible = rehearse(SOURCE, {"adamw": source}, only=TESTS["adamw"])
    assert None not in visible.values()
    other = {test for test, message in visible.items() if "torch.optim or torch.nn.utils do the work" not in message}
    assert other <= {"test_adamw_settings"}, "it looks at the learning rate first"


def test_every_question_to_think_about_has_an_answer_below_it():
    for cell in SOURCE.cells:
        assert cell.source.count("**Think.**") == cell.source.count("<details><summary>An answer</summary>"), cell.id
