"""Difficulty and discrimination."""

import numpy as np
import pytest

from grading.report import item_analysis

TOTALS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10.0])
STRONG_PASS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1.0])


def test_difficulty_is_the_mean_share_of_points():
    assert item_analysis.difficulty(np.array([0, 1, 2.0]), 2.0) == 0.5
    assert item_analysis.difficulty(np.array([]), 2.0) is None


def test_the_item_itself_is_taken_out_of_the_total():
    noise = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1.0])
    assert item_analysis.discrimination(noise, noise + 5 * STRONG_PASS) == pytest.approx(
        np.corrcoef(noise, STRONG_PASS)[0, 1]
    )


@pytest.mark.parametrize(
    ("points", "totals", "words"),
    [
        (STRONG_PASS, TOTALS + STRONG_PASS, "separates strong from weak students well"),
        (1 - STRONG_PASS, TOTALS, "weaker students do better"),
        (np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1.0]), TOTALS, "hardly"),
        (np.ones(10), TOTALS, "every student passes"),
        (np.zeros(10), TOTALS, "no student passes"),
        (STRONG_PASS[3:8], TOTALS[3:8], "too few students"),
        (STRONG_PASS, STRONG_PASS + 1, "all students are alike in the rest"),
        (np.array([]), np.array([]), "nobody has been graded"),
    ],
)
def test_the_analysis_is_put_into_words(points, totals, words):
    assert words in item_analysis.in_words(points, totals, 1.0)
