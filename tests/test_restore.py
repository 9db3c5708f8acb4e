"""Whatever a student did to a notebook's structure, the release's comes back, and the answers stay."""

import copy

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading import notebooks
from grading.restore import restored
from tests.conftest import cell


@pytest.fixture
def released():
    return [
        new_markdown_cell("# Averages", id="title"),
        cell("def mean(values): ...", "solution", "mean"),
        cell("assert mean([1])", "test", "test_mean", 2),
        cell("def median(values): ...", "solution", "median"),
        cell("assert median([1])", "test", "test_median", 1),
    ]


def ids(cells):
    return [notebooks.grade_id(one) for one in cells if notebooks.grade_id(one)]


NAMES = ["mean", "test_mean", "median", "test_median"]


def test_an_untouched_submission_needs_no_repair(released):
    cells, repairs = restored(copy.deepcopy(released), released)
    assert (ids(cells), repairs) == (NAMES, [])


def test_halves_of_characters_are_replaced(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = "def mean(values): return '\ud800'"
    submitted.append(new_markdown_cell("\udfff"))
    cells, repairs = restored(submitted, released)
    assert cells[1].source == "def mean(values): return '\ufffd'" and cells[-1].source == "\ufffd"
    assert repairs == [
        "halves of characters in mean were replaced by \ufffd",
        "halves of characters in cell 6 were replaced by \ufffd",
    ]


def test_a_deleted_cell_is_put_back(released):
    cells, repairs = restored(copy.deepcopy(released[:2] + released[3:]), released)
    assert ids(cells) == NAMES
    assert repairs == ["missing cells were put back: test_mean"]


def test_the_last_of_two_answers_counts(released):
    submitted = copy.deepcopy(released)
    second = cell("def mean(values): return 1", "solution", "mean")
    cells, repairs = restored([*submitted[:2], second, *submitted[2:]], released)
    assert ids(cells) == NAMES
    assert next(c.source for c in cells if notebooks.grade_id(c) == "mean") == second.source
    assert "twice" in repairs[0]


def test_changed_points_type_and_order_are_repaired_and_named(released):
    submitted = copy.deepcopy(released)
    submitted[2].metadata.nbgrader.points = 100
    submitted[4] = new_markdown_cell("mine", metadata=submitted[4].metadata)
    submitted[1], submitted[3] = submitted[3], submitted[1]
    cells, repairs = restored(submitted, released)
    assert ids(cells) == NAMES
    assert [notebooks.points(c) for c in cells if notebooks.kind(c) == "test"] == [2, 1]
    assert all(c.cell_type == "code" for c in cells if notebooks.grade_id(c))
    assert any("points or settings of the cell test_mean" in words for words in repairs)
    assert any("test_median had become a markdown cell" in words for words in repairs)
    assert "cells were put back in order" in repairs


@pytest.mark.parametrize("metadata", [{}, {"nbgrader": {}}, {"nbgrader": "text"}, {"nbgrader": {"grade_id": 3}}])
def test_strange_metadata_makes_a_cell_the_students_own(released, metadata):
    own = new_code_cell("x = 1")
    own.metadata = metadata
    cells, _ = restored([*copy.deepcopy(released), own], released)
    assert ids(cells) == NAMES
    assert cells[-1].source == "x = 1"
    assert cells[-1].metadata == {}
