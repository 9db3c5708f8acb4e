"""No mistake of the catalogue passes all self-checks green and loses points afterward."""

import re

import pytest

from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse
from tests.assignments.visible import visible
from tests.conftest import ROOT

# Checks that stay green for some mistakes which another check of the same exercise sees, with the reason.
ONE_SIDE_ALONE = {
    "test_tensor_gradients": "looks at the order of the operations: numbers would depend on earlier exercises",
    "test_shared_tensor_order": "its expression has no power",
    "test_shared_tensor_linear": "its graph is a chain, in which the order of discovery is right",
    "test_shared_tensor_rosenbrock": "its expression squares a difference, and uses no result twice",
    "test_shared_tensor_shared": "its expression has equal factors",
    "test_shared_tensor_two_losses": "its expressions are products",
    "test_numerical_gradient_arguments": "looks at the caller's list, whatever comes back",
    "test_numerical_gradient_central": "looks at the quotient, whatever happens to the list",
    "test_sgd_shuffle": "looks at the shuffling, whatever the size of a step",
    "test_rmsprop_update_untouched": "looks at the caller's arrays, whatever comes back",
    "test_adam_update_untouched": "looks at the caller's arrays, whatever comes back",
    "test_cosine_schedule_end": "looks at what comes after the end, whatever comes before",
    "test_adamw_settings": "has one parameter only",
    "test_adamw_skipped": "looks at which parameters move, whatever the size of a step",
}


NOTEBOOKS = {name: visible(name) for name in Course(ROOT).assignments}
# A question has one answer: its check looks at the form alone, or it would give the answer away.
QUESTIONS = {
    (name, exercise)
    for name, notebook in NOTEBOOKS.items()
    for exercise, cell in notebooks.by_id(notebook).items()
    if "raises-exception" in cell.metadata.get("tags", [])
}
ENTRIES = [
    pytest.param(name, entry, id=entry.name)
    for name, notebook in NOTEBOOKS.items()
    for entry in catalogue.load(ROOT / "mistakes" / f"{name}.toml", notebook)
    if (name, entry.cell) not in QUESTIONS and not entry.right
]
ALIKE = re.compile(r"should be (\S.*?),? (?:and )?yours (?:is|are) \1(?![\w.]*\d)")


@pytest.mark.parametrize(("assignment", "entry"), ENTRIES)
def test_the_self_checks_see_what_the_hidden_tests_see(assignment, entry):
    notebook = NOTEBOOKS[assignment]
    verdicts = rehearse(notebook, {entry.cell: entry.source}, only=notebooks.tests_of(notebook)[entry.cell])
    seen = {test for test, message in verdicts.items() if message}
    assert seen, "passes green"
    assert set(entry.loses) - seen <= ONE_SIDE_ALONE.keys()
    assert [message for message in verdicts.values() if message and ALIKE.search(message)] == []
    if assignment == "conditioning":
        assert seen == set(entry.loses), "here each check sees what its hidden part sees"
    cells = notebooks.by_id(notebook)
    assert all("builds_on" in cells[test].source for test in seen - set(entry.loses)), "red, but costs nothing"


@pytest.mark.parametrize(
    ("assignment", "exercise", "answer", "words"),
    [
        (
            "conditioning",
            "gd_rate",
            "def gd_rate(spectrum, eta):\n    return np.float32(max(abs(1 - eta * lam) for lam in spectrum))",
            "should be 0.8, yours is 0.800000011920929",
        ),
        (
            "conditioning",
            "rotated",
            "def rotated(A, angle):\n    c, s = np.cos(angle), np.sin(angle)\n"
            "    R = np.array([[c, -s], [s, c]])\n    return (R @ A @ R.T).astype(np.float32)",
            "yours is [[",
        ),
    ],
)
def test_rounded_answers_are_shown_with_the_digits_that_differ(assignment, exercise, answer, words):
    notebook = NOTEBOOKS[assignment]
    verdicts = rehearse(notebook, {exercise: answer}, only=notebooks.tests_of(notebook)[exercise])
    messages = [message for message in verdicts.values() if message]
    assert messages and not any(ALIKE.search(message) for message in messages)
    assert any(words in message for message in messages), messages
