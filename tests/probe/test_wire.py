"""Plain data crosses the wire as it is; all else is named, cut or refused."""

import json
import math

import numpy as np
import pytest
import torch

from grading.probe import wire


def there_and_back(value):
    return wire.loads(wire.dumps(value))


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -7, 2**63 - 1, 1.5, 1e-300, "text", "ü\u2028", [], [1, [2.0, "x"]], {"a": {"b": [1]}}, {}],
)
def test_plain_data_comes_back_as_it_is(value):
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("key", ["array", "dict", "object"])
def test_a_dictionary_comes_back_as_it_is_whatever_its_keys(key):
    assert there_and_back({key: [1, 2]}) == {key: [1, 2]}


def test_tuples_become_lists():
    assert there_and_back((1, (2, 3))) == [1, [2, 3]]


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinities_come_back(value):
    assert there_and_back([value]) == [value]


def test_nan_comes_back():
    assert math.isnan(there_and_back({"x": math.nan})["x"])


def test_an_int_beyond_64_bits_becomes_infinite():
    assert there_and_back([10**400, -(10**400)]) == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (np.array([[1.0, 2.0], [3.0, np.nan]])[:, :1], [[1.0], [3.0]]),
        (np.zeros((2, 0)), [[], []]),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(4.0), 4.0),
        (torch.tensor([1.0, 2.0], requires_grad=True), [1.0, 2.0]),
        (torch.tensor(2), 2),
    ],
)
def test_arrays_and_tensors_become_lists_and_numbers(value, back):
    assert there_and_back(value) == back


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ([[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0]]),
        ([[[1.0]], [2.0]], [[[1.0]], [2.0]]),
        ([[], [1.0]], [[], [1.0]]),
        ([[1, 2**70], [3, 4]], [[1, float("inf")], [3, 4]]),
        ([-(2**63)], [float("-inf")]),
        ([[np.float32(0.5), 1.0], (2.0,)], [[0.5, 1.0], [2.0]]),
        ([[1.0], [object()]], [[1.0], [{"object": "object"}]]),
    ],
)
def test_lists_of_numbers_are_sent_as_other_lists_are(value, back):
    assert there_and_back(value) == back


@pytest.mark.parametrize("array", [np.ones((2, 3), dtype="float32"), torch.ones(2, 3)])
def test_an_array_keeps_its_shape_and_type_on_the_way(array):
    encoded = wire.encode(array)
    assert encoded == {"array": [[1.0] * 3] * 2, "shape": [2, 3], "dtype": "float32"}


def test_whatever_an_object_calls_its_dtype_can_be_sent():
    odd = type("Odd", (), {"dtype": ["float", 64], "shape": (1,), "tolist": lambda self: [1.0]})
    assert wire.encode(odd()) == {"array": [1.0], "shape": [1], "dtype": "['float', 64]"}


class Thing:
    pass


@pytest.mark.parametrize(
    ("value", "name"), [(Thing(), "Thing"), (len, "builtin_function_or_method"), (1j, "complex"), (Thing, "type")]
)
def test_an_object_is_represented_by_its_type(value, name):
    assert there_and_back([value]) == [{"object": name}]


def test_subclasses_of_numbers_are_plain_numbers_on_the_other_side():
    class Liar(float):
        def __eq__(self, other):
            return True

    assert type(wire.encode(Liar(5))) is float


def test_a_described_argument_is_its_description():
    assert wire.encode([wire.Described({"rng": 3})]) == [{"rng": 3}]


def test_long_text_is_cut():
    assert len(there_and_back("x" * 10_000)) == wire.MAX_TEXT


def test_keys_become_text():
    assert there_and_back({1: "one"}) == {"1": "one"}


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def test_deep_values_are_refused():
    assert there_and_back(nested(wire.MAX_DEPTH)) == nested(wire.MAX_DEPTH)
    with pytest.raises(wire.WireError, match="nested more than 30 levels"):
        wire.dumps(nested(wire.MAX_DEPTH + 1))


def test_a_list_that_holds_itself_is_refused():
    loop: list = []
    loop.append(loop)
    with pytest.raises(wire.WireError):
        wire.dumps(loop)


def test_long_values_are_refused():
    with pytest.raises(wire.WireError, match="over the limit of 4000000"):
        wire.dumps([0.1] * 1_000_000)


@pytest.mark.parametrize("text", ["", "{", "nothing", "[" * 100_000, "[1,]"])
def test_invalid_json_is_refused(text):
    with pytest.raises(wire.WireError):
        wire.loads(text)


def test_an_oversized_message_is_refused_before_parsing():
    with pytest.raises(wire.WireError, match="over the limit"):
        wire.loads(json.dumps("x" * wire.MAX_CHARACTERS))


@pytest.mark.parametrize(
    ("value", "number"),
    [(value, True) for value in (1, 0.5, math.nan, math.inf)]
    + [(value, False) for value in (True, "1", None, [1], {"object": "Thing"})],
)
def test_is_number_accepts_numbers_only(value, number):
    assert wire.is_number(value) == number
