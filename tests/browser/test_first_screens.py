"""How far down the first exercise of a notebook is, in JupyterLab on a laptop's screen."""

import shutil

import pytest
from playwright.sync_api import Page

from grading.course import notebooks
from grading.course.folder import Course
from tests.browser.conftest import Lab
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

SCREENS = 3  # at most so many of the notebook's scroll area lie above the first gap
PLACE = """place => {
    const area = document.querySelector(".jp-WindowedPanel-outer");
    const cell = document.querySelector(`.jp-Notebook-cell[data-windowed-list-index="${place}"]`);
    return cell && cell.getBoundingClientRect().top - area.getBoundingClientRect().top + area.scrollTop;
}"""


def screens_above(page: Page, place: int) -> float:
    """How many screens of the notebook lie above a cell; JupyterLab knows a cell's height once it was scrolled to."""
    area = page.locator(".jp-WindowedPanel-outer")
    screen = area.evaluate("area => area.clientHeight")
    for half in range(40):
        area.evaluate("(area, top) => { area.scrollTop = top; }", half * screen / 2)
        page.wait_for_timeout(200)  # JupyterLab draws what has come into sight
        if (top := page.evaluate(PLACE, place)) is not None:
            return top / screen
    pytest.fail("the cell never came into sight")


@pytest.mark.parametrize("assignment", Course(ROOT).assignments)
def test_the_first_exercise_is_at_most_three_screens_down(page, lab: Lab, assignment):
    path = ROOT / "release" / assignment / f"{assignment}.ipynb"
    cells = notebooks.read(path).cells
    gap = next(place for place, cell in enumerate(cells) if notebooks.kind(cell) == "solution")
    folder = lab.course.root / "first" / assignment
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    page.goto(f"{lab.url}lab/tree/first/{assignment}/{path.name}?reset", wait_until="domcontentloaded")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator(".jp-Notebook-cell").first.wait_for()
    assert 0 < screens_above(page, gap) <= SCREENS
