"""The same submissions with otter-grader, in an environment of its own: its JupyterLab extensions stay out of ours."""

import json
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

from grading.benchmark.measure import Cost, measure
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course

TEST_FILE = """OK_FORMAT = False

from otter.test_files import test_case

name = {name!r}
points = {points}


@test_case()
def test(env):
    exec({source!r}, env)
"""


def install(course: Course) -> Path:
    """Create build/otter, with otter-grader over the packages of this environment, or use the one that is there.

    Returns:
        Its Python.

    Raises:
        CourseError: the installation failed; the message holds pip's last line.
    """
    folder = course.root / "build" / "otter"
    python = folder / "bin" / "python"
    if list(folder.glob("lib/python*/site-packages/otter")):
        return python
    venv.create(folder, clear=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (site / "course.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    group = ["--constraint", "requirements.lock", "--group", "benchmark"]
    result = subprocess.run([*pip, *group], cwd=course.root, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise CourseError(f"otter-grader could not be installed in {folder}: {last}")
    return python


def measure_otter(python: Path, course: Course, assignment: str, students: list[str]) -> Cost:
    """What `otter run` takes for the submissions of some students, one after another.

    Otter runs each notebook as it was handed in, then the visible part of every test cell. The hidden parts need this
    project's kernels, so otter has less to do.

    Args:
        python: of `install`.
        course: released, and the students have handed in.

    Raises:
        RuntimeError: a command failed, or otter has no result for a test.
    """
    folder = course.root / "otter"
    tests = _write_tests(course, assignment, folder / "tests")
    archive, otter = folder / "autograder.zip", [str(python), "-m", "otter"]
    measure([*otter, "generate", "-t", str(folder / "tests"), "-o", str(archive), "--no-environment"], folder)
    costs = []
    for student in students:
        handed_in = course.root / "submitted" / student / assignment
        submission = shutil.make_archive(str(folder / student), "zip", handed_in)
        costs.append(measure([*otter, "run", "--no-logo", "-a", str(archive), "-o", str(folder), submission], folder))
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        if missing := sorted(tests - {one["name"] for one in results["tests"]}):
            raise RuntimeError(f"otter run has no result of {student} for {', '.join(missing)}.")
    return Cost(sum(one.wall for one in costs), sum(one.cpu for one in costs), max(one.memory for one in costs))


def _write_tests(course: Course, assignment: str, folder: Path) -> set[str]:
    """One file for each test cell, in otter's format of tests that raise. Returns their names."""
    folder.mkdir(parents=True)
    names = set()
    for name, cell in notebooks.by_id(notebooks.read(course.source(assignment))).items():
        if notebooks.kind(cell) == "test" and not notebooks.by_hand(cell):
            visible, _ = notebooks.split_hidden(cell.source)
            text = TEST_FILE.format(name=name, points=notebooks.points(cell), source=visible)
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
            names.add(name)
    return names
