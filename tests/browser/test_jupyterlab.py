"""A student's way through the first exercise in JupyterLab, from the empty gap to the points."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from grading.authoring.release import release
from grading.authoring.sample_class import prepare
from grading.course import notebooks
from grading.course.folder import Course
from grading.run.grade import grade
from tests.browser.conftest import Lab
from tests.conftest import ROOT, scores_of

pytestmark = pytest.mark.slow

ASSIGNMENT, EXERCISE, TEST = "mini-torch", "hand_gradient", "test_hand_gradient_x2"
SOURCE = notebooks.read(ROOT / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
RELEASE = notebooks.read(ROOT / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
PLACES = {notebooks.grade_id(cell): place for place, cell in enumerate(RELEASE.cells)}
PICTURE = next(  # the first one after the exercise's tests
    place
    for place, cell in enumerate(RELEASE.cells)
    if place > PLACES[TEST] and notebooks.kind(cell) is None and "# @title Picture" in cell.source
)
SOLUTION = re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", notebooks.by_id(SOURCE)[EXERCISE].source)
WRONG = SOLUTION.replace("4 * x2", "2 * x2")


class OpenNotebook:
    """A notebook in JupyterLab, used as a student does; a cell is known by its place in the file."""

    def __init__(self, page: Page, url: str):
        self.page = page
        page.goto(url, wait_until="domcontentloaded")
        self.idle()

    def idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()

    def cell(self, place: int) -> Locator:
        return self.page.locator(f'.jp-Notebook-cell[data-windowed-list-index="{place}"]')

    def output(self, place: int) -> Locator:
        return self.cell(place).locator(".jp-OutputArea")

    def run(self, place: int) -> None:
        self.cell(place).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")

    def write(self, place: int, source: str) -> None:
        """Replace a cell's text, and run it."""
        editor = self.cell(place).locator(".cm-content")
        editor.focus()  # a click may land beside it while pictures above are still growing
        expect(editor).to_be_focused()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        expect(editor).to_contain_text(source.rstrip().splitlines()[-1].strip())
        self.page.keyboard.press("Control+Enter")

    def run_all_above(self, place: int) -> None:
        self.cell(place).locator(".jp-InputPrompt").click()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Above Selected Cell").click()
        expect(self.cell(PLACES[EXERCISE]).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"))

    def validate(self) -> str:
        """What the Validate button says; it saves the notebook first."""
        self.page.get_by_role("button", name="Validate").click()
        dialog = self.page.locator(".jp-Dialog", has_text="Validation Results")
        said = dialog.inner_text()
        dialog.get_by_role("button", name="Ok").click()
        return said

    def save(self) -> None:
        def is_saving(response: Response) -> bool:
            return response.request.method == "PUT" and "/api/contents/" in response.url

        with self.page.expect_response(is_saving) as saved:
            self.page.keyboard.press("Control+s")
        assert saved.value.ok


@pytest.fixture(scope="module")
def saved(lab: Lab) -> Path:
    """The notebook's file in the folder of the student."""
    folder = shutil.copytree(ROOT / "release" / ASSIGNMENT, lab.course.root / "student" / ASSIGNMENT)
    return Path(folder) / f"{ASSIGNMENT}.ipynb"


def test_a_student_solves_the_first_exercise_from_the_empty_gap_to_full_points(page, lab, saved, pool, tmp_path):
    notebook = OpenNotebook(page, f"{lab.url}lab/tree/{saved.relative_to(lab.course.root)}?reset")
    gap, test = PLACES[EXERCISE], PLACES[TEST]

    notebook.run_all_above(test)
    notebook.run(test)
    expect(notebook.output(test)).to_contain_text("not written yet")
    notebook.run(PLACES["given_plots"])  # the given code between the tests and the picture
    notebook.run(PICTURE)
    expect(notebook.output(PICTURE)).to_contain_text("This gap is still empty: do what the TODO above says.")

    notebook.write(gap, WRONG)
    notebook.run(test)
    expect(notebook.output(test)).to_contain_text(re.compile(r"✗.*should be -8.*yours is -4"))

    notebook.write(gap, SOLUTION)
    notebook.run(test)
    expect(notebook.output(test)).to_contain_text("✓")
    notebook.run(PICTURE)
    expect(notebook.output(PICTURE).locator("img, svg").first).to_be_visible()

    said = notebook.validate()
    assert "not written yet" in said and "✗ add:" in said
    assert "@self_check(" in said and EXERCISE not in said, "only what fails is told"
    notebook.save()

    course = prepare(Course(ROOT), tmp_path / "course")
    release(course, ASSIGNMENT)
    shutil.copytree(saved.parent, course.root / "submitted" / "ada" / ASSIGNMENT)
    (outcome,) = grade(course, ASSIGNMENT, executor=pool)
    assert outcome.state == "graded", outcome.reason
    points = {name: notebooks.points(cell) for name, cell in notebooks.by_id(RELEASE).items() if notebooks.points(cell)}
    own = notebooks.tests_of(RELEASE)[EXERCISE]
    assert scores_of(course, "ada", ASSIGNMENT) == {name: points[name] * (name in own) for name in points}
