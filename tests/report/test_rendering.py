"""What is on a feedback page: what takes too long is shown as plain text, and pictures have words."""

import time
from pathlib import Path

import pytest
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

import grading
from grading.report.rendering import LONG, PLAIN, FeedbackExporter, described


def rendered(cell, plain: bool = False) -> tuple[str, list[str]]:
    return rendered_notebook(new_notebook(cells=[cell]), plain=plain)


def rendered_notebook(notebook: NotebookNode, **nbgrader) -> tuple[str, list[str]]:
    """A page, and what could not be shown on it."""
    templates = [str(Path(grading.__file__).parent / "templates")]
    exporter = FeedbackExporter(template_name="course_feedback", extra_template_basedirs=templates)
    exporter.register_preprocessor(CSSHTMLHeaderPreprocessor, enabled=True)
    names = {"notebook": "averages", "student": "ada", "score": 1, "max_score": 3, "late_penalty": 0}
    text, resources = exporter.from_notebook_node(notebook, {"nbgrader": {**names, **nbgrader}})
    return text, resources["nbgrader"]["notes"]


def test_code_is_highlighted_without_a_remark():
    text, notes = rendered(new_code_cell("a = 1"))
    assert '<span class="n">a</span>' in text and notes == []


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (new_code_cell("a." * 24_000 + "a"), "takes too long"),
        (new_code_cell("a=1\n" * 500_000), "not shown from its character 200,000 on"),
        (new_code_cell("a" * (LONG + 1)), "it has 50,001 characters"),
    ],
)
def test_slow_highlighting_falls_back_to_plain_text_with_a_remark(cell, reason):
    began = time.process_time()
    text, notes = rendered(cell)
    assert time.process_time() - began < 10
    assert len(notes) == 1 and reason in notes[0]
    assert cell.source[:100].strip() in text and len(text) < 10**6


def test_a_plain_page_says_so_once():
    text, notes = rendered(new_code_cell("a = 1 < 2"), plain=True)
    assert "a = 1 &lt; 2" in text and notes == [PLAIN]


@pytest.mark.parametrize("cell", [new_raw_cell("<a " * 10_000), new_markdown_cell("![![" * 12_000)])
def test_raw_and_markdown_cells_are_rendered_quickly(cell):
    began = time.process_time()
    rendered(cell)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ('<img src="x">', '<img alt="No description has been provided for this image" src="x">'),
        ('<IMG src="x" ALT="y">', '<IMG src="x" ALT="y">'),
        ("<script>'<img>'</script><!-- <img> -->", "<script>'<img>'</script><!-- <img> -->"),
        ("<script>'<img>'", "<script>'<img>'"),
        ("no picture", "no picture"),
    ],
)
def test_every_picture_has_a_text_alternative(html, wanted):
    assert described(html) == wanted


@pytest.mark.parametrize("text", ["<script" * 100_000, "<img" * 100_000, "<!--" * 100_000])
def test_searching_for_pictures_is_fast(text):
    began = time.process_time()
    described(text + "<img>")
    assert time.process_time() - began < 5
