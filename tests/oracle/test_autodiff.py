"""The references of mini-torch."""

import math

import numpy as np
import pytest

from grading.oracle import autodiff
from grading.probe import autodiff as probe


def test_references_depend_on_values_program_and_losses():
    square = [["*", 0, 0]]
    assert autodiff.torch_differentiate([3.0], square) == {"value": 9.0, "gradients": [6.0]}
    assert autodiff.torch_differentiate([4.0], square)["gradients"] == [8.0]
    assert autodiff.torch_differentiate([3.0], square, losses=[0])["gradients"] == [1.0]


@pytest.mark.parametrize("make", [autodiff.random_program, autodiff.random_layers, autodiff.random_tree])
def test_programs_depend_on_their_generator(make):
    def case(seed: int) -> list:
        return autodiff.cases(np.random.default_rng(seed), make, (4, 6), (2, 6))

    assert case(1) == case(1) != case(2)


def test_the_gradients_of_a_web_are_torchs():
    values, steps = autodiff.web(np.random.default_rng(3), 8, 7)
    assert len(steps) == 2 * 8 * 7 + 7
    right = autodiff.torch_differentiate(values, steps)["gradients"]
    assert autodiff.reverse_mode(values, steps) == pytest.approx(right, rel=1e-12)
    assert len({round(gradient, 6) for gradient in right}) > 12, "the columns' gradients differ"


UNIT = 0.0005  # seconds; much more than the grader's own time for an operation


@pytest.fixture
def unit(monkeypatch):
    """The grader's own gradients take so long for each operation: these numbers need not be measured."""
    monkeypatch.setattr(autodiff, "_seconds", lambda values, steps: UNIT * len(steps))


@pytest.mark.parametrize(
    ("each", "more", "linear"),
    [
        (13, 0, True),
        (100, 0, True),  # slow, and yet linear
        (200, 0, False),
        (13, 0.03, False),
        (0, 0.015, False),
    ],
)
def test_time_that_grows_linearly(unit, each, more, linear):
    """An operation among n takes `each + more * n` units."""

    def measure(values: list, steps: list, gradients: list) -> float:
        return UNIT * (each + more * len(steps)) * len(steps)

    assert autodiff.grows_linearly(np.random.default_rng(0), measure) is linear


def test_where_no_time_can_be_measured_the_answers_count(unit):
    assert autodiff.grows_linearly(np.random.default_rng(0), lambda values, steps, gradients: None)


def test_a_busy_machine_costs_nothing(unit):
    """The shortest of several measurements counts."""
    measured = iter([110, 2000, 59])
    rng = np.random.default_rng(0)
    assert autodiff.grows_linearly(rng, lambda values, steps, gradients: next(measured) * UNIT * len(steps))
    assert next(measured, None) is None


def test_local_derivatives_cover_the_ways_to_write_an_operator():
    rows = autodiff.slopes([3.0, 4.0], [["-", 0, 1], ["/", 0, 1], ["**", 0, {"number": 2}]])
    assert ["Add", [3.0, -4.0], [1.0, 1.0]] in rows
    assert ["Mul", [3.0, 0.25], [0.25, 3.0]] in rows
    assert ["Pow", [4.0, -1.0], [-0.0625, 0.0]] in rows
    assert ["Pow", [3.0, 2.0], [6.0, 0.0]] in rows


def test_stand_ins_are_found_by_values_that_differ_in_the_last_digit():
    value = 1.135**3  # 1.462135375: its last bit decides how nine digits are rounded
    below, above = (f"{math.nextafter(value, toward):.9g}" for toward in (1.0, 2.0))
    assert below != above
    known = set(probe._keys("Mul", [value, 2.0]))
    for other in (math.nextafter(value, 1.0), math.nextafter(value, 2.0)):
        assert probe._key("Mul", [other, 2.0]) in known
    assert probe._key("Mul", [value * 1.0001, 2.0]) not in known
