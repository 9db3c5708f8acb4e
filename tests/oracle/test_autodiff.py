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


def costs(of_each: float, extra: float = 0.0, waste: float = 0.0):
    """What a program costs, in units of the grader's time for an operation."""

    def measure(values: list, steps: list, gradients: list) -> float:
        n = len(steps)
        return UNIT * (of_each * n + extra * n * n + (waste * n if n < 1000 else 0.0))

    return measure


UNIT = 0.0005  # much more than the grader's own time for an operation: these numbers need not be measured


@pytest.mark.parametrize(
    ("cost", "linear"),
    [
        (costs(10), True),
        (costs(100), True),
        (costs(10, extra=0.0003), True),  # as long again: a cache that no longer fits
        (costs(10, extra=0.03), False),
        (costs(10, extra=0.03, waste=1000), False),
        (costs(300, waste=1000), False),
        (lambda values, steps, gradients: None, True),
    ],
)
def test_time_that_grows_linearly(monkeypatch, cost, linear):
    readings = iter(range(10**6))
    monkeypatch.setattr(autodiff.time, "thread_time", lambda: UNIT * 8127 * next(readings))
    assert autodiff.grows_linearly(np.random.default_rng(0), cost) is linear


def test_a_busy_machine_costs_nothing(monkeypatch):
    """The shortest of several measurements counts."""
    measured = iter([30, 40, 10, 35, 50, 155, 110, 11])
    monkeypatch.setattr(autodiff.time, "thread_time", iter(np.arange(0, 100) * UNIT * 8127).__next__)
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
