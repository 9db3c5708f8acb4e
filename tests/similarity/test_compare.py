"""Independent right answers are never reported, disguised copies always are: measured on all that are known."""

import random
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from zlib import crc32

import numpy as np
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from grading.course import catalogue, notebooks
from grading.similarity import compare, streams, submissions
from grading.similarity.compare import Document, Known
from grading.similarity.streams import CODE, PROSE
from grading.similarity.submissions import Given
from tests.assignments import odd_answers
from tests.similarity.answers import COURSE, ROOT, answers, copied, dealt, filled

NOTHING = dict.fromkeys(streams.CHANNELS, np.zeros(0, np.uint64))


@lru_cache
def given(assignment: str) -> Given:
    source = notebooks.read(COURSE.source(assignment))
    release = notebooks.read(ROOT / "release" / assignment / f"{assignment}.ipynb")
    return submissions.given(release, source, catalogue.load(ROOT / "mistakes" / f"{assignment}.toml", source))


def document(
    assignment: str, name: str, written: dict[str, str], disguise: bool = False, solve: bool = True
) -> Document:
    notebook = filled(assignment, written, solve)
    if disguise:
        reference = given(assignment).vocabulary
        notebook = copied(notebook, set(written), {*reference.names, *reference.attributes}, crc32(name.encode()))
    return submissions.document(name, name, notebook, given(assignment))


@pytest.mark.parametrize("assignment", COURSE.assignments)
def test_no_two_independent_answers_are_reported(assignment):
    """Not even if the catalogue did not know them, and however they are put together."""
    known = replace(given(assignment).known, forms=NOTHING)
    alone = [document(assignment, name, written, solve=False) for name, written in answers(assignment).items()]
    together = [document(assignment, f"student{n}", written) for n, written in enumerate(dealt(assignment))]
    for documents in (alone, together):
        found = compare.pairs(documents, known, 0.0)
        assert found and found[0].strongest < 1, (found[0].left.name, found[0].right.name, found[0].evidence)


@pytest.mark.parametrize("assignment", COURSE.assignments)
def test_every_disguised_copy_is_reported_and_only_with_its_original(assignment):
    hands = dealt(assignment)
    documents = [document(assignment, f"student{n}", written) for n, written in enumerate(hands)]
    copies = [document(assignment, f"copy{n}", written, disguise=True) for n, written in enumerate(hands)]
    found = compare.pairs([*documents, *copies], given(assignment).known)
    assert {(pair.left.name, pair.right.name) for pair in found} == {
        (f"student{n}", f"copy{n}") for n in range(len(hands))
    }


@pytest.mark.parametrize("assignment", COURSE.assignments)
def test_nobody_is_reported_in_a_class_whose_answers_are_all_in_the_catalogue(assignment):
    """There many students have the same answer, without having seen each other's."""
    rng, forms = random.Random(1), defaultdict(list)
    for name, written in answers(assignment).items():
        if name not in odd_answers.ANSWERS[assignment]:
            for cell, source in written.items():
                forms[cell].append(source)
    drawn = [{cell: rng.choice(known) for cell, known in forms.items() if rng.random() < 0.9} for _ in range(40)]
    documents = [document(assignment, f"student{n}", one, solve=False) for n, one in enumerate(drawn)]
    assert compare.pairs(documents, given(assignment).known) == []


def test_one_long_answer_that_was_copied_is_enough():
    """A shorter one is not: two people may well come upon it."""
    known, hands = given("optimizers").known, dealt("optimizers")
    odd = odd_answers.ANSWERS["optimizers"]

    def reported(copied_answer: dict[str, str]) -> list[compare.Pair]:
        free = [hand for hand in hands if not hand.keys() & copied_answer.keys()] or hands
        both = [free[0] | copied_answer, free[1] | copied_answer]
        return compare.pairs([document("optimizers", name, one) for name, one in zip("ab", both)], known)

    (pair,) = reported(odd["hyperparameters that are properties"])
    assert pair.share[CODE] < compare.SHARE[CODE] <= 1 <= pair.strength[CODE]
    assert reported({"stable_learning_rate": "import numpy as np\n\neta_max = 2 / np.array([0.2, 4.0]).max()"}) == []


HEAVY = (
    "Momentum keeps a running sum of old gradients. In the steep direction they point to and fro and cancel, in the "
    "flat direction they all agree, so the steps there grow."
)
INDEPENDENT = [
    HEAVY,
    "Because the velocity remembers past gradients, zigzags across the valley average out while the motion along the "
    "valley adds up, which is why it is faster than plain gradient descent.",
    "It is like a heavy ball that rolls down the valley. Bumps from side to side hardly move it any more, but it gains "
    "speed where the slope always has the same sign.",
    "With gamma = 0.9 the effective learning rate is ten times as large where the gradient does not change. In the "
    "other direction the sign alternates and the terms nearly cancel each other.",
    "In the steep direction the gradient changes its sign in every step, so the sum stays small. In the flat direction "
    "the gradients add up.",
]
REWORDED = (
    "Momentum keeps a running sum of old gradients. In steep directions they point to and fro and cancel out, but in "
    "the flat direction they all agree, so the steps there grow a lot."
)


def prose(name: str, text: str) -> Document:
    known = Given(frozenset(), streams.Vocabulary(), frozenset(), Known(NOTHING, NOTHING))
    return submissions.document(name, name, new_notebook(cells=[new_markdown_cell(text)]), known)


def test_independent_prose_is_not_reported_and_a_reworded_copy_is():
    documents = [prose(f"student{number}", text) for number, text in enumerate(INDEPENDENT)]
    assert compare.pairs(documents, Known(NOTHING, NOTHING)) == []
    (pair,) = compare.pairs([*documents, prose("copy", REWORDED)], Known(NOTHING, NOTHING))
    assert {pair.left.name, pair.right.name} == {"student0", "copy"} and pair.strength[PROSE] >= 1


def test_group_members_are_no_pair_and_common_passages_are_ignored():
    known = Known(NOTHING, NOTHING)
    team = [prose("a", HEAVY), prose("b", HEAVY)]
    team[0].unit = team[1].unit = "team"
    assert compare.pairs(team, known) == []
    assert len(compare.pairs([prose(str(n), HEAVY) for n in range(3)], known)) == 3
    crowd = [prose(str(n), HEAVY) for n in range(30)]
    assert compare.pairs(crowd, known) == []


def test_clusters_connect_through_others():
    known = Known(NOTHING, NOTHING)
    documents = [prose("a", HEAVY), prose("b", HEAVY + INDEPENDENT[1]), prose("c", INDEPENDENT[1])]
    documents += [prose("e", INDEPENDENT[3]), prose("f", INDEPENDENT[3])]
    assert compare.clusters(compare.pairs(documents, known)) == [["a", "b", "c"], ["e", "f"]]


def test_passages_of_the_release_and_the_reference_are_ignored():
    solved = [document("optimizers", name, {}) for name in "ab"]
    assert [one.written(CODE) for one in solved] == [0, 0]
    assert compare.pairs(solved, given("optimizers").known, 0.0) == []
