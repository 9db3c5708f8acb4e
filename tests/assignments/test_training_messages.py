"""What a stuck student reads in `training`: a wrong type, too, gets a sentence, not the check's own exception."""

import re

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse
from tests.conftest import ROOT

SOURCE = notebooks.read(Course(ROOT).source("training"))
EXERCISES = notebooks.tests_of(SOURCE)


def answers(value: str) -> dict[str, str]:
    """To each exercise the same answer: its function or its methods return this value, or its name has it."""
    cells, found = notebooks.by_id(SOURCE), {}
    for name in EXERCISES:
        heads = re.findall(r"^(?:class .*:| {4}def .*:)$", cells[name].source, re.MULTILINE)
        if heads and heads[0].startswith("class"):
            found[name] = "\n".join([heads[0], *(f"{head}\n        return {value}" for head in heads[2:])])
            found[name] += "\n\n    def __init__(self, *args, **kwargs):\n        pass"
            continue
        signature = re.search(r"^def .*:$", cells[name].source, re.MULTILINE)
        found[name] = f"{signature[0]}\n    return {value}" if signature else f"{name} = {value}"
    return found


@pytest.mark.parametrize("value", ["None", "'x'", "float('nan')", "torch.zeros(2, requires_grad=True)", "()", "{}"])
def test_every_check_says_what_it_expected(value):
    verdicts = rehearse(SOURCE, answers(value))
    for exercise, tests in EXERCISES.items():
        for test in tests:
            message = verdicts[test] or "it passes"
            assert message.startswith(f"✗ {exercise}"), (test, message)
            assert re.search("should|never", message), (test, message)
            assert "raised" not in message, (test, message)
