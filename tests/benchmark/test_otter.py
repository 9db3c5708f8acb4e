"""otter-grader gets the same submissions, with the visible part of each test."""

import json

import pytest

from grading.benchmark.otter import install, measure_otter
from grading.course.errors import CourseError
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, ROOT, Course, submit


@pytest.mark.slow
def test_otter_runs_the_visible_tests_of_each_submission(tiny):
    submit(tiny, "ada", DROPS_THE_SIGN)
    submit(tiny, "bob", FORGETS_TO_DIVIDE)
    try:
        python = install(Course(ROOT))
    except CourseError as error:  # no network
        pytest.skip(str(error))
    cost = measure_otter(python, tiny, "averages", ["ada", "bob"])
    assert cost.cpu > 0 and cost.wall > 0 and cost.memory > 2**20
    last = json.loads((tiny.root / "otter" / "results.json").read_text(encoding="utf-8"))["tests"]
    scores = {one["name"]: one["score"] for one in last if one["name"].startswith("test_")}
    assert scores == {"test_mean": 0, "test_mean_negative": 1}, "its second test has no visible part"
