"""Rubrics: items with points and a sentence, and what becomes of them in a comment."""

import pytest

from grading.course import rubrics
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.course.rubrics import Item


def written(course: Course, text: str) -> Course:
    path = course.root / "rubrics" / "averages.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return course


def test_items_are_read_by_question_in_order(tiny):
    course = written(
        tiny, '[[b]]\npoints = 1\ntext = "One\\n line."\n[[b]]\npoints = -0.5\ntext = "x"\n[[a]]\npoints=0\ntext="y"'
    )
    assert rubrics.load(course, "averages") == {"b": [Item(1, "One line."), Item(-0.5, "x")], "a": [Item(0, "y")]}


def test_without_a_file_there_is_no_rubric(tiny):
    assert rubrics.load(tiny, "averages") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[why]\n", "rubrics/averages.toml: cannot be read"),
        ('[why]\npoints = 1\ntext = "x"', r"write each item of why as \[\[why\]\]"),
        ("why = 2", r"write each item of why as \[\[why\]\]"),
        ('[[why]]\ntext = "x"', "item 1 of why should have points = <number> and text"),
        ("[[why]]\npoints = 1", "item 1 of why should have"),
        ('[[why]]\npoints = "1"\ntext = "x"', "item 1 of why should have"),
        ('[[why]]\npoints = true\ntext = "x"', "item 1 of why should have"),
        ('[[why]]\npoints = nan\ntext = "x"', "item 1 of why should have"),
        ('[[why]]\npoints = 1\ntext = " "', "item 1 of why should have"),
        ('[[why]]\npoints = 1\ntext = "x"\nmore = 1', "item 1 of why should have"),
        ("why = [1]", "item 1 of why should have"),
        ('[[why]]\npoints = 1\ntext = "x"\n[[why]]\npoints = 2\ntext = " x"', "two items of why have the same text: x"),
    ],
)
def test_a_faulty_rubric_is_reported(tiny, text, words):
    with pytest.raises(CourseError, match=words):
        rubrics.load(written(tiny, text), "averages")


def test_a_comment_is_parsed_into_its_items_again():
    items = [Item(1, "a"), Item(-0.5, "b"), Item(0, "c")]
    for chosen in ([], items[:1], items[1:], items):
        for remark in ("", "Own words.\n\n- and a list"):
            assert rubrics.parts(rubrics.comment(chosen, remark), items) == (chosen, remark)
    assert rubrics.comment(items[:2], "Fine.") == "- **+1** a\n- **-0.5** b\n\nFine."
    assert rubrics.parts(rubrics.comment(items, ""), items[:1]) == (items[:1], "- **-0.5** b\n- c")
    assert rubrics.plain("- **-0.5** b\n- c\n\n**+1** x") == "-0.5 b\nc\n\n**+1** x"
