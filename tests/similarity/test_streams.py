"""The four channels: code without names, names, comments, prose."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.similarity import streams
from grading.similarity.streams import CODE, COMMENTS, NAMES, PROSE

SOURCE = '''class Mean:
    """The mean of all numbers."""

    def __init__(self, start=0.50):
        self.total = start  # what was added
        count = 1_0
        print(f"{count} numbers")
'''


def of(source: str, given: frozenset[str] = frozenset(), kind=new_code_cell) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for stream in streams.of_cells([(0, kind(source))], streams.vocabulary([source]), given):
        found.setdefault(stream.channel, []).append(" ".join(token.text for token in stream.tokens))
    return found


def test_names_chosen_by_the_student_are_ignored_and_all_others_compared():
    names = streams.vocabulary([SOURCE])
    assert names.names == {"Mean", "self", "start", "count"} and names.attributes == {"total"}
    (code,) = of(SOURCE)[CODE]
    assert code == (
        "class name def __init__ ( name name = 0.5 name . attribute = name name = 10.0 print ( ' { name '".replace(
            "name . attribute = name name = 10.0", "name . attribute = name name = 10.0"
        )
    )


def test_only_names_that_were_not_given_count_as_chosen():
    assert of(SOURCE, frozenset({"self", "Mean"}))[NAMES] == ["start total start count"]


def test_each_comment_and_text_is_a_stream_of_its_own():
    assert of(SOURCE)[COMMENTS] == ["the mean of all numbers", "what was added", "f", "numbers"]


def test_prose_is_split_into_words():
    assert of("It's **fast**: 3 steps.", kind=new_markdown_cell)[PROSE] == ["it's fast 3 steps"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a = f(1)\nb = g(2)\n", "y = g(2.0)\nx = f(1)"),
        ("def f(a):\n    b = a + 1\n    c = a * 2\n    return b, c", "def g(z):\n    w=z*2;  q=z+1\n    return q,w"),
        ("x = 'é'; y = [1]\nfor i in y:\n    a = 1\n    b = x", "y = [1]; x = 'ü'\nfor i in y:\n    b = x\n    a = 1"),
    ],
)
def test_names_spaces_and_the_order_of_neighboring_lines_do_not_change_the_stream(one, other):
    assert of(one)[CODE] == of(other)[CODE]


@pytest.mark.parametrize("source", ["def f(:\n  x = = 3", "%matplotlib inline\nx = 3", "(" * 3000, "\0x = 1", "x = '"])
def test_text_that_is_not_python_is_compared_unchanged(source):
    assert isinstance(of(source), dict)


def test_tokens_know_their_place():
    cell = new_code_cell("b = 'é' + q\na = 1  # one\n")
    for stream in streams.of_cells([(0, cell)], streams.Vocabulary(), frozenset()):
        for token in stream.tokens:
            assert cell.source[token.begin : token.end].casefold().startswith(token.text[0]) or token.text == "1.0"


def test_a_huge_cell_is_cut():
    (code,) = of("x = 1\n" * 20_000)[CODE]
    assert len(code.split()) < 3 * streams.LONGEST / 6 + 10
