"""What a stuck student reads in `conditioning`: a wrong type, too, gets a sentence, not the check's own exception."""

import re

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse
from tests.assignments.visible import visible
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("conditioning"))
EXERCISES = notebooks.tests_of(SOURCE)
VISIBLE = visible("conditioning")


def answers(value: str) -> dict[str, str]:
    """To each exercise the same answer: its function returns this value, or its name has it."""
    cells, found = notebooks.by_id(SOURCE), {}
    for name in EXERCISES:
        signature = re.search(r"^def .*:$", cells[name].source, re.MULTILINE)
        found[name] = f"{signature[0]}\n    return {value}" if signature else f"{name} = {value}"
    return found


@pytest.mark.parametrize(
    "value", ["None", "'x'", "float('nan')", "torch.zeros(2, requires_grad=True)", "()", "{}", "[1, 'a']", "1j", "[[]]"]
)
def test_every_check_says_what_it_expected(value):
    verdicts = rehearse(VISIBLE, answers(value))
    for exercise, tests in EXERCISES.items():
        for test in tests:
            message = verdicts[test]
            if exercise == "preconditioned_gd" and test.endswith("untouched"):
                continue  # it looks at the arguments alone
            assert message is not None, f"{test} passes"
            assert message.startswith(f"✗ {exercise}"), (test, message)
            assert re.search("should", message), (test, message)
            assert "raised" not in message, (test, message)
