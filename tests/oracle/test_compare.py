"""The first difference between an answer and a reference, in words."""

import math
import re

import numpy as np
import pytest

from grading.oracle import compare
from grading.oracle.compare import Mismatch

PATH = [[1.0, -2.0], [0.5, -1.0], [0.25, -0.5], [0.125, -0.25]]


def changed(step: int, place: int, value: object) -> list:
    path = [list(row) for row in PATH]
    path[step][place] = value
    return path


def says(call, *args, **kwargs) -> str:
    with pytest.raises(Mismatch) as caught:
        call(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("yours", [4, 4.0, 4.0 * (1 + 1e-11), 4 + 1e-13])
def test_a_number_within_the_tolerance_is_the_same(yours):
    compare.same_number(yours, 4, "x")


@pytest.mark.parametrize("yours", [4.0 * (1 + 1e-9), -4.0, math.nan, math.inf, None, "4", True, [4.0], {"object": "T"}])
def test_a_different_number_is_reported(yours):
    assert re.match(r"the slope should be 4(\.0+)?, yours is ", says(compare.same_number, yours, 4.0, "the slope"))


def test_true_is_not_accepted_as_a_number():
    assert not compare.close(True, 1.0)


def test_tolerances_can_be_given():
    compare.same_number(1.01, 1.0, "x", rtol=0.1)
    compare.same_number(1e-3, 0.0, "x", atol=1e-2)


@pytest.mark.parametrize(("yours", "same"), [(math.inf, True), (-math.inf, False), (1e308, False), (math.nan, False)])
def test_only_the_same_infinity_is_close_to_it(yours, same):
    assert compare.close(yours, math.inf) is same


def test_nan_equals_nothing():
    assert not compare.close(math.nan, math.nan)


def test_a_mismatch_keeps_the_values_for_a_table():
    with pytest.raises(Mismatch) as caught:
        compare.same_number(3.0, 4.0, "x")
    assert caught.value.rows == [("x", 3.0, 4.0)]


def test_that_raises_the_given_message():
    compare.that(True, "fine")
    assert says(compare.that, False, "not fine") == "not fine"


def test_lists_are_compared_to_the_last_item():
    compare.same_list([[1, 2], (3.0, 4.0)], [[1.0, 2.0], [3.0, 4.0]], "w")
    assert says(compare.same_list, [[1, 2], [3, 5]], [[1, 2], [3, 4]], "w") == "w[1][1] should be 4, yours is 5."


@pytest.mark.parametrize("yours", [[1.0], [1.0, 2.0, 3.0]])
def test_a_list_of_another_length_is_reported(yours):
    assert says(compare.same_list, yours, [1.0, 2.0], "w") == f"w should hold 2 items, yours holds {len(yours)}."


def test_a_number_in_place_of_a_list_is_reported():
    assert says(compare.same_list, [1.0, 2.0], [[1.0], [2.0]], "w") == "w[0] should hold 1 items, yours is 1."


@pytest.mark.parametrize(("yours", "expected"), [("Saddle", "saddle"), (1, True), (None, "saddle"), (1.0, 1)])
def test_a_value_must_be_equal_and_of_the_same_type(yours, expected):
    assert "kind should be" in says(compare.same_value, yours, expected, "kind")


def test_an_equal_value_is_the_same():
    compare.same_value("saddle", "saddle", "kind")


def test_the_same_path_passes():
    compare.same_path(PATH, PATH, what="GD")


@pytest.mark.parametrize(
    ("step", "place", "words"),
    [
        (0, 0, "step 0: x1 should be 1, yours is 9. That is before the first step: the start itself must not change."),
        (1, 1, "step 1: x2 should be -1, yours is 9. They part at the very first step."),
        (3, 0, "step 3: x1 should be 0.125, yours is 9. You agree up to step 2."),
    ],
)
def test_the_first_step_at_which_two_paths_differ_is_reported(step, place, words):
    assert says(compare.same_path, changed(step, place, 9.0), PATH, what="GD (eta=0.5)") == f"GD (eta=0.5), {words}"


def test_parameters_can_have_names():
    assert "w should be 1" in says(compare.same_path, changed(0, 0, 2.0), PATH, what="GD", names=["w", "b"])


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "1", {"object": "Tensor"}])
def test_a_value_that_is_not_finite_makes_the_paths_differ(value):
    assert "step 2: x1" in says(compare.same_path, changed(2, 0, value), PATH, what="GD")


def test_several_references_accept_any_of_them():
    compare.same_path(PATH, changed(1, 0, 7.0), PATH, what="Adagrad")


def test_the_message_is_about_the_reference_that_agrees_longest():
    text = says(compare.same_path, changed(3, 0, 9.0), changed(1, 0, 7.0), PATH, changed(2, 0, 7.0), what="Adagrad")
    assert "step 3: x1 should be 0.125" in text


@pytest.mark.parametrize("yours", [PATH[:2], [*PATH, [0.0, 0.0]], []])
def test_a_path_of_another_length_is_reported(yours):
    text = says(compare.same_path, yours, PATH, what="GD")
    assert text == f"GD: the path should have 4 points, the start included; yours {len(yours)}."


@pytest.mark.parametrize("rows", [[[1.0], [0.5], [0.25], [0.125]], [[], [], [], []]])
def test_a_path_with_too_few_parameters_is_reported(rows):
    assert "None" in says(compare.same_path, rows, PATH, what="GD")


def test_a_path_with_too_many_parameters_is_reported():
    says(compare.same_path, [[*row, 0.0] for row in PATH], PATH, what="GD")


@pytest.mark.parametrize("yours", [None, 3.0, [1.0, 2.0], {"object": "T"}])
def test_an_answer_that_is_not_a_path_is_reported(yours):
    assert "no path came back" in says(compare.same_path, yours, PATH, what="GD")


def test_rounding_near_a_zero_crossing_is_no_difference():
    reference = [[1e6], [1e-9], [-1e6]]
    compare.same_path([[1e6], [3e-9], [-1e6]], reference, what="GD")


def test_a_path_that_goes_to_infinity_must_go_there():
    reference = [[1.0], [math.inf], [math.inf]]
    compare.same_path([[1.0], [math.inf], [math.inf]], reference, what="GD")
    for yours in ([[1.0], [5.0], [math.inf]], [[1.0], [-math.inf], [math.inf]], [[1.0], [math.nan], [math.inf]]):
        assert "step 1: x1 should be inf" in says(compare.same_path, yours, reference, what="GD")


def test_the_rows_show_the_steps_around_the_first_difference():
    with pytest.raises(Mismatch) as caught:
        compare.same_path(changed(2, 1, 9.0), PATH, what="GD")
    assert [row[0] for row in caught.value.rows] == [f"step {s}, x{i}" for s in (1, 2, 3) for i in (1, 2)]
    assert ("step 2, x2", 9.0, -0.5) in caught.value.rows


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.3333333"),
        (4.0, "4"),
        (math.nan, "nan"),
        (None, "None (is a `return` missing?)"),
        ({"object": "Tensor"}, "an object of type Tensor"),
        ("min", "'min'"),
        ("x" * 200, "'" + "x" * 76 + "..."),
    ],
)
def test_values_are_shown_as_a_student_would_write_them(value, text):
    assert compare.show(value) == text


def test_two_different_values_never_look_the_same():
    text = says(compare.same_number, 0.1234567891, 0.1234567892, "x")
    yours, expected = text.split("yours is ")[1].rstrip("."), text.split("should be ")[1].split(",")[0]
    assert yours != expected


@pytest.mark.parametrize(("yours", "expected"), [(6, 6.0), (6.004, 6.0), (0.0999999, 0.1), ("x2", "x2")])
def test_an_answer_rounded_to_three_digits_passes(yours, expected):
    compare.same_answer(yours, expected, "answer", "")


@pytest.mark.parametrize(
    ("yours", "expected"), [(6.01, 6.0), (0.0, 6.0), (None, 6.0), ([6.0], 6.0), ("6", 6.0), ("x1", "x2"), (2.0, "x2")]
)
def test_a_wrong_answer_gets_the_method_and_not_the_answer(yours, expected):
    with pytest.raises(Mismatch, match=r"`answer` should not be .*\. Look at the sum\.$"):
        compare.same_answer(yours, expected, "answer", "Look at the sum.")


def neighbors() -> list[tuple[object, object]]:
    """Pairs of different values that look alike: neighboring floats of any size, float32, other types, long lists."""
    rng = np.random.default_rng(19)
    sizes = [1.0, 5e-324, 1e-310, 1e-12, 1e300, *(10.0 ** rng.uniform(-300, 300, 40))]
    numbers = [float(size * rng.choice([-1, 1])) for size in sizes]
    pairs: list[tuple[object, object]] = [(x, float(np.nextafter(x, np.inf))) for x in numbers]
    pairs += [(float(np.float32(x)), x) for x in (0.1, 1 / 3, 1e-40, 16777217.0)]
    pairs += [(2**53 + 1, float(2**53)), (3, float(np.nextafter(3, 4))), (float(np.nextafter(3, 4)), 3)]
    pairs += [(math.inf, 1.7e308), (-math.inf, math.inf), (math.nan, 1.0), (math.nan, math.inf), (0.0, 5e-324)]
    rows = rng.normal(size=60).tolist()
    pairs += [([*rows[:i], float(np.nextafter(rows[i], 9)), *rows[i + 1 :]], rows) for i in (0, 30, 59)]
    return [*pairs, (rows[:-1], rows), ("1", 1), (True, 1), (1, 1.0), (1.0, 1), ("nan", math.nan), (None, "None")]


@pytest.mark.parametrize(("yours", "expected"), neighbors(), ids=lambda value: repr(value)[:40])
def test_different_values_never_look_alike(yours, expected):
    mine, wanted = compare.both(yours, expected)
    said = f"should be {wanted}, yours is {mine}"
    assert mine != wanted
    assert max(len(mine), len(wanted)) <= 2 * compare.LONGEST
    if not isinstance(yours, list):
        assert said in says(compare.same_value, yours, expected, "x")
    if isinstance(yours, float) and isinstance(expected, float):
        assert said in says(compare.same_number, yours, expected, "x", rtol=0.0, atol=0.0)
        if math.isfinite(expected):
            path = [[1.0], [expected]]
            assert said in says(compare.same_path, [[1.0], [yours]], path, what="Momentum", rtol=0.0, atol=0.0)
