"""Workers: where a part of the course is missing, nothing is executed and nothing graded."""

import shutil
from pathlib import Path

import pytest
from traitlets.config import Config

from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.run.pool import execute


@pytest.mark.parametrize("missing", ["", "source", "release", "mistakes"])
def test_an_incomplete_course_is_not_executed(tiny: Course, tmp_path: Path, monkeypatch, missing: str):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")  # `execute` sets it
    root = tmp_path / "worker"
    root.mkdir()
    for name in ("source", "release", "mistakes"):
        if missing and name != missing:
            shutil.copytree(tiny.root / name, root / name)
    notebook = notebooks.read(tiny.root / "release" / "averages" / "averages.ipynb")
    names = {"assignment": "averages", "notebook": "averages", "student": "ada", "inputs": 0}
    config = Config({"CourseDirectory": {"root": str(root)}})
    with pytest.raises(CourseError, match=f"Nothing is graded: there is no .*{missing}"):
        execute(notebook, {"nbgrader": names, "metadata": {"path": str(tmp_path)}}, config, str(root))
    assert all(not cell.get("outputs") for cell in notebook.cells)
