"""Merge conflicts: the version that can be used is kept, and what was done is said truly."""

import json

import pytest

from grading.intake.merge_conflicts import Resolved, resolve


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def is_python(text: str) -> bool:
    try:
        compile(text, "", "exec")
    except SyntaxError:
        return False
    return True


def conflict(first: str, second: str, base: str | None = None, label: str = " HEAD") -> str:
    base = "" if base is None else f"||||||| 1234abc\n{base}\n"
    return f"<<<<<<<{label}\n{first}\n{base}=======\n{second}\n>>>>>>>{label}\n"


FIRST = "a merge conflict, of which the first version was kept"
SECOND = "a merge conflict, of which the second version was kept"
MIXED = "a merge conflict, of which those versions that go together were kept"


@pytest.mark.parametrize(
    ("text", "kept", "words"),
    [
        (conflict("1", "2"), "1", FIRST),
        (conflict("1", "2", label=""), "1", FIRST),
        (conflict("1", "2", base="0"), "1", FIRST),
        (conflict("1", "2").replace("\n", "\r\n"), "1", FIRST),
        (conflict("(", "2"), "2", SECOND),
        ("[" + conflict("1", ",") + conflict(",", "2]"), "[1 2]", None),
        ("[\n" + conflict("1", "1,") + conflict("2]", "x"), "[1,2]", MIXED),
        ("<<<<<<< HEAD\n3", "3", "left-over markers of a merge, which were removed"),
        ("3\n=======\n", "3", "left-over markers of a merge, which were removed"),
    ],
)
def test_one_version_is_kept_and_named(text, kept, words):
    found = resolve(text, is_json)
    if words is None:
        assert found is None
    else:
        assert found.words == words
        assert "".join(found.text.split()) == kept


@pytest.mark.parametrize("text", ["1", "x\n=======\n", conflict("{", "[")])
def test_text_without_a_conflict_or_solution_stays(text):
    assert resolve(text, is_json) is None


def test_markers_in_valid_code_stay():
    assert resolve(conflict("1", "2"), lambda text: True) is None


def test_many_markers_take_little_time():
    tried = []
    resolve("<<<<<<< HEAD\n" * 200_000, lambda text: tried.append(len(text)))
    resolve(conflict("1", "2") * 1000, lambda text: tried.append(len(text)))
    assert len(tried) <= 6


def test_resolve_returns_the_text_and_which_version_it_kept():
    assert resolve(conflict("1", "2"), is_json) == Resolved("1\n", FIRST)


GAP = "def f():\n    raise NotImplementedError('f')"
WRITTEN = "def f():\n    return 1"


@pytest.mark.parametrize("gap", [GAP, "", "# to do", "pass", "\n\n"])
def test_the_version_in_which_something_was_written_is_kept(gap):
    assert resolve(conflict(gap, WRITTEN), is_python) == Resolved(WRITTEN + "\n", SECOND)
    assert resolve(conflict(WRITTEN, gap), is_python) == Resolved(WRITTEN + "\n", FIRST)


def test_each_of_many_conflicts_keeps_what_was_written():
    text = conflict(GAP, WRITTEN) * 5 + conflict(WRITTEN, GAP) * 5
    assert resolve(text, is_python) == Resolved((WRITTEN + "\n") * 10, MIXED)
