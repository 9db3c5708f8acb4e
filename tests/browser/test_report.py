"""The class at a glance in the browser: one file, no network, drawn plots with tables beside them, also on a phone."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from grading.course.folder import Course
from grading.report.page import report


@pytest.fixture(scope="module")
def written(browser, classroom, tmp_path_factory) -> Path:
    """The report of the class in which everything happens."""
    root = tmp_path_factory.mktemp("report") / "course"
    return report(Course(Path(shutil.copytree(classroom.course.root, root))), "averages", False)


def test_plots_are_drawn_without_network_or_errors(opened):
    page, complaints = opened
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    assert complaints == []


def test_the_page_does_not_scroll_sideways(opened):
    page, _ = opened
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_what_the_plots_show_is_in_tables_with_headers(opened):
    page, _ = opened
    tables = page.locator("table")
    assert tables.count() >= 3
    assert tables.evaluate_all("all => all.every(table => table.querySelector('th'))")
    expect(page.locator("h1")).to_have_count(1)


def test_the_page_names_mistakes_and_students_who_need_a_person(opened):
    page, _ = opened
    text = page.locator("body").inner_text()
    assert "The sign of the values is lost." in text and "drops_the_sign" in text
    assert "ends_python" in text and "sends_no_json" in text
