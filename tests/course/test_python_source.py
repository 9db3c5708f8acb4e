"""What the text of a cell says to Python."""

import time

import pytest

from grading.course.python_source import is_python, makes, meaning, reads


@pytest.mark.parametrize("source", ["a = 1", "%time a = 1", "!ls", "await f()", "x = 1;"])
def test_cells_may_hold_magics(source):
    assert is_python(source)


@pytest.mark.parametrize("source", ["a = = 1", 'x = %"""', "\0", "(" * 9000])
def test_text_that_is_not_python_reads_no_names(source):
    assert not is_python(source)
    assert meaning(source) == source.strip() and reads(source) == set()


def test_spaces_and_comments_make_no_difference():
    assert meaning("a = 1  # one") == meaning("a  =  1\n") != meaning("a = 2")


@pytest.mark.parametrize(
    ("source", "names"),
    {
        "a = b.c = 1": {"a"},
        "import os.path as p, sys\nfrom math import pi": {"p", "sys", "pi"},
        "if x:\n    y = 1\nfor i in z: pass": {"y", "i"},
        "def f():\n    inner = 1\nclass C:\n    own = 2": {"f", "C"},
        "%time a = 1": set(),
        "def f(:\nclass C": {"f", "C"},
    }.items(),
)
def test_names_that_a_cell_defines_are_found(source, names):
    assert makes(source) == names


@pytest.mark.parametrize(
    ("source", "names"),
    {
        "a = b.c + 1": {"b"},
        "def f(x):\n    y = x + z\n    return y": {"z"},
        "class C:\n    def f(self): return [k for _ in other]": {"k", "other"},
        "x = 1": set(),
    }.items(),
)
def test_global_names_that_a_cell_reads_are_found(source, names):
    assert reads(source) == names


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"x{number} = %time sum(range({number}))  # {'.' * 30}" for number in range(490)),
        "{}" * 150_000,
        "a = 1\n" * 20_000,
    ],
)
def test_code_that_takes_minutes_to_parse_is_not_parsed(text):
    began = time.process_time()
    assert not is_python(text) and meaning(text) == text.strip()
    makes(text), reads(text)
    assert time.process_time() - began < 5


def test_cells_with_magics_count_as_python():
    assert is_python("%matplotlib inline\nx = !ls\nlen?\n" + "y = 1\n" * 1000)
