"""Notebooks damaged at random: each is either refused in plain words or restored to the structure of the release."""

import copy
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook.database import ClassGradebook
from grading.intake.submission import SubmissionError, find
from grading.run.conversion import Converter

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["cells", "metadata", "nbformat", "nbformat_minor", "cell_type", "source", "outputs", "id"]) | (
    st.sampled_from(["nbgrader", "grade_id", "points", "grade", "locked", "solution", "schema_version", "kernelspec"])
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, released):
    """A released course with one submission, and its open gradebook."""
    course = Course(Path(shutil.copytree(released, tmp_path_factory.mktemp("fuzz") / "course")))
    path = course.root / "submitted" / "ada" / "averages" / "averages.ipynb"
    path.parent.mkdir(parents=True)
    text = (course.root / "release" / "averages" / "averages.ipynb").read_text(encoding="utf-8")
    with course.entered(), ClassGradebook(course) as gradebook:
        yield course, gradebook, path, json.loads(text)


def places(data: object) -> list[tuple[object, object]]:
    """Every (container, key or index) in JSON data."""
    found, todo = [], [data]
    while todo:
        container = todo.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in items:
            found.append((container, key))
            if isinstance(value, (dict, list)):
                todo.append(value)
    return found


@st.composite
def damage(draw):
    """A function that damages a notebook's JSON in one way."""
    kind = draw(st.sampled_from(["replace", "delete", "insert", "repeat", "swap"]))
    where, value, key = draw(st.integers(0, 10**6)), draw(JUNK), draw(KEYS)

    def apply(notebook: dict) -> None:
        known = places(notebook)
        if not known:
            return
        container, at = known[where % len(known)]
        if kind == "replace":
            container[at] = value
        elif kind == "delete":
            del container[at]
        elif kind == "insert" and isinstance(container, dict):
            container[key] = value
        elif kind == "repeat" and isinstance(container, list):
            container.insert(0, copy.deepcopy(container[at]))
        elif kind == "swap" and isinstance(container, list):
            container.reverse()

    return apply


def text_of(draw_damage: list, notebook: dict) -> str:
    notebook = copy.deepcopy(notebook)
    for apply in draw_damage:
        apply(notebook)
    return json.dumps(notebook)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(damages=st.lists(damage(), min_size=1, max_size=4))
def test_any_change_of_the_json_is_read_or_refused_with_a_message(desk, damages):
    course, gradebook, path, notebook = desk
    path.write_text(text_of(damages, notebook), encoding="utf-8")
    check(course, gradebook)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(cut=st.integers(0, 10_000), junk=st.binary(max_size=20), skip=st.integers(0, 200))
def test_any_change_of_the_bytes_is_read_or_refused_with_a_message(desk, cut, junk, skip):
    course, gradebook, path, notebook = desk
    data = json.dumps(notebook).encode()
    at = cut % len(data)
    path.write_bytes(data[:at] + junk + data[at + skip :])
    check(course, gradebook)


def check(course: Course, gradebook: ClassGradebook) -> None:
    """The submission is refused with a reason, or sanitized to tests, points and order of the release."""
    submission = find(course, "averages")[0]
    try:
        sanitized = Converter(course, submission, gradebook, "", True).sanitize().notebook
    except SubmissionError as error:
        assert error.state == "notebook_unreadable" and str(error).startswith(str(submission.folder))
        return
    source = notebooks.by_id(notebooks.read(course.source("averages")))
    cells = notebooks.by_id(sanitized)
    assert list(cells) == list(source)
    for name, cell in cells.items():
        assert notebooks.kind(cell) == notebooks.kind(source[name])
        if notebooks.kind(cell) == "test":
            assert cell.source == source[name].source and cell.cell_type == "code"
            assert notebooks.points(cell) == notebooks.points(source[name])
