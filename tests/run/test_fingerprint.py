"""What decides a grade is in the fingerprint, and nothing else."""

import shutil
from pathlib import Path

import pytest

import grading
from grading.course.folder import Course
from grading.run import fingerprint


@pytest.fixture
def grader(tmp_path, monkeypatch) -> Path:
    """A copy of the grader's files that may be changed."""
    copy = shutil.copytree(Path(grading.__file__).parent, tmp_path / "grading")
    monkeypatch.setattr(grading, "__file__", str(copy / "__init__.py"))
    return copy


@pytest.mark.parametrize(
    "name",
    [
        *("oracle/compare.py", "probe/core.py", "execution/execute.py", "kernels/channel.py", "sandbox/watchdog.py"),
        *("intake/restore.py", "gradebook/database.py", "course/notebooks.py", "run/conversion.py"),
        "run/sanitizing.py",
    ],
)
def test_a_changed_file_that_decides_grades_is_noticed(tiny, grader, name):
    before = fingerprint.of_course(tiny, "averages")
    (grader / name).write_text("# changed\n", encoding="utf-8")
    assert fingerprint.of_course(tiny, "averages") != before


@pytest.mark.parametrize(
    "name",
    [
        *("report/page.py", "report/feedback.py", "cli/grades.py", "lms/export.py", "templates/report.html.j2"),
        *("gradebook/late_penalties.py", "run/watch.py", "authoring/check.py"),
    ],
)
def test_a_changed_word_regrades_nobody(tiny, grader, name):
    before = fingerprint.of_course(tiny, "averages")
    (grader / name).write_text("# changed\n", encoding="utf-8")
    assert fingerprint.of_course(tiny, "averages") == before


@pytest.mark.parametrize(
    "name", ["source/averages/averages.ipynb", "release/averages/averages.ipynb", "mistakes/averages.toml"]
)
def test_a_changed_file_of_the_course_is_noticed(tiny, name):
    before = fingerprint.of_course(tiny, "averages")
    (tiny.root / name).write_text("changed", encoding="utf-8")
    assert fingerprint.of_course(tiny, "averages") != before


def test_only_settings_that_decide_grades_change_the_fingerprint(tiny):
    def now() -> str:
        return fingerprint.of_course(Course(tiny.root), "averages")

    path = tiny.root / "nbgrader_config.py"
    before, text = now(), path.read_text(encoding="utf-8")
    for line in (
        "c.LatePolicy.rule = 'no points'",
        "c.Execute.warm = False",
        "c.LmsExporter.missing = '0'",
        "# a word",
    ):
        path.write_text(f"{text}\n{line}\n", encoding="utf-8")
        assert now() == before, line
    for line in (
        "c.Execute.timeout = 7",
        "c.Autograde.sanitize_preprocessors = []",
        "c.OverwriteCells.enabled = False",
    ):
        path.write_text(f"{text}\n{line}\n", encoding="utf-8")
        assert now() != before, line


# Modules of grading/run that decide no grade. A new one has to be put here, or into `fingerprint.DECIDING`.
SHOWING = {"__init__.py", "attempts.py", "fair_queue.py", "fingerprint.py", "inbox.py", "preparation.py"}
SHOWING |= {"regrade.py", "watch.py"}


def test_every_module_that_runs_a_class_is_listed_as_deciding_grades_or_not():
    there = {path.name for path in (Path(grading.__file__).parent / "run").glob("*.py")}
    deciding = {Path(name).name for name in fingerprint.DECIDING if name.startswith("run/")}
    assert there == SHOWING | deciding and not SHOWING & deciding


def test_every_listed_file_exists():
    inside = Path(grading.__file__).parent
    assert all((inside / name).exists() for name in fingerprint.DECIDING)
