"""From hand-in to page, with the real watcher and nbgrader's own exchange folders."""

import pytest

from grading.authoring.release import release
from grading.authoring.sample_class import SampleStudent, prepare
from grading.benchmark.hand_in import measure_hand_in
from grading.course.folder import Course
from tests.conftest import ROOT


@pytest.mark.slow
def test_pages_come_for_one_after_another_and_for_a_rush(tmp_path):
    course = prepare(Course(ROOT), tmp_path / "course")
    release(course, "mini-torch")
    students = [SampleStudent(name, "solutions") for name in ("ada", "bo", "cy", "di")]
    said: list[str] = []
    found = measure_hand_in(course, "mini-torch", students, 1, said.append)
    assert len(found.alone) == 1 and found.rush == 2
    assert 0 < found.alone[0] < 60 and 0 < found.rush_seconds < 60 and found.memory > 2**27
    assert len(list((course.root / "exchange").rglob("*.html"))) == 4
