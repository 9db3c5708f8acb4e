"""Whatever a student did to a notebook's structure, the release's comes back, and the answers stay."""

import copy
import time

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading.course import notebooks
from grading.intake.restore import is_untouched, restored
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
    assert repairs == ["cells with broken characters, which were replaced by \ufffd: mean, cell 6"]


def test_a_notebook_with_few_known_cells_is_reported_as_possibly_another_one(released):
    _, repairs = restored([new_code_cell("1", id="own")], released)
    assert repairs[0] == "it has 0 of the release's 4 cells, so it may be the wrong notebook"


def test_a_submission_with_no_filled_gap_counts_as_untouched(released):
    release, written = new_notebook(cells=released), copy.deepcopy(released)
    written[3].source += "  # no Python is written"
    assert is_untouched(new_notebook(cells=written), release)
    written[3].source = "def median(values): return 1"
    assert not is_untouched(new_notebook(cells=written), release)


def test_a_deleted_cell_is_put_back(released):
    cells, repairs = restored(copy.deepcopy(released[:2] + released[3:]), released)
    assert ids(cells) == NAMES
    assert repairs == ["missing cells were restored: test_mean"]


def test_the_last_of_two_answers_counts(released):
    submitted = copy.deepcopy(released)
    second = cell("def mean(values): return 1", "solution", "mean")
    cells, repairs = restored([*submitted[:2], second, *submitted[2:]], released)
    assert ids(cells) == NAMES
    assert next(c.source for c in cells if notebooks.grade_id(c) == "mean") == second.source
    assert repairs == ["duplicate cells, of which the last one in place counts: mean"]


def test_changed_points_type_and_order_are_repaired_and_named(released):
    submitted = copy.deepcopy(released)
    submitted[2].metadata.nbgrader.points = 100
    submitted[4] = new_markdown_cell("mine", metadata=submitted[4].metadata)
    submitted[1], submitted[3] = submitted[3], submitted[1]
    cells, repairs = restored(submitted, released)
    assert ids(cells) == NAMES
    assert [notebooks.points(c) for c in cells if notebooks.kind(c) == "test"] == [2, 1]
    assert all(c.cell_type == "code" for c in cells if notebooks.grade_id(c))
    assert "changed points or settings were reset: test_mean" in repairs
    assert "cells changed to markdown were changed back: test_median" in repairs
    assert "the order of cells was restored" in repairs


@pytest.mark.parametrize("metadata", [{}, {"nbgrader": {}}, {"nbgrader": "text"}, {"nbgrader": {"grade_id": 3}}])
def test_a_cell_with_invalid_metadata_becomes_the_students_own(released, metadata):
    own = new_code_cell("x = 1")
    own.metadata = metadata
    cells, _ = restored([*copy.deepcopy(released), own], released)
    assert ids(cells) == NAMES
    assert cells[-1].source == "x = 1"
    assert cells[-1].metadata == {}


def test_a_copy_below_its_tests_is_a_note_and_not_the_answer(released):
    """The student's own run saw the one above; nbgrader's copies carry the name with them."""
    submitted = copy.deepcopy(released)
    submitted[1].source, submitted[3].source = "def mean(values): return 1", "def median(values): return 2"
    old = copy.deepcopy(submitted[1])
    old.source = "def mean(values): return 0  # an old try"
    cells, _ = restored([*submitted[:3], old, *submitted[3:]], released)
    assert [one.source for one in cells[1:4]] == [submitted[1].source, submitted[2].source, old.source]
    assert ids(cells) == NAMES


def test_an_answer_copied_over_the_next_gap_counts_for_that_gap(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = "def mean(values): return 1"
    submitted[3] = copy.deepcopy(submitted[1])
    submitted[3].source = "def median(values): return 2"
    cells, _ = restored(submitted, released)
    assert [one.source for one in cells[1:4:2]] == [submitted[1].source, submitted[3].source]
    assert cells[4].source == "# This cell was missing; median: see another cell."


@pytest.mark.parametrize(
    "order",
    [(3, 4, "helper", 1, 2), (2, 4, "helper", 1, 3), (1, 3, "helper", 2, 4), ("helper", 4, 3, 2, 1)],
    ids=["an_exercise_moved_down", "tests_first", "tests_last", "reversed"],
)
def test_a_helper_stays_before_what_may_need_it(released, order):
    submitted = copy.deepcopy(released)
    submitted[1].source, submitted[3].source = "mean = lambda values: help(values)", "median = mean"
    helper = new_code_cell("def help(values): return 1", id="helper")
    cells, _ = restored([helper if index == "helper" else submitted[index] for index in order], released)
    sources = [one.source for one in cells]
    assert ids(cells) == NAMES
    assert sources.index(helper.source) < sources.index("assert mean([1])")


def test_an_own_cell_stays_below_what_it_needs(released):
    submitted = copy.deepcopy(released)
    submitted[3].source = "def median(values): return 2"
    needs = new_code_cell("spread = median([1, 2])", id="own")
    cells, _ = restored([submitted[3], submitted[4], needs, submitted[1], submitted[2]], released)
    assert cells[-1].source == needs.source


@pytest.mark.parametrize("answer", ["mean = lambda values: 1", "from answers import mean", "if True:\n    mean = max"])
def test_an_answer_of_any_form_is_not_replaced_by_the_empty_gap(released, answer):
    submitted = copy.deepcopy(released)
    submitted[1] = new_code_cell(answer, id="own")
    cells, _ = restored(submitted, released)
    assert [one.source for one in cells if "mean" in one.source][0:2] == [
        answer,
        "# This cell was missing; mean: see another cell.",
    ]


def test_an_import_in_a_locked_cell_that_an_answer_needs_is_kept(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = "def mean(values): return math.fsum(values)"
    submitted[2].source = "import math\n" + submitted[2].source
    cells, repairs = restored(submitted, released)
    assert submitted[2].source in [one.source for one in cells]
    assert repairs == ["answers in locked cells were moved before them: test_mean"]


def test_an_empty_copy_beside_an_answer_is_left_out(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = "def mean(values): return 1"
    cells, repairs = restored([*submitted, copy.deepcopy(released[1])], released)
    assert [one.source for one in cells if "def mean" in one.source] == ["def mean(values): return 1"]
    assert repairs == ["duplicate cells, of which the last one in place counts: mean"]


def test_a_cell_without_metadata_is_known_by_its_id(released):
    submitted = copy.deepcopy(released)
    for one in submitted[1:]:
        one.metadata = {}
    submitted[1].source = "def mean(values): return 1"
    cells, repairs = restored(submitted, released)
    assert ids(cells) == NAMES and cells[1].source == "def mean(values): return 1"
    assert "cells without names, recognized by their ids: mean, test_mean, median, test_median" in repairs


@pytest.mark.parametrize("place", [1, 5])
def test_an_answer_in_a_cell_of_its_own_is_not_replaced_by_an_empty_gap(released, place):
    submitted = copy.deepcopy(released)
    del submitted[1]
    submitted.insert(place, new_code_cell("def mean(values): return 1", id="new"))
    cells, repairs = restored(submitted, released)
    put_back = next(one for one in cells if notebooks.grade_id(one) == "mean")
    assert put_back.source == "# This cell was missing; mean: see another cell."
    assert repairs == ["missing cells were restored: mean"]


def test_two_answers_in_one_cell_both_stay(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = "def mean(values): return 1\n\ndef median(values): return 2"
    del submitted[3]
    cells, _ = restored(submitted, released)
    assert "see another cell" in next(one.source for one in cells if notebooks.grade_id(one) == "median")


def test_a_missing_gap_that_nobody_filled_is_put_back_as_it_was(released):
    submitted = [one for one in copy.deepcopy(released) if notebooks.grade_id(one) != "mean"]
    cells, _ = restored(submitted, released)
    assert next(one.source for one in cells if notebooks.grade_id(one) == "mean") == released[1].source


@pytest.mark.parametrize("source", [None, 7])
def test_a_cell_without_text_is_reported(released, source):
    submitted = copy.deepcopy(released)
    submitted[1]["source"] = source
    cells, repairs = restored(submitted, released)
    assert cells[1].source == released[1].source
    assert repairs == ["cells without text: mean"]


@pytest.mark.parametrize("source", ["\ufeffdef mean(values): return 1", "def mean(values): return 1  # \0"])
def test_invisible_characters_that_stop_python_are_removed(released, source):
    submitted = copy.deepcopy(released)
    submitted[1].source = source
    cells, repairs = restored(submitted, released)
    assert cells[1].source.startswith("def mean(values): return 1")
    assert repairs == ["cells with invisible characters, which were removed: mean"]


def test_pictures_stay_and_links_to_missing_ones_are_named(released):
    own = new_markdown_cell("![p](attachment:p.png) ![q](attachment:q.png)")
    own.attachments = {"p.png": {"image/png": "aGk="}}
    cells, _ = restored([*copy.deepcopy(released), own], released)
    assert cells[-1].attachments == {"p.png": {"image/png": "aGk="}}
    assert cells[-1].source == "![p](attachment:p.png) (missing picture)"


def test_many_repairs_are_summarized(released):
    many = [cell("def mean(values): return 1", "solution", "mean") for _ in range(3000)]
    _, repairs = restored([*copy.deepcopy(released), *many], released)
    assert repairs == [
        "duplicate cells, of which the last one in place counts: mean",
        "the order of cells was restored",
    ]


ANSWER = "def mean(values): return sum(values) / len(values)"


def sources(cells):
    return [one.source for one in cells]


@pytest.mark.parametrize("kind", ["markdown", "raw", None])
def test_an_answer_that_was_retyped_is_mended_like_others(released, kind):
    submitted = copy.deepcopy(released)
    submitted[1].source, submitted[1].cell_type = "\ufeff" + ANSWER, kind
    cells, repairs = restored(submitted, released)
    assert (cells[1].cell_type, cells[1].source) == ("code", ANSWER)
    assert repairs == [
        "cells with invisible characters, which were removed: mean",
        f"cells changed to {kind or 'an unknown type'} were changed back: mean",
    ]


@pytest.mark.parametrize("copied", ["def mean(values):  ...  # see above", "def mean(values):\n\n    ...\n", None])
def test_an_identical_copy_does_not_count(released, copied):
    submitted = copy.deepcopy(released)
    submitted[1].source = ANSWER
    second = copy.deepcopy(released[1])
    second.source = copied
    cells, _ = restored([*submitted[:2], second, *submitted[2:]], released)
    assert sources(cells)[1] == ANSWER


@pytest.mark.parametrize("name", ["test_mean", "test_median"])
def test_an_answer_under_the_name_of_a_test_is_kept(released, name):
    submitted = copy.deepcopy(released)
    submitted[1].source, submitted[1].metadata.nbgrader.grade_id = ANSWER, name
    cells, repairs = restored(submitted, released)
    assert sources(cells).index(ANSWER) < sources(cells).index(released[2].source)
    assert ids(cells) == NAMES and "see another cell" in next(
        c.source for c in cells if notebooks.grade_id(c) == "mean"
    )
    assert f"answers in locked cells were moved before them: {name}" in repairs


def test_names_of_an_answer_and_its_test_may_be_swapped(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = ANSWER
    submitted[1].metadata, submitted[2].metadata = submitted[2].metadata, submitted[1].metadata
    cells, _ = restored(submitted, released)
    assert sources(cells)[1:4] == [ANSWER, released[2].source, released[2].source]


def test_an_answer_that_was_merged_into_its_test_is_kept(released):
    submitted = copy.deepcopy(released)
    submitted[2].source = f"{ANSWER}\n{submitted[2].source}"
    cells, repairs = restored(submitted, released)  # the gap is still there
    assert sources(cells)[1:4] == [released[1].source, submitted[2].source, released[2].source]
    assert repairs == ["answers in locked cells were moved before them: test_mean"]


def test_a_test_that_was_changed_is_no_answer(released):
    submitted = copy.deepcopy(released)
    submitted[1].source = ANSWER
    submitted[2].source = "def mean(values): return 3\nprint(mean([1]))"
    cells, repairs = restored(submitted, released)
    assert (len(cells), repairs) == (len(released), [])


def test_without_names_and_ids_locked_cells_are_known_by_their_texts(released):
    submitted = copy.deepcopy(released)
    submitted[1].source, submitted[3].source = ANSWER, ANSWER.replace("mean", "median")
    for one in submitted:
        one.metadata = {}
        del one["id"]
    cells, repairs = restored(submitted, released)
    kept = [text for text in sources(cells) if not text.startswith("# This cell was missing")]
    assert kept == [one.source for one in submitted]
    assert repairs[0] == "cells without names, recognized by their texts: test_mean, test_median"


@pytest.mark.parametrize("text", ["![![" * 150_000, "![a](attachment:" * 30_000, "![a](attachment:" + "b " * 200_000])
def test_adversarial_text_is_compared_in_little_time(released, text):
    began = time.process_time()
    restored([new_markdown_cell(text), *released], released)
    assert time.process_time() - began < 10
