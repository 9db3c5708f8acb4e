"""A question about a student's namespace is answered with plain data, whatever the code does."""

import json
import socket
import warnings

import numpy as np
import pytest

from grading.execution.rehearsal import run
from grading.probe import core, wire


def namespace_of(source: str) -> dict:
    namespace = {"__name__": "__main__"}
    assert run(source, namespace, "student") is None
    return namespace


def ask(source: str, probe: str = "core.call", **arguments):
    question = json.dumps({"probe": probe, "arguments": arguments})
    return wire.loads(core.answer(question, namespace_of(source)))


def call(source: str, *args, **options):
    return ask(source, function="f", args=list(args), kwargs={}, **options)


def test_value_looks_up_a_name():
    assert ask("eta = 0.5", "core.value", name="eta") == {"value": 0.5}


def test_call_returns_the_value_and_the_arguments_after_it():
    source = "def f(values):\n    values.append(3)\n    return sum(values)"
    assert call(source, [1, 2]) == {"value": {"value": 6, "arguments": [[1, 2, 3]], "kind": "int"}}


def test_call_passes_keywords():
    assert ask("def f(x, y):\n    return x - y", function="f", args=[3], kwargs={"y": 1})["value"]["value"] == 2


def test_take_iterates_no_further_than_asked():
    source = "def f():\n    n = 0\n    while True:\n        n += 1\n        yield n"
    assert call(source, take=3)["value"]["value"] == [1, 2, 3]


def test_without_take_a_generator_is_only_named():
    assert call("def f():\n    yield 1")["value"]["value"] == {"object": "generator"}


def test_a_missing_name_is_an_error_of_its_own_kind():
    error = call("g = 1")["error"]
    assert error["type"] == "Missing" and error["message"] == "there is no `f` in the notebook"


def test_an_exception_is_reported_with_the_students_last_line():
    error = call("def g(x):\n    return 1 / x\n\ndef f():\n    return g(0)")["error"]
    assert error == {"type": "ZeroDivisionError", "message": "division by zero", "line": 2, "code": "return 1 / x"}


def test_the_last_line_of_the_students_own_is_named_when_numpy_raises():
    error = call("import numpy as np\ndef f():\n    return np.linalg.inv(np.zeros((2, 2)))")["error"]
    assert (error["type"], error["line"]) == ("LinAlgError", 3)


@pytest.mark.parametrize("raised", ["SystemExit(3)", "GeneratorExit()", "BaseException('all')", "RecursionError()"])
def test_no_exception_of_a_student_passes_through(raised):
    assert call(f"def f():\n    raise {raised}")["error"]["type"] == raised.partition("(")[0]


def test_the_time_limit_passes_through():
    with pytest.raises(KeyboardInterrupt):
        call("def f():\n    raise KeyboardInterrupt")


def test_an_exception_whose_text_cannot_be_made_is_still_reported():
    source = "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\ndef f():\n    raise Odd"
    assert call(source)["error"]["type"] == "Odd"


def test_a_value_too_deep_is_an_error_and_no_crash():
    assert "levels deep" in call("def f():\n    x = []\n    x.append(x)\n    return x")["error"]["message"]


def test_an_endless_recursion_is_an_error():
    assert call("def f():\n    return f()")["error"]["type"] == "RecursionError"


def test_prints_and_warnings_are_dropped(capfd):
    source = "import sys, warnings\ndef f():\n    print('a'); print('b', file=sys.stderr)\n    warnings.warn('c')"
    assert call(source)["value"]["value"] is None
    assert capfd.readouterr() == ("", "")


def test_warnings_are_switched_on_again_afterward():
    call("def f():\n    return 1")
    with pytest.warns(UserWarning), warnings.catch_warnings():
        warnings.warn("still here", stacklevel=1)


@pytest.mark.parametrize(
    ("data", "built"),
    [
        (3, 3),
        ([1, {"dict": [["a", {"tuple": [1, 2]}]]}], [1, {"a": (1, 2)}]),
        ({"dict": [["array", [1]]]}, {"array": [1]}),
        ({"tuple": [[1], "x"]}, ([1], "x")),
        ({"plain": [{"rng": 3}]}, [{"rng": 3}]),
    ],
)
def test_build_makes_plain_arguments(data, built):
    assert core.build(data) == built


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 3)),
        np.array([[True]]),
        np.array([1], dtype="int32"),
        np.zeros((2, 0)),
    ],
)
def test_an_array_is_rebuilt_with_its_type_and_shape(array):
    built = core.build(json.loads(json.dumps(wire.encode(array))))
    assert built.dtype == array.dtype and built.shape == array.shape and (built == array).all()


def test_a_generator_of_random_numbers_is_built_from_its_seed():
    assert core.build({"rng": 3}).random() == np.random.default_rng(3).random()


def test_a_function_is_built_from_its_text():
    assert core.build({"function": "math.sqrt(x) + y", "names": ["x", "y"]})(9, 1) == 4


def test_define_changes_only_a_copy():
    namespace = {"base": int}
    assert core.define("made = base('7')", namespace, base=float)["made"] == 7.0
    assert namespace == {"base": int}


def test_questions_are_answered_line_by_line_until_an_empty_one(tmp_path):
    question = json.dumps({"probe": "core.value", "arguments": {"name": "x"}}).encode()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        door.listen(1)
        core.connect(str(tmp_path / "door"))
        with door.accept()[0] as line:
            line.sendall(b"1 %b\n2 %b\n\n3 %b\n" % (question, question, question))
            core.answer_all({"x": "a\nb"})
            first, second, rest = line.recv(1000).split(b"\n")
            assert json.loads(first.removeprefix(b"1 ")) == json.loads(second.removeprefix(b"2 "))
            assert json.loads(first.removeprefix(b"1 ")) == {"dict": [["value", "a\nb"]]} and not rest
            line.sendall(b"\n")
            core.answer_all({"x": 5.0})  # the third question came before this line
            assert json.loads(line.recv(1000).removeprefix(b"3 ")) == {"dict": [["value", 5.0]]}
    core._questions.close()
    core._line.close()
