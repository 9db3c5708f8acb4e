"""A failing student's feedback page in the browser, on a desktop and on a phone."""

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_markdown_cell
from playwright.sync_api import expect

from grading.authoring.release import release
from grading.course import notebooks
from grading.report.feedback import feedback
from tests.conftest import DROPS_THE_SIGN, cell, graded, submit, tiny_source

PROSE = r"""The mean of $n$ values is $\bar x = \frac{1}{n} \sum_i x_i$. In steps, with a line too long for a phone:

$$\begin{aligned} m_{t+1} &= m_t + \frac{x_{t+1} - m_t}{t + 1} \\
m_{10} &= \frac{x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7 + x_8 + x_9 + x_{10}}{10} = m_9 + \frac{x_{10} - m_9}{10}
\end{aligned}$$

### A table

| a rather long heading | another rather long heading | and one more of these long headings |
| --- | --- | --- |
| `a_name_that_cannot_be_broken_anywhere_at_all` | `a_name_that_cannot_be_broken_anywhere_at_all` | 1 |"""

TEST_PATH = """# Hidden test: the mean of the first values.
### BEGIN HIDDEN TESTS
from grading import oracle, student

values = [4.0, -2.0, 7.0]
path = [[student.call("mean", values[: n + 1])] for n in range(3)]
oracle.same_path(path, [[4.0], [1.0], [3.0]], what="the running mean", names=["mean"])
### END HIDDEN TESTS"""


@pytest.fixture(scope="module")
def written(browser, pool, tmp_path_factory) -> Path:
    """The feedback page of a student who drops the sign, with formulas, tables and a picture."""
    course = tiny_source(tmp_path_factory.mktemp("feedback") / "course")
    path = course.source("averages")
    source = notebooks.read(path)
    source.cells.insert(3, new_markdown_cell(PROSE, id="prose"))
    source.cells.append(cell(TEST_PATH, "test", "test_mean_running", 1))
    notebooks.write(source, path)
    mistakes = course.root / "mistakes" / "averages.toml"
    lost = '["test_mean_negative"]'
    mistakes.write_text(
        mistakes.read_text(encoding="utf-8").replace(lost, f'{lost[:-1]}, "test_mean_running"]'), "utf-8"
    )
    release(course, "averages")
    submit(course, "bob", f"{DROPS_THE_SIGN}  # {'a long line ' * 20}")
    assert graded(course, pool).outcomes["bob"].state == "graded"
    return feedback(course, "averages")[0]


@pytest.fixture
def page(opened):
    return opened[0]


def test_the_page_needs_no_network_and_has_no_errors(opened):
    _, complaints = opened
    assert complaints == []


def test_the_page_does_not_scroll_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_the_headings_are_in_order(page):
    headings = page.locator("h1, h2, h3, h4, h5, h6")
    assert headings.evaluate_all("all => all.map(heading => heading.tagName)") == ["H1", "H2", "H3", "H4"]


def test_the_summary_links_to_the_failed_test(page):
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="mean", exact=True)).first
    expect(row).to_contain_text("2 / 4")
    expect(row).to_contain_text("A likely mistake: The sign of the values is lost.")
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("#test_mean_negative")).not_to_be_in_viewport()
    row.get_by_role("link", name="mean").click()
    expect(page.locator("#test_mean_negative")).to_be_in_viewport()


def test_every_table_has_headers(page):
    tables = page.get_by_role("table")
    assert tables.count() >= 4
    for table in tables.all():
        assert table.locator("thead th").count() > 1


def test_the_picture_says_what_it_shows(page):
    picture = page.get_by_role("img", name=re.compile("mean step by step.* part at step 1"))
    expect(picture).to_have_count(1)
    assert 100 < picture.bounding_box()["width"] <= page.viewport_size["width"]


def test_formulas_are_rendered(page):
    assert page.locator("math mfrac").count() >= 3
    assert page.locator("math mtable").bounding_box()["height"] > 40
    assert "$" not in page.locator("main").inner_text() and "\\frac" not in page.content()


@pytest.mark.parametrize("secret", ["oracle", "HIDDEN", "student.call", "values[: n", "same_path"])
def test_no_hidden_line_is_in_the_page(page, secret):
    text = page.content() + page.locator("html").text_content()  # colors split the lines of code in the former
    assert "Hidden test: the mean of the first values." in text
    assert secret not in text
