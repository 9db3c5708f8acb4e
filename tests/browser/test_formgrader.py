"""An instructor's way in formgrader, from the list of assignments to a comment that a student reads."""

import re

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from grading.report.feedback import feedback
from tests.browser.conftest import Lab
from tests.conftest import FORGETS_TO_DIVIDE, RIGHT, Graded, graded, submit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classroom_of_two(lab: Lab, pool) -> Graded:
    """Ada is right and Bob forgets to divide; both are graded in the course that JupyterLab shows."""
    submit(lab.course, "ada", RIGHT)
    submit(lab.course, "bob", FORGETS_TO_DIVIDE)
    return graded(lab.course, pool)


def open_formgrader(page: Page, url: str) -> FrameLocator:
    """Formgrader in a tab of JupyterLab, opened from its menu."""
    page.goto(f"{url}lab?reset", wait_until="domcontentloaded")
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Formgrader").first.click()
    return page.frame_locator("iframe")


def fill(page: Page, field: Locator, text: str) -> None:
    """Fill in a comment or a score, leave the field, and wait until it is saved."""
    with page.expect_response(re.compile("/formgrader/api/(comment|grade)/")) as saved:
        field.fill(text)
        field.blur()
    assert saved.value.ok, saved.value.text()


def test_a_comment_and_a_score_by_hand_survive_grading_again_and_reach_the_feedback(page, lab, pool, classroom_of_two):
    formgrader = open_formgrader(page, lab.url)
    assignment = formgrader.get_by_role("row", name="averages")
    assignment.get_by_role("link", name="2", exact=True).click()  # the number of submissions
    expect(formgrader.get_by_role("heading", name="Manage Submissions")).to_be_visible()
    expect(formgrader.get_by_role("row", name="ada")).to_contain_text("3 / 3")
    bob = formgrader.get_by_role("row", name="bob")
    expect(bob).to_contain_text("0 / 3")
    bob.get_by_role("link").first.click()
    formgrader.get_by_role("row", name="averages").get_by_role("link", name="averages").click()

    answer = formgrader.locator(".nbgrader_cell", has=formgrader.locator("#mean-comment"))
    expect(answer).to_contain_text("return sum(values)")
    expect(formgrader.get_by_text("A likely mistake: The sum is not divided").first).to_be_visible()
    fill(page, formgrader.locator("#mean-comment"), "Divide by how *many* values there are.")
    fill(page, formgrader.locator("#test_mean"), "1.5")

    again = graded(lab.course, pool, students=["bob"], force=True)
    assert again.outcomes["bob"].state == "graded" and not again.outcomes["bob"].unchanged
    assert again.scores("bob") == (1.5, 0.0)

    (path,) = feedback(lab.course, "averages", students=["bob"])
    page.goto(path.as_uri())
    expect(page.get_by_text("1.5 of 3 points")).to_be_visible()
    expect(page.locator("#comment-mean")).to_have_text(re.compile(r"Comment:\s+Divide by how many values there are."))
    expect(page.locator("#comment-mean em")).to_have_text("many")
