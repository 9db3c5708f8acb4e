"""One lock, and all that is made from it."""

import re
import shutil
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from grading.authoring import lock
from grading.cli.main import main
from grading.course.errors import CourseError
from grading.course.folder import Course
from tests.conftest import ROOT

STUDENT = ("jupyterlab", "matplotlib", "numpy", "plotly", "torch")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A folder with the course's own pyproject.toml, lock and environment."""
    for name in ("pyproject.toml", "requirements.lock", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return Course(tmp_path)


def change(course: Course, name: str, old: str, new: str) -> None:
    path = course.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_committed_files_agree():
    assert lock.check_lock(Course(ROOT)) == []


def needed(names: list[str]) -> set[str]:
    """All packages that these need in this environment, as their metadata say."""
    seen: set[str] = set()
    waiting = [(Requirement(name).name, Requirement(name).extras) for name in names]
    while waiting:
        name, extras = waiting.pop()
        seen.add(canonicalize_name(name))
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # an instructor's own environment may lack a tool
            continue
        for line in lines:
            other = Requirement(line)
            wanted = other.marker is None or any(other.marker.evaluate({"extra": e}) for e in ("", *extras))
            if wanted and canonicalize_name(other.name) not in seen:
                waiting.append((other.name, other.extras))
    return seen


def test_the_lock_contains_every_package_transitively():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [line for group in pyproject["dependency-groups"].values() for line in group if isinstance(line, str)]
    direct = [
        line
        for line in (*pyproject["project"]["dependencies"], *groups)
        if Requirement(line).marker is None or Requirement(line).marker.evaluate()
    ]
    assert len(needed(direct)) > 100
    assert needed(direct) <= set(lock.read_lock(Course(ROOT)))


def test_the_lock_names_no_local_path_and_no_build():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"://|--\w|/(home|opt|root|tmp|usr)/| @ |\+", text) is None


def test_students_get_the_versions_of_the_lock_and_no_cuda(course):
    pins, lines = lock.read_lock(course), lock.requirements_txt(course).splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in lines
    assert [line for line in lines if "==" in line] == [str(pin) for name in STUDENT for pin in pins[name]]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert conda["channels"] == ["conda-forge"]
    names = [line.partition("=")[0] for line in conda["dependencies"]]
    assert names == ["python", "jupyterlab", "matplotlib-base", "numpy", "plotly", "pytorch"]
    version, build = re.fullmatch(r"pytorch=([\d.]+)\.\*=(.*)", conda["dependencies"][-1]).groups()
    assert str(pins["torch"][0]).startswith(f"torch=={version}.") and build == "cpu*"


def test_where_the_version_depends_on_python_conda_gets_the_one_of_its_python(course):
    pin = next(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("numpy=="))
    both = "numpy==8.1.2 ; python_full_version < '3.12'\nnumpy==9.1.2 ; python_full_version >= '3.12'"
    change(course, "requirements.lock", pin, both)
    assert "  - numpy=8.1\n" in lock.environment_yml(course)
    assert [line.split(";")[0] for line in lock.requirements_txt(course).splitlines() if "numpy" in line] == [
        "numpy==8.1.2",
        "numpy==9.1.2",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("requirements.lock", "\nrich==", "\nrich==1", r"has rich 115.*, and pyproject.toml wants rich"),
        ("requirements.lock", "\nmypy==", "\nmypie==", "lacks mypy"),
        ("requirements.lock", "\nrich==", "\nrich>=", "should pin one version"),
        ("requirements.lock", "\nrich==", "\nrich is ", "should be like numpy=="),
        ("requirements.lock", "\nnumpy==", "\nnumpty==", "lacks numpy"),
        ("requirements.lock", "\nplotly==7", "\nplotly==7.98\n#", "environment.yml: differs"),
        ("environment.yml", "numpy=", "numpy=1", "environment.yml: differs"),
        ("pyproject.toml", "student = ", "pupil = ", "no dependency group `student`"),
    ],
)
def test_a_file_that_differs_from_the_lock_is_reported_with_the_remedy(course, name, old, new, words):
    assert lock.check_lock(course) == []
    change(course, name, old, new)
    assert re.search(words, "\n".join(lock.check_lock(course)))


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml"])
def test_a_missing_file_is_reported(course, name):
    (course.root / name).unlink()
    assert [fault for fault in lock.check_lock(course) if name in fault and "make lock" in fault]


def test_a_course_folder_without_a_pyproject_has_nothing_to_compare(tmp_path):
    assert lock.check_lock(Course(tmp_path)) == []
    with pytest.raises(CourseError, match="make lock"):
        lock.requirements_txt(Course(tmp_path))


def test_the_command_rewrites_the_environment(course):
    change(course, "environment.yml", "numpy=", "numpy=1")
    assert CliRunner().invoke(main, ["--root", str(course.root), "lock"]).output == "environment.yml: written\n"
    assert lock.check_lock(course) == []
