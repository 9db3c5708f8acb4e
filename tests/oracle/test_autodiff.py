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


def test_slopes_cover_the_ways_to_write_an_operator():
    rows = autodiff.slopes([3.0, 4.0], [["-", 0, 1], ["/", 0, 1], ["**", 0, {"number": 2}]])
    assert ["Add", [3.0, -4.0], [1.0, 1.0]] in rows
    assert ["Mul", [3.0, 0.25], [0.25, 3.0]] in rows
    assert ["Pow", [4.0, -1.0], [-0.0625, 0.0]] in rows
    assert ["Pow", [3.0, 2.0], [6.0, 0.0]] in rows


def test_stand_ins_are_found_by_values_that_differ_in_the_last_digit():
    value = 1.135**3  # 1.462135375: its last bit decides how nine digits are rounded
    below, above = (f"{math.nextafter(value, towards):.9g}" for towards in (1.0, 2.0))
    assert below != above
    known = set(probe._keys("Mul", [value, 2.0]))
    for other in (math.nextafter(value, 1.0), math.nextafter(value, 2.0)):
        assert probe._key("Mul", [other, 2.0]) in known
    assert probe._key("Mul", [value * 1.0001, 2.0]) not in known
