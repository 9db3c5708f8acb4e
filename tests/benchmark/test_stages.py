"""Where processor time goes: every stage costs something, and all of them more than the floor."""

from dataclasses import asdict

import pytest

from grading.authoring.release import release
from grading.authoring.sample_class import SampleStudent, hand_in, prepare
from grading.benchmark.stages import measure_stages
from grading.course.folder import Course
from tests.conftest import ROOT


@pytest.mark.slow
def test_every_stage_of_a_class_is_measured(tmp_path):
    course = prepare(Course(ROOT), tmp_path / "course")
    release(course, "optimizers")
    hand_in(course, "optimizers", [SampleStudent("ada", ()), SampleStudent("bo", ("adam_swaps_betas",))])
    stages = measure_stages(course, "optimizers")
    assert all(seconds > 0 for seconds in asdict(stages).values()), stages
    assert stages.total > stages.floor


def test_a_class_that_cannot_be_measured_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"stages .* failed"):
        measure_stages(Course(tmp_path), "averages")
