"""Which workers grade: what a machine must have, and what it is told when it lacks that."""

import pytest

from grading.cluster import worker
from grading.cluster.worker import CourseOnWorker
from grading.course.folder import Course, CourseError
from grading.run import parcel


@pytest.fixture
def plugin(tiny: Course) -> CourseOnWorker:
    files = parcel.course_files(tiny.root, ["averages"])
    return CourseOnWorker(files, parcel.settings(tiny.config), ["averages"])


def prepare(plugin: CourseOnWorker) -> None:
    import contextlib

    with contextlib.ExitStack() as stack:
        plugin._open = stack
        plugin._prepare(1)


@pytest.mark.parametrize("name", ["Python", "torch", "numpy", "nbgrader", "the grading package"])
def test_another_version_is_refused_with_both_named(plugin: CourseOnWorker, name: str):
    plugin.versions = {**plugin.versions, name: "1.2.3"}
    with pytest.raises(CourseError, match=rf"another version: {name} .+ here and 1\.2\.3 at the grader"):
        prepare(plugin)


def test_a_course_that_arrived_otherwise_is_refused(plugin: CourseOnWorker):
    plugin.files = {**plugin.files, "mistakes/averages.toml": b"# another"}
    with pytest.raises(CourseError, match="did not arrive as it was sent"):
        prepare(plugin)


def test_no_grader_turns_isolation_off_on_another_machine(plugin: CourseOnWorker, monkeypatch):
    monkeypatch.delenv("SANDBOX", raising=False)
    plugin.settings["Execute"]["sandbox"] = "none"
    with pytest.raises(CourseError, match="SANDBOX=none, and this worker was started without it"):
        prepare(plugin)


def test_the_versions_name_the_grader_itself():
    assert worker.versions()["the grading package"].endswith(")") and worker.versions()["torch"]
