"""Hidden tests against a namespace: what passes, what fails, and what is the test's own fault."""

import pytest
from nbclient.exceptions import DeadKernelError

from grading.execution.hidden_tests import judge
from grading.gradebook.records import NEEDS_TORCH
from grading.oracle.student_code import InProcess
from grading.sandbox.bubblewrap import SandboxError

ASKS = "from grading import oracle, student\noracle.same_number(student.call('f', 2), 4.0, 'f(2)')"


class Channel(InProcess):
    """A guarded channel to one namespace without torch, and another one with it."""

    def __init__(self, without, with_torch=None):
        super().__init__(without)
        self.without, self.other = without, with_torch

    def begin(self, with_torch=False):
        self._namespace = self.other if with_torch else self.without

    def may_need_torch(self):
        return self.other is not None

    def remarks(self):
        return ["a remark"]

    def delegated(self):
        return ("it lets torch do it", ["asked"]) if self._namespace.get("cheats") else ("", [])


def square(x):
    return x * x


def double_plus_one(x):
    return 2 * x + 1


def test_a_right_answer_passes():
    verdict = judge(ASKS, "right", Channel({"f": square}))
    assert (verdict.error, verdict.suspicion, verdict.fault) == (None, "", "")
    assert len(verdict.transcript) == 1


def test_a_wrong_answer_fails_with_a_message():
    verdict = judge(ASKS, "wrong", Channel({"f": double_plus_one, "cheats": True}))
    assert "should be 4, yours is 5" in str(verdict.error) and verdict.remarks == ["a remark"]
    assert (verdict.suspicion, verdict.transcript) == ("it lets torch do it", ["asked"])


def test_questions_to_an_answer_that_needs_torch_go_to_an_interpreter_with_torch():
    verdict = judge(ASKS, "needs", Channel({}, {"f": square}))
    assert verdict.error is None and verdict.suspicion == NEEDS_TORCH
    assert len(verdict.transcript) == 1, "only what was asked the second time counts"
    verdict = judge(ASKS, "needs", Channel({}, {"f": double_plus_one}))
    assert "yours is 5" in str(verdict.error) and verdict.suspicion == ""


@pytest.mark.parametrize(
    "source", ["1 / 0", "import nothing_of_this_name", "def f(:", f"{ASKS}\nfrom os import no_name"]
)
def test_a_fault_in_a_hidden_test_is_not_blamed_on_the_answer(source):
    verdict = judge(source, "broken", Channel({"f": square}))
    assert verdict.error is None and verdict.fault.startswith("Traceback") and verdict.suspicion == ""


@pytest.mark.parametrize("error", [DeadKernelError("gone"), SandboxError("torch can be found")])
def test_a_dead_interpreter_is_not_reported_as_a_fault_of_the_test(error):
    class Broken(Channel):
        def ask(self, question):
            raise error

    with pytest.raises(type(error)):
        judge(ASKS, "asked", Broken({}))
