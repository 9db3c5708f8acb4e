"""What was handed in is read in a process with limits: a notebook that was made to take hours stops nobody."""

import json

import pytest
from nbformat.v4 import new_markdown_cell

from grading.course.folder import Course
from grading.execution.bounded import Bounded, LimitError
from grading.gradebook.database import ClassGradebook
from grading.intake.submission import Submission, find
from grading.run import sanitizing
from grading.run.conversion import Converter
from grading.run.grade import grade
from tests.conftest import RIGHT, submit

LONG = "![a](attachment:" * 500_000  # takes about ten seconds to look through


def takes_long(notebook) -> None:
    notebook.cells.append(new_markdown_cell(LONG))


def converter(course: Course, submission: Submission, gradebook: ClassGradebook) -> Converter:
    return Converter(course, submission, gradebook, "", True)


def test_a_separate_process_gives_the_same_result(tiny):
    path = submit(tiny, "ada", RIGHT, lambda notebook: notebook.cells.pop(2))
    (path.parent / "data.csv").write_text("1,2", encoding="utf-8")
    (path.parent / "link").symlink_to("/etc")
    submission = find(tiny, "averages")[0]
    with tiny.entered(), ClassGradebook(tiny) as gradebook, Bounded(20, sanitizing.MEMORY) as process:
        here, there = converter(tiny, submission, gradebook), converter(tiny, submission, gradebook)
        assert here.sanitize() == there.sanitize(process)
    assert here.submission.repairs == there.submission.repairs != []
    assert here.submission == there.submission and there.submission.attempt
    assert {file.name for file in there.draft.iterdir()} == {"data.csv"}


def test_a_submission_that_takes_too_long_fails_alone(tiny, pool, monkeypatch):
    monkeypatch.setattr(sanitizing, "SECONDS", 1.0)
    submit(tiny, "ada", RIGHT, takes_long)
    submit(tiny, "bob", RIGHT)
    ada, bob = grade(tiny, "averages", executor=pool)
    assert (ada.state, bob.state, bob.score) == ("not_gradable", "graded", 3)
    assert "it took more than 1 s" in ada.reason
    assert "Traceback" not in ada.reason
    assert sorted(path.name for path in (tiny.root / "autograded").glob("*/*")) == ["averages"]


def test_a_submission_that_takes_too_much_memory_is_reported(tiny):
    path = submit(tiny, "ada", RIGHT)
    path.write_text('{"cells": [], "more": [' + "[]," * 10_000_000 + "0]}", encoding="utf-8")
    with tiny.entered(), ClassGradebook(tiny) as gradebook, Bounded(20, 2**29) as process:
        hostile = converter(tiny, find(tiny, "averages")[0], gradebook)
        with pytest.raises(LimitError, match="more than 512 MiB of memory"):
            hostile.sanitize(process)


def test_a_fault_of_the_grader_keeps_its_traceback(tiny):
    submit(tiny, "ada", RIGHT)
    release = tiny.root / "release" / "averages" / "averages.ipynb"
    release.write_text(json.dumps({"cells": [{}], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    with tiny.entered(), ClassGradebook(tiny) as gradebook, Bounded(20, sanitizing.MEMORY) as process:
        unlucky = converter(tiny, find(tiny, "averages")[0], gradebook)
        with pytest.raises(Exception) as caught:
            unlucky.sanitize(process)
    assert "restore.py" in "\n".join(caught.value.__notes__)
