"""A catalogue is read against its notebook, and every faulty entry is named."""

import pytest

from grading.course import catalogue
from grading.course.catalogue import CatalogueError
from tests.conftest import CATALOGUE, tiny_notebook

MISTAKE = {"name": '"m"', "why": '"w"', "cell": '"mean"', "old": '"sum("', "new": '"max("', "loses": '["test_mean"]'}


def entry(kind: str = "mistake", **fields: str | None) -> str:
    known = {key: value for key, value in (MISTAKE | fields).items() if value is not None}
    return "\n".join([f"[[{kind}]]", *(f"{key} = {value}" for key, value in known.items()), ""])


CONTRACT = '[contract.mean]\n1 = "It is\\n so."\n2 = "That, too."\n'


def load(tmp_path, text: str) -> list[catalogue.Entry]:
    path = tmp_path / "averages.toml"
    path.write_text(text, encoding="utf-8")
    return catalogue.load(path, tiny_notebook())


def test_mistakes_come_first_then_right_answers(tmp_path):
    entries = load(tmp_path, CATALOGUE)
    assert [entry.name for entry in entries] == ["mean_forgets_to_divide", "mean_drops_the_sign", "mean_by_hand"]
    assert [entry.right for entry in entries] == [False, False, True]
    assert entries[0].loses == ("test_mean", "test_mean_negative") and entries[2].loses == ()


def test_an_edit_is_made_in_the_reference_solution(tmp_path):
    source = load(tmp_path, CATALOGUE)[0].source
    assert "    return sum(values)\n" in source and "len(values)" not in source
    assert source.startswith("def mean(values):")


def test_a_whole_source_is_taken_as_it_is(tmp_path):
    assert load(tmp_path, CATALOGUE)[2].source.startswith("def mean(values):\n    total = 0.0")


def test_several_edits_are_made_in_order(tmp_path):
    edits = '[{old = "sum(", new = "max("}, {old = "max(values)", new = "min(values)"}]'
    assert "return min(values)" in load(tmp_path, entry(old=None, new=None, edits=edits))[0].source


def test_the_explanation_of_a_mistake_becomes_one_line(tmp_path):
    assert load(tmp_path, entry(why='"""\nIt says\n  so."""'))[0].why == "It says so."


def test_a_mistake_quotes_the_sentence_that_it_breaks(tmp_path):
    (mistake,) = load(tmp_path, CONTRACT + entry(breaks="1"))
    assert (mistake.breaks, mistake.sentence) == (1, "It is so.")
    assert mistake.told() == ["A likely mistake: w", "It breaks this sentence of the contract: It is so."]
    assert load(tmp_path, entry())[0].told() == ["A likely mistake: w"]


def test_a_contract_is_sentences_by_number(tmp_path):
    load(tmp_path, CONTRACT)
    assert catalogue.contracts(tmp_path / "averages.toml") == {"mean": {1: "It is so.", 2: "That, too."}}
    assert catalogue.contracts(tmp_path / "medians.toml") == {}


def test_no_file_is_an_empty_catalogue(tmp_path):
    assert catalogue.load(tmp_path / "averages.toml", tiny_notebook()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (entry(why=None, cell=None), "m: lacks why, cell"),
        (entry(name=None), "an entry without a name: lacks name"),
        (entry(cell='"median"'), "m: there is no solution cell median"),
        (entry(cell='"test_mean"'), "m: there is no solution cell test_mean"),
        (entry(loses='["test_mean", "test_median"]'), "m: there is no test cell test_median"),
        (entry(loses='["mean"]'), "m: there is no test cell mean"),
        (entry(loses="[]"), "a mistake loses at least one test"),
        (entry(loses=None), "a mistake loses at least one test"),
        (entry("right"), "a right answer loses nothing"),
        (entry(old='"values"'), "its `old` must occur once in the cell, but occurs 4 times: 'values'"),
        (entry(old='"product("'), "but occurs 0 times"),
        (entry(new=None), "needs `old` and `new`"),
        (entry(old=None, new=None), "needs `old` and `new`"),
        (entry() + entry(), "m: the name is used twice"),
        ("[[mistake", "averages.toml: "),
        (CONTRACT + entry(breaks="3"), "m: it breaks sentence 3, which the contract of mean does not have"),
        (entry(breaks="1"), "m: it breaks sentence 1, which the contract of mean does not have"),
        (CONTRACT + entry("right", loses="[]", breaks="1"), "m: a right answer breaks no sentence"),
        ("[contract.median]\n1 = 'a'", "contract.median: there is no such solution cell"),
        ("[contract.mean]\n1 = 'a'\n3 = 'b'", "contract.mean: its sentences should be numbered 1, 2, 3, ... in order"),
        ("[contract]\nmean = ['a']", "contract.mean: it should be a table of numbers and sentences"),
        ("[contract.mean]\n1 = 1", "contract.mean: it should be a table of numbers and sentences"),
    ],
)
def test_a_faulty_entry_is_named(tmp_path, text, words):
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value) and "averages.toml" in str(caught.value)


def test_all_faulty_entries_are_named_at_once(tmp_path):
    text = entry(name='"one"', cell='"median"') + entry(name='"two"', old='"?"') + entry(name='"fine"')
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2 and "one" in lines[0] and "two" in lines[1]
