"""Shared passages, as they are shown: numbered alike on both sides, each character once."""

import re

import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading.similarity import compare, passages, streams, submissions
from grading.similarity.compare import Known
from grading.similarity.submissions import Given

NOTHING = dict.fromkeys(streams.CHANNELS, np.zeros(0, np.uint64))
GIVEN = Given(frozenset(), streams.Vocabulary(), frozenset(), Known(NOTHING, NOTHING))
LOOP = "for i in range(10):\n    # count up to ten, and no further than that\n    print(i, i ** 2, [i] * 3, {i: i})\n"
PROSE = "The loop prints each number with its square and three copies of it."


def shown(left: list, right: list) -> list[passages.Row]:
    notebooks = [new_notebook(cells=cells) for cells in (left, right)]
    documents = [submissions.document(name, name, notebook, GIVEN) for name, notebook in zip("ab", notebooks)]
    (pair,) = compare.pairs(documents, GIVEN.known, 0.0)
    return passages.rows(pair, *notebooks)


def test_every_character_is_shown_once_and_passage_numbers_match():
    left = [new_code_cell("a = 1"), new_code_cell(LOOP), new_markdown_cell(PROSE)]
    right = [new_markdown_cell(f"Note. {PROSE}"), new_code_cell("b = 2\n" + re.sub(r"\bi\b", "k", LOOP))]
    rows = shown(left, right)
    for row, source in zip(rows, (LOOP, PROSE)):
        (cell,) = row.left
        assert "".join(piece.text for piece in cell.pieces) == source
        assert cell.numbers and cell.numbers <= row.right[0].numbers
    assert [row.right[0].title for row in rows] == ["own cell 2", "own cell 1"]
    assert {piece.channel for piece in rows[0].left[0].pieces} >= {"code", "comments"}


def test_a_passage_that_is_in_a_shown_cell_makes_no_new_row():
    rows = shown([new_code_cell(LOOP), new_code_cell(LOOP)], [new_code_cell(LOOP)])
    assert len(rows) == 1 and len(rows[0].left) == 2 and len(rows[0].right) == 1
    firsts = [piece for cell in rows[0].left for piece in cell.pieces if piece.first]
    assert len({piece.number for piece in firsts}) == len(firsts)
