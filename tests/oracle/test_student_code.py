"""`student` brings back plain data from a student's code, or a message that a student understands."""

import numpy as np
import pytest

from grading import student
from grading.execution.rehearsal import run
from grading.oracle.student_code import InProcess, StudentError, connected, defining


class Channelled:
    """A channel that answers with a given text."""

    def __init__(self, text: str):
        self.text = text

    def ask(self, question: str) -> str:
        return self.text

    def source_of(self, name: str) -> str | None:
        return None


@pytest.fixture
def code():
    """`code(source)` is a student's notebook with that one cell, connected."""
    opened = []

    def connect(source: str) -> list:
        namespace = {"__name__": "__main__"}
        assert run(source, namespace, "student") is None
        opened.append(connected(InProcess(namespace, [source])))
        return opened[-1].__enter__()

    yield connect
    for connection in reversed(opened):
        connection.__exit__(None, None, None)


def message(ask, *args, **kwargs) -> str:
    with pytest.raises(StudentError) as caught:
        ask(*args, **kwargs)
    return str(caught.value)


def test_value_returns_the_value_of_a_name(code):
    code("eta = [0.5, None]")
    assert student.value("eta") == [0.5, None]


def test_call_passes_positional_and_named_arguments(code):
    code("def f(x, y=0):\n    return x - y")
    assert student.call("f", 3, y=1) == 2


def test_arguments_arrive_as_arrays_generators_functions_and_tuples(code):
    code(
        "def f(array, rng, g, pair):\n"
        "    return [type(array).__name__, array.T, rng.random(), g(2, 3), type(pair).__name__]"
    )
    array = np.array([[1, 2]])
    back = student.call("f", array, student.rng(7), student.function("x * y", "x", "y"), (1, 2))
    assert back[:4] == ["ndarray", [[1], [2]], np.random.default_rng(7).random(), 6]


def test_take_collects_what_a_generator_yields(code):
    code("def f():\n    while True:\n        yield 1")
    assert student.call("f", take=4) == [1, 1, 1, 1]


def test_a_changed_argument_shows_and_the_callers_stays(code):
    code("def f(values):\n    values[0] = 9\n    return 1")
    mine = np.zeros(2)
    assert student.call_and_look("f", mine) == {"value": 1, "arguments": [[9, 0]], "kind": "int"}
    assert mine.tolist() == [0, 0]


def test_a_missing_name_is_reported(code):
    code("g = 1")
    words = "`f` is not defined: there is no `f` in the notebook. Run the cell that defines it, and keep its name."
    assert message(student.call, "f") == words


def test_an_empty_gap_is_reported_as_not_written_yet(code):
    code("def f():\n    raise NotImplementedError('still empty')")
    assert message(student.call, "f") == "`f` is not written yet: its gap still raises NotImplementedError."


def test_an_exception_is_reported_with_its_line(code):
    code("def f(x):\n    y = x\n    return 1 / y")
    assert (
        message(student.call, "f", 0) == "`f` raised ZeroDivisionError: division by zero\n  in your line: return 1 / y"
    )


def test_an_exception_without_a_message_is_reported_by_its_name(code):
    code("def f():\n    raise KeyError")
    assert message(student.call, "f") == "`f` raised KeyError\n  in your line: raise KeyError"


def test_a_wrong_number_of_arguments_is_reported(code):
    code("def f():\n    return 1")
    assert "`f` raised TypeError: f() takes 0 positional arguments but 1 was given" in message(student.call, "f", 1)


def test_sys_exit_is_reported(code):
    code("import sys\ndef f():\n    sys.exit(3)")
    assert message(student.call, "f").startswith("`f` raised SystemExit: 3")


def test_an_oversized_answer_is_reported(code):
    code("def f():\n    return [0.1] * 10**6")
    assert "over the limit" in message(student.call, "f")


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "3", '{"dict": {}}', "null", "x" * 5_000_000])
def test_an_unreadable_reply_is_reported(text):
    with connected(Channelled(text)):
        assert message(student.call, "f").startswith("`f` gave an answer that cannot be read")


@pytest.mark.parametrize(
    "text", ['{"error": 3}', '{"error": null}', '{"error": {}}', '{"value": 3}', '{"value": {"dict": {"x": 1}}}']
)
def test_a_forged_reply_is_reported_without_a_crash(text):
    with connected(Channelled(text)):
        message(student.call, "f")


@pytest.mark.parametrize("text", ["0.5", "np.float32(0.5)", "Fraction(1, 2)", "np.array(0.5)"])
def test_numbers_of_any_type_are_returned(code, text):
    code(f"import numpy as np\nfrom fractions import Fraction\nx = {text}")
    assert student.number("x") == 0.5


@pytest.mark.parametrize("text", ["'0.5'", "True", "None", "[0.5]", "float('nan')", "1e999", "object()"])
def test_an_answer_that_is_not_a_number_is_reported(code, text):
    code(f"x = {text}")
    assert "`x` should be a finite number" in message(student.number, "x")


def test_a_student_error_is_an_assertion_error_shown_without_a_stack():
    assert issubclass(StudentError, AssertionError)
    assert StudentError("one\ntwo")._render_traceback_() == ["one", "two"]


def test_the_transcript_holds_questions_and_replies(code):
    transcript = code("def f(x):\n    return 1 / x")
    student.call("f", 2)
    message(student.call, "f", 0)
    (question, reply), (_, failed) = transcript
    assert (
        '"core.call"' in question and reply["value"]["value"] == 0.5 and failed["error"]["type"] == "ZeroDivisionError"
    )


def test_connections_can_be_nested_and_end_with_their_block(code):
    code("x = 1")
    with connected(InProcess({"x": 2}, [])) as inner:
        assert student.value("x") == 2
    assert student.value("x") == 1 and len(inner) == 1


def test_without_a_notebook_the_error_says_what_is_missing():
    with pytest.raises(RuntimeError, match="no running notebook"):
        student.value("x")


def test_the_last_cell_that_defines_a_name_is_found():
    sources = ["def f(): 1", "class f: pass", "not python (", "f = 2", "if True:\n    def f(): 3", "\0"]
    assert defining("f", sources) == "class f: pass"
    assert defining("g", sources) is None


DESCENT = """
class Descent:
    def __init__(self, params, eta=0.5):
        self.params, self.eta = params, eta
    def step(self):
        for param in self.params:
            param.value = param.value - self.eta * param.grad
"""


def test_an_optimizer_is_followed_without_torch(code):
    code(DESCENT)
    assert student.follow("Descent", [[1.0, 2.0], [4.0, 0.0]]) == [[1, -2], [0.5, -3], [-1.5, -3]]
    assert student.follow("Descent", [[1.0]], start=[0.0], eta=2.0) == [[0], [-2]]
    assert student.follow("Descent", [[1.0]], [0.0], 3.0) == [[0], [-3]]


def test_a_broken_base_class_does_not_count_twice(code):
    broken = "class Optimizer:\n    def __init__(self, params):\n        raise NotImplementedError\n"
    inherits = DESCENT.replace("Descent:", "Descent(Optimizer):").replace(
        "self.params, self.eta = params, eta", "super().__init__(params); self.eta = eta"
    )
    namespace = {"__name__": "__main__"}
    run(broken, namespace, "base")
    run(inherits, namespace, "descent")
    with connected(InProcess(namespace, [broken, inherits])):
        assert student.follow("Descent", [[1.0]], start=[0.0]) == [[0], [-0.5]]
