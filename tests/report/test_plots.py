"""The plots of the report."""

import pytest

from grading.report import plots


@pytest.mark.parametrize(("points", "step"), [([], 1), ([26.0] * 2 + [3.0], 1), ([26.0] * 13 + [3.0] * 9, 3)])
def test_the_axis_of_students_has_few_whole_numbers(points, step):
    assert plots.scores(points, 26.0).layout.yaxis.dtick == step
