"""Every small change of a reference solution loses a hidden test: a fixed part of them; `make mutants` tries all."""

import pytest

from grading.authoring import mutants
from grading.course.folder import Course
from tests.conftest import ROOT

COURSE = Course(ROOT)
EVERY = 16  # how many mutants there are for one that is tried here


@pytest.fixture(scope="module")
def trials() -> list[mutants.Trial]:
    """A fixed part of all mutants, and all that are listed as no mistake."""
    everything = [mutant for name in COURSE.assignments for mutant in mutants.all_mutants(COURSE, name)]
    listed = mutants.load_equivalent(ROOT / "mistakes" / "equivalent.toml")
    chosen = [m for i, m in enumerate(everything) if i % EVERY == 0 or (m.cell, m.before, m.after) in listed]
    return mutants.run(COURSE, chosen)


@pytest.mark.slow
def test_every_mutant_is_caught_or_listed_with_a_reason(trials):
    weak, stale = mutants.verdict(trials, mutants.load_equivalent(ROOT / "mistakes" / "equivalent.toml"))
    assert [(mutant.cell, mutant.before, mutant.after) for mutant in weak] == []
    assert stale == []


@pytest.mark.slow
def test_the_report_shows_the_matrix(trials, tmp_path):
    scores = mutants.write_report(COURSE, trials, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert {score["cell"] for score in scores} == {one.mutant.cell for one in trials}
    assert all(f'id="{score["assignment"]}-{score["cell"]}"' in page for score in scores)


SOURCE = """def mean(values):
    total = 0
    ### BEGIN SOLUTION
    total = sum(values)
    return total / len(values)
    ### END SOLUTION"""


def test_only_the_solution_is_changed():
    made = mutants.mutants("averages", "mean", SOURCE)
    assert len(made) > 5
    assert all(mutant.source.startswith("def mean(values):\n    total = 0\n") for mutant in made)


def test_a_surviving_mutant_is_reported_and_a_stale_reason_too():
    caught = mutants.Trial(mutants.Mutant("a", "mean", "x", "y", ""), ("test_mean",))
    survivor = mutants.Trial(mutants.Mutant("a", "mean", "x", "z", ""), ())
    weak, stale = mutants.verdict([caught, survivor], {("mean", "x", "y"): "said to be equal"})
    assert weak == [survivor.mutant]
    assert stale == ["mean: x -> y is killed"]


SHARED = """class Average:
    def __init__(self):
        self.values = list(range(0))

    def add(self, value):
        for _ in range(1):
            ### BEGIN SOLUTION
            self.values = [*self.values, value.copy()]
            self.sum = sum(self.values)
            ### END SOLUTION"""


def test_typical_human_mistakes_are_among_the_mutants():
    made = [mutant.source for mutant in mutants.mutants("averages", "average", SHARED)]
    for words in (
        "Average.values = list(range(0))",  # state of the class
        'globals().get("kept_values", list(range(0)))',  # of the module
        "[*self.values, value]",  # an alias
        "self.sum += sum(self.values)",  # += for =
        '__import__("numpy").clip(',  # a clip
        "for _ in list(range(1))[:-1]:",  # an early stop
    ):
        assert any(words in source for source in made), words
    assert any("\n        self.sum = sum(self.values)" in source for source in made), "a statement behind the loop"


def test_a_mutant_is_caught_by_the_sentence_whose_mistake_loses_the_same_tests_with_the_same_words():
    def lost(after, words, *tests):
        return mutants.Trial(mutants.Mutant("a", "mean", "x", after, ""), tests, (words,) * len(tests))

    known = mutants.sentences(
        [lost("One.", "the sum is 3", "test_a"), lost("Two.", "no list", "test_a"), lost("Two.", "3", "test_b")]
    )
    assert mutants.caught_by(lost("?", "the sum is -4.5e7", "test_a"), known) == ["One."]
    assert mutants.caught_by(lost("?", "something else", "test_a"), known) == ["One.", "Two."]
    assert mutants.caught_by(lost("?", "3", "test_a", "test_b"), known) == []
