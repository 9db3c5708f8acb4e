"""Pictures without a text alternative are found, and no others."""

import nbformat.v4 as v4
import pytest

from grading.authoring import pictures
from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import ROOT

COURSE = Course(ROOT)


def found(source: str, make=v4.new_code_cell) -> list[str]:
    return pictures.without_text(v4.new_notebook(cells=[make(source)]))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("_, ax = plt.subplots()\nax.plot([1, 2])", "draws a figure that nothing describes"),
        ("fig = plt.figure()\nplt.show()", "calls show()"),
        ("_, ax = plt.subplots()\nshow_figure('')", "calls show_figure without a text"),
        ("show_figure()", "calls show_figure without a text"),
        ("show_plotly(data, layout, frames)", "calls show_plotly without a text"),
        ("show_plotly(data, layout, text='')", "calls show_plotly without a text"),
        ("def draw():\n    _, ax = plt.subplots()\n    ax.plot([1])", "draws a figure that nothing describes"),
        ("drawn = axes(2)\ndrawn[0].plot([1])", "draws a figure that nothing describes"),
    ],
)
def test_a_picture_without_a_text_is_found(source, words):
    assert any(words in fault for fault in found(source)), found(source)


@pytest.mark.parametrize(
    "source",
    [
        "_, ax = plt.subplots()\nax.plot([1, 2])\nshow_figure('A rising line.')",
        "show_plotly(data, layout, frames, f'{title}: a path.')",
        "show_plotly(data, layout, text=text)",
        "def axes(n):\n    _, drawn = plt.subplots(1, n)\n    return drawn",
        "print('no picture')",
        "%matplotlib inline",
    ],
)
def test_a_picture_with_a_text_is_not_reported(source):
    assert found(source) == []


def test_images_in_prose_need_a_text():
    assert found("![](a.png)", v4.new_markdown_cell) and found('<img src="a.png">', v4.new_markdown_cell)
    assert found('<img alt="" src="a.png">', v4.new_markdown_cell)
    assert not found("![a hill](a.png)", v4.new_markdown_cell)
    assert not found('<img src="a.png" alt="a hill">', v4.new_markdown_cell)


@pytest.mark.parametrize("assignment", COURSE.assignments)
def test_every_picture_of_the_course_has_a_text(assignment):
    assert pictures.without_text(notebooks.read(COURSE.source(assignment))) == []
