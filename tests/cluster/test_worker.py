"""Which workers grade: what a machine must have, and what it is told when it lacks that."""

import pytest

from grading.cluster import doctor, worker
from grading.cluster.worker import CourseOnWorker
from grading.course.errors import CourseError
from grading.course.folder import Course
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
def test_another_version_is_refused_and_both_are_named(plugin: CourseOnWorker, name: str):
    plugin.versions = {**plugin.versions, name: "1.2.3"}
    with pytest.raises(CourseError, match=rf"another version: {name} .+ here and 1\.2\.3 at the grader"):
        prepare(plugin)


def test_a_course_that_changed_on_the_way_is_refused(plugin: CourseOnWorker):
    plugin.files = {**plugin.files, "mistakes/averages.toml": b"# another"}
    with pytest.raises(CourseError, match="did not arrive as it was sent"):
        prepare(plugin)


def test_a_grader_cannot_turn_off_isolation_on_another_machine(plugin: CourseOnWorker, monkeypatch):
    monkeypatch.delenv("SANDBOX", raising=False)
    plugin.settings["Execute"]["sandbox"] = "none"
    with pytest.raises(CourseError, match="SANDBOX=none, and this worker was started without it"):
        prepare(plugin)


def test_the_versions_name_the_grader_itself():
    assert worker.versions()["the grading package"].endswith(")") and worker.versions()["torch"]


def test_the_doctor_treats_workers_replies_as_text():
    told = {**worker.versions(), "torch": "2\x1b[31m", "refusal": "no\nsandbox"}
    found = {"tls://a:1": told, "tls://b:1": {**worker.versions(), "threads": 4, "refusal": ""}, "tls://c:1": OSError()}
    table = doctor.table({name: doctor._checked(answer) for name, answer in found.items()})
    assert list(zip(*(column.cells for column in table.columns))) == [
        ("tls://a:1", "torch 2\\x1b[31m", "?", "?", "?", "no"),
        ("tls://b:1", "as here", "4", "?", "?", "yes"),
        ("tls://c:1", "?", "?", "?", "?", "no"),
    ]
    assert doctor._checked(OSError("lost")) == {"refusal": "it does not answer"}
    other = doctor._checked(AttributeError("module has no attribute 'examined'"))
    assert other["refusal"].startswith("another version of the grading package (AttributeError: module has no")
