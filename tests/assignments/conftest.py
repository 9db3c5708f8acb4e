"""The real course, copied to a folder of its own and released there."""

from pathlib import Path

import pytest

from grading.authoring.release import release
from grading.authoring.sample_class import prepare
from grading.course.folder import Course
from tests.conftest import ROOT, once

ASSIGNMENTS = Course(ROOT).assignments


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Course:
    """A copy of the course with a gradebook of its own; all assignments are released in it."""

    def make(folder: Path) -> None:
        copy = prepare(Course(ROOT), folder / "course")
        for name in copy.assignments:
            release(copy, name)

    folder, _ = once(tmp_path_factory, "class", make)
    return Course(folder / "course")
