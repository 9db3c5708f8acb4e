"""The scoreboard that students see: it counts what was checked, and nothing else."""

import contextlib
import io
import linecache

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import ROOT

GIVEN = notebooks.by_id(notebooks.read(Course(ROOT).source("optimizers")))["given_checks"].source
TABLE = {
    "mean": ("mean", {"mean": 2, "mean, negative": 1}),
    "guess": ("guess", {"guess": 1}),
    "sum": ("total", {"sum": 4}),
}


class Notebook:
    """The cell `given_checks` alone, and what a student runs after it."""

    def __init__(self):
        self.names = {"__name__": "__main__"}
        exec(compile(GIVEN, "<given_checks>", "exec"), self.names)
        self.names["self_check"].exercises = dict(TABLE)
        self.cells = 0
        self.failure = self.names["NotYet"]

    def run(self, source: str) -> str:
        """Run a cell; what it printed, or the message of the check that failed."""
        self.cells += 1
        name = f"<cell {self.cells}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                exec(compile(source, name, "exec"), self.names)
            except self.failure as error:
                return str(error)
        return out.getvalue()

    def states(self) -> dict[str, tuple[str, int]]:
        return {name: (state, points) for name, state, points, _ in self.names["scoreboard"]().rows}


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


RIGHT = "def mean(x):\n    return sum(x) / len(x)"
CHECK = 'with self_check("mean"):\n    expect_number(mean([1, 3]), 2, "mean([1, 3])")'
MORE = 'with self_check("mean, negative"):\n    expect_number(mean([-1, -3]), -2, "mean([-1, -3])")'


def test_only_checked_exercises_count(notebook):
    notebook.run(RIGHT)
    assert notebook.states()["mean"] == ("○ not checked yet", 0)
    notebook.run(CHECK)
    assert notebook.states()["mean"] == ("◐ 1 of 2 checks run, and passed", 2)
    notebook.run(MORE)
    assert notebook.states()["mean"] == ("✓ done", 3)
    assert "Self-checks pass for 3 of 8 points" in repr(notebook.names["scoreboard"]())


def test_a_failure_shows_its_reason_and_a_later_success_replaces_it(notebook):
    notebook.run("def mean(x):\n    return 5")
    assert "should be 2, yours is 5" in notebook.run(CHECK)
    assert notebook.states()["mean"] == ("✗ failing: mean([1, 3]) should be 2, yours is 5.", 0)
    notebook.run(RIGHT)
    notebook.run(CHECK)
    assert notebook.states()["mean"][1] == 2


@pytest.mark.parametrize("stub", ["", "def mean(x):\n    raise NotImplementedError"])
def test_an_empty_gap_is_shown_as_not_written_yet(notebook, stub):
    notebook.run(stub)
    assert "not written yet" in notebook.run(CHECK)
    assert notebook.states()["mean"] == ("○ not written yet", 0)


def test_a_rewritten_exercise_counts_again_after_its_next_check(notebook):
    for source in (RIGHT, CHECK, MORE, RIGHT):
        notebook.run(source)
    assert notebook.states()["mean"] == ("↻ changed since its check: run the check again", 0)
    notebook.run(CHECK)
    assert notebook.states()["mean"] == ("↻ changed since its check: run the check again", 2), (
        "one check is out of date"
    )
    notebook.run(MORE)
    assert notebook.states()["mean"] == ("✓ done", 3)


def test_if_two_exercises_define_one_name_only_the_second_is_watched(notebook):
    notebook.names["self_check"].exercises["again"] = ("mean", {"again": 1})
    for source in (RIGHT, CHECK, MORE, RIGHT, 'with self_check("again"):\n    pass'):
        notebook.run(source)
    assert notebook.states()["mean"][0] == notebook.states()["again"][0] == "✓ done"
    notebook.run(RIGHT)
    assert notebook.states()["mean"][0] == "✓ done"
    assert notebook.states()["again"][0].startswith("↻ changed")


def test_an_answer_to_a_question_earns_no_point_on_the_scoreboard(notebook):
    form = 'with self_check("guess", form_only=True):\n    expect_finite(guess, "guess")'
    assert "not written yet" in notebook.run(form)
    for wrong in ("float('nan')", "'3'", "None", "[3]", "True"):
        notebook.run(f"guess = {wrong}")
        assert "`guess` should be a finite number" in notebook.run(form)
    notebook.run("guess = 17")
    assert "Whether it is right is not checked here" in notebook.run(form)
    assert notebook.states()["guess"] == ("✎ answered: it is graded when you hand in", 0)


def test_a_choice_must_be_one_of_the_choices(notebook):
    form = 'with self_check("guess", form_only=True):\n    expect_choice(guess, "guess", "x1", "x2")'
    notebook.run("guess = 'x3'")
    assert "`guess` should be 'x1' or 'x2'; yours is 'x3'." in notebook.run(form)
    notebook.run("guess = 'x2'")
    assert "can be graded" in notebook.run(form)


def test_the_scoreboard_is_a_table_in_a_browser_and_text_elsewhere(notebook):
    notebook.run("def mean(x):\n    return '<b>'")
    notebook.run(CHECK)
    page, text = notebook.names["scoreboard"]()._repr_html_(), repr(notebook.names["scoreboard"]())
    assert "&lt;b&gt;" in page and "yours is '<b>'" not in page
    for words in ("failing", "not checked yet", "Self-checks pass for 0 of 8 points"):
        assert words in page
        assert words in text


def test_without_its_table_the_scoreboard_says_which_cell_to_run(notebook):
    notebook.names["self_check"].exercises = {}
    assert notebook.names["scoreboard"]()._repr_html_() is None
    assert "run the cells from the top" in repr(notebook.names["scoreboard"]())


@pytest.mark.parametrize(
    ("cell", "words"),
    {
        "a builtin's name is taken": ("sum = 3", "you use the name `sum`, which hides Python's own"),
        "a given name is taken": (
            "f_2d = 3\ndef mean(x):\n    return f_2d(x)",
            "you have overwritten `f_2d`",
        ),
        "a local name": ("def mean(x):\n    y = y + 1\n    return y", "give it a value first"),
        "another cell's name": ("def mean(x):\n    return helper(x)", "If another cell defines it, run that one"),
        "arguments": ("def mean():\n    return 2", "Keep the names and the order of the arguments"),
        "forever": ("def mean(x):\n    return mean(x)", "look for a function that uses itself"),
        "an error": ("def mean(x):\n    return x[7]", "in the line: return x[7]"),
        "an object": ("class A: pass\ndef mean(x):\n    return A()", "yours is an object of class A"),
        "nothing": ("def mean(x):\n    x", "yours is None (is a `return` missing"),
        "no number": ("def mean(x):\n    return float('nan')", "yours is nan (not a number"),
    }.values(),
)
def test_a_message_says_where_to_look(notebook, cell, words):
    notebook.names["self_check"].given["f_2d"] = notebook.names["f_2d"] = len
    notebook.run(RIGHT)
    notebook.run(cell)
    said = notebook.run(CHECK)
    assert words in said
    assert said.startswith("✗ mean: ")


def test_a_test_cell_leaves_no_names_behind_and_gives_back_what_it_took(notebook):
    notebook.run("left = 'mine'\nfirst = 1\n_ = 5")
    before = dict(notebook.names)
    said = notebook.run(
        '@self_check("mean")\ndef _():\n    left, right = 3, 4\n    expect(left == 3, "no")\n    import cmath'
    )
    assert "this self-check passes" in said
    assert notebook.names == before


READS = '@self_check("mean")\ndef _():\n    left = 3\n    expect_number(mean([1, 5]), left, "mean([1, 5])")'


def test_an_answer_does_not_see_the_names_of_its_self_check(notebook):
    notebook.run("def mean(x):\n    return left")
    assert "name 'left' is not defined" in notebook.run(READS)


def test_a_self_check_does_not_write_over_a_students_constant(notebook):
    notebook.run("left = 2\ndef mean(x):\n    return sum(x) / left")
    assert "this self-check passes" in notebook.run(READS)
    assert notebook.names["left"] == 2


TAKEN = (
    "expect_number",
    "expect",
    "shown",
    "apart",
    "show",
    "NotYet",
    "math",
    "traceback",
    "written_in",
    "ADVICE",
    "GIVEN",
)


@pytest.mark.parametrize("taken", TAKEN)
def test_a_name_of_the_students_does_not_take_the_place_of_a_helper(notebook, taken):
    right = READS.replace("left = 3", "left = 3.0")
    notebook.run(f"{taken} = lambda *args: 1\n{RIGHT}")
    assert "this self-check passes" in notebook.run(right)
    notebook.run(f"{taken} = lambda *args: 1\ndef mean(x):\n    return 4")
    assert "should be 3, yours is 4" in notebook.run(right)


def test_a_global_that_the_answer_counts_in_stays(notebook):
    notebook.run("calls = 0\ndef mean(x):\n    global calls\n    calls += 1\n    return sum(x) / len(x)")
    notebook.run(READS)
    assert notebook.names["calls"] == 1


def test_a_later_failure_says_which_came_first(notebook):
    notebook.run("def mean(x):\n    return 0")
    first, second = notebook.run(CHECK), notebook.run(MORE)
    assert "above fails, too" not in first
    assert second.endswith('The self-check "mean" above fails, too. Fix that one first: it may be the cause of this.')


def test_a_method_that_reads_a_notebooks_name_instead_of_its_own_is_noted(notebook):
    notebook.run("v = 7")
    notebook.run(
        "class mean:\n    def __init__(self, x):\n        self.v = x\n    def __float__(self):\n        return v * 1.0"
    )
    assert "without `self.` in front. Did you mean `self.v`?" in notebook.run(CHECK)


def test_a_repeated_error_is_shown_once(notebook):
    notebook.run('self_check.exercises = {"mean": ("mean", {"mean": 1, "mean, negative": 1})}')
    notebook.run("def mean(values):\n    return values.sum()")
    first = notebook.run('with self_check("mean"):\n    mean([1, 3])')
    second = notebook.run('with self_check("mean, negative"):\n    mean([-1, -3])')
    assert "has no attribute 'sum'" in first and "in the line: return values.sum()" in first
    assert second == '✗ mean, negative: the same as in the self-check "mean" above. Fix that one first.'


def test_a_missing_self_is_reported(notebook):
    notebook.run("class Box:\n    def __init__(self):\n        self.v = 1\n    def get(self):\n        return v")
    said = notebook.run('with self_check("mean"):\n    Box().get()')
    assert "Did you mean `self.v`?" in said
    assert "run that one" not in said


def test_what_torch_does_not_implement_is_not_an_empty_gap(notebook):
    notebook.run("def mean(values):\n    raise NotImplementedError('Could not run aten::mean with arguments from ...')")
    said = notebook.run('with self_check("mean"):\n    mean([1])')
    assert "not written yet" not in said and "are the arguments in the right order" in said
