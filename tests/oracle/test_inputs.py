"""The inputs of hidden tests: the same for the same key, others for another."""

import numpy as np

from grading.oracle import inputs


def numbers(rng: np.random.Generator, n: int) -> list[float]:
    return rng.uniform(size=n).tolist()


def test_a_key_depends_on_every_part_and_on_their_boundaries():
    keys = {
        inputs.key(*parts)
        for parts in [
            (b"secret", "ada", "optimizers", b"1"),
            (b"other", "ada", "optimizers", b"1"),
            (b"secret", "bob", "optimizers", b"1"),
            (b"secret", "ada", "training", b"1"),
            (b"secret", "ada", "optimizers", b"2"),
            (b"secreta", "da", "optimizers", b"1"),
        ]
    }
    assert len(keys) == 6
    assert inputs.key(b"secret", "ada", "optimizers", b"1") in keys


def test_the_same_key_draws_the_same():
    key = inputs.key(b"secret", "ada", "optimizers", b"1")
    with inputs.drawn_by(key):
        first = inputs.rng("adam").uniform(size=3).tolist()
    with inputs.drawn_by(key):
        assert inputs.rng("adam").uniform(size=3).tolist() == first
        assert inputs.rng("momentum").uniform(size=3).tolist() != first


def test_keys_spread_over_the_pool_and_each_name_has_a_set_of_its_own():
    chosen = []
    for number in range(2000):
        with inputs.drawn_by(inputs.key(b"secret", f"student {number}", "optimizers", b"1")):
            chosen.append((inputs.chosen("adam"), inputs.chosen("momentum")))
    adam, momentum = zip(*chosen, strict=True)
    assert set(adam) == set(momentum) == set(range(inputs.POOL))
    assert sum(a == m for a, m in chosen) < 100


def test_draw_computes_each_set_once():
    with inputs.drawn_by(3):
        one = inputs.draw("numbers", numbers, 4)
        assert inputs.draw("numbers", numbers, 4) is one
        assert inputs.draw("numbers", numbers, 5) is not one
    with inputs.drawn_by(4):
        assert inputs.draw("numbers", numbers, 4) != one


def test_outside_a_with_block_the_first_set_is_drawn():
    with inputs.drawn_by(0):
        expected = inputs.rng("adam").uniform()
    assert inputs.rng("adam").uniform() == expected
