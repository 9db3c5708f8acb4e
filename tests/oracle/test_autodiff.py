"""The references of mini-torch."""

import pytest

from grading.oracle import autodiff


def test_references_are_computed_once_for_each_program():
    square = [["*", 0, 0]]
    first = autodiff.torch_differentiate([3.0], square)
    assert autodiff.torch_differentiate([3.0], square) is first
    assert first == {"value": 9.0, "gradients": [6.0]}
    assert autodiff.torch_differentiate([4.0], square)["gradients"] == [8.0]
    assert autodiff.torch_differentiate([3.0], square, losses=[0])["gradients"] == [1.0]


@pytest.mark.parametrize("make", [autodiff.random_program, autodiff.random_layers, autodiff.random_tree])
def test_programs_depend_on_their_seed(make):
    values = autodiff.random_values(0, 4)
    assert make(1, values, 6) == make(1, values, 6) != make(2, values, 6)
