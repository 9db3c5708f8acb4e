"""Installed from a wheel in an environment of its own, or in editable form: no submission finds the oracle."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import RIGHT, ROOT, submit

# Looks through everything that can be read for the package: by name, and by a line that only the oracle has.
LOOKS = """
import os, sys
line, found = ("def torch_" + "path(").encode(), []
for root in {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), "/usr/lib/python3", "/submission", *sys.path}:
    for folder, folders, files in os.walk(root):
        if os.path.basename(folder) == "grading":
            found += [os.path.join(folder, name) for name in files + folders]
        if "torch" in folders:  # there are thousands
            folders.remove("torch")
        for path in [os.path.join(folder, name) for name in files if name.startswith("optimizers")]:
            found += [path] if line in open(path, "rb").read() else []
for name in ("grading.oracle", "grading.execution.execute", "grading"):
    try:
        module = __import__(name, fromlist=["x"])
        found += [module.__file__] if getattr(module, "__file__", None) else []
    except ImportError:
        pass
print(sorted(set(found)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("warm", ["no", "yes"])
@pytest.mark.parametrize("kind", ["wheel", "wheel behind a link", "editable"])
def test_a_submission_finds_no_file_of_the_package(tiny: Course, request, tmp_path: Path, kind: str, warm: str):
    python = Path(sys.executable)
    if kind != "editable":
        python = request.getfixturevalue("installed")
    if kind == "wheel behind a link":
        (tmp_path / "link").symlink_to(python.parents[2])
        python = tmp_path / "link" / "env" / "bin" / "python"
    where = [python, "-c", "import grading; print(grading.__file__)"]
    said = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.startswith(str(ROOT) if kind == "editable" else str(python.parents[1])), said
    submit(tiny, "ada", f"{LOOKS}\n{RIGHT}")
    line = [python, "-m", "grading", "grade", "--assignment", "averages", "--jobs", "1"]
    ended = subprocess.run(line, cwd=tiny.root, env={**os.environ, "WARM": warm}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    cell = notebooks.by_id(notebooks.read(tiny.root / "autograded" / "ada" / "averages" / "averages.ipynb"))["mean"]
    assert [output.get("text") for output in cell.outputs] == ["[]\n"], cell.outputs
