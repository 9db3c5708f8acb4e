"""What winnowing promises: a long enough shared run has a shared fingerprint, and few grams are kept."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.similarity.winnowing import grams, winnow

K, WINDOW = 5, 4


def prints(tokens: list[str]) -> set[int]:
    hashes = grams(tokens, K)
    return {int(hashes[place]) for place in winnow(hashes, WINDOW)}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=K + WINDOW - 1, max_size=30), st.integers(0, 2**32))
def test_a_shared_run_of_window_and_gram_has_a_shared_fingerprint(shared, seed):
    rng = random.Random(seed)
    one, other = ([*rng.choices("stuv", k=20), *shared, *rng.choices("wxyz", k=20)] for _ in range(2))
    assert prints(one) & prints(other)


def test_text_shorter_than_a_gram_has_no_fingerprint():
    assert len(grams(["a"] * (K - 1), K)) == 0 and len(winnow(grams(["a"] * (K - 1), K), WINDOW)) == 0


def test_grams_are_equal_exactly_where_the_tokens_are():
    tokens = ["a", "b", "c", "d", "e", "f", "a", "b", "c", "d", "e"]
    hashes = grams(tokens, K)
    assert len(hashes) == 7 and hashes[0] == hashes[6] and len(np.unique(hashes)) == 6


def test_hashes_are_the_same_in_every_run_of_python():
    assert int(grams(list("abcde"), K)[0]) == 16049445647987393684


def test_about_two_in_five_grams_are_kept():
    hashes = grams([str(number) for number in range(5000)], K)
    kept = len(winnow(hashes, WINDOW)) / len(hashes)
    assert 0.35 < kept < 0.45  # the density of winnowing is 2 / (window + 1)
