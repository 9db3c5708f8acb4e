"""A tag makes a question in the text a graded one."""

import pytest
from nbformat.v4 import new_markdown_cell

from grading.authoring import check, embed
from grading.authoring.release import release
from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import ROOT, tiny_notebook

THINK = """**Think.** What if the list is empty?

<details><summary>An answer</summary>

Then it divides by zero.

</details>"""
NEXT = "## Exercise 1: the mean (3 points)"


def assembled(course: Course, source: str = THINK, tags: tuple[str, ...] = ("points-2",)) -> notebooks.NotebookNode:
    """The notebook with a tagged question before its first exercise, after `make normalize`."""
    notebook = tiny_notebook()
    notebook.cells[1:1] = [new_markdown_cell(source, id="empty-list", metadata={"tags": list(tags)})]
    return embed.assembled(course, "averages", notebook)


def test_normalizing_adds_the_answer_and_changes_nothing_the_second_time(tiny):
    made = assembled(tiny)
    asked, answer = made.cells[1:3]
    assert asked.source == "**Think (2 points).** What if the list is empty?"
    assert (notebooks.grade_id(answer), notebooks.points(answer)) == ("think_empty_list", 2)
    assert answer.source == "Then it divides by zero." and notebooks.by_hand(answer)
    assert embed.differing(tiny, "averages", made) == [] and embed.assembled(tiny, "averages", made) == made


def test_the_name_in_the_tag_names_the_answer_also_if_added_later(tiny):
    named = assembled(tiny, tags=("points-2-Empty_list",))
    assert list(notebooks.answers_of(named)) == ["think_empty_list"]
    made = assembled(tiny)
    made.cells[1].metadata.tags = ["points-2-division"]
    again = embed.assembled(tiny, "averages", made)
    assert notebooks.answers_of(again) == {"think_division": "Then it divides by zero."}
    assert embed.differing(tiny, "averages", again) == []


def test_a_heading_in_the_same_cell_comes_after_the_answer(tiny):
    made = assembled(tiny, f"{THINK}\n\n## What comes next (3 points)\n\nText.")
    assert made.cells[3].source == "## What comes next (3 points)\n\nText." and made.cells[3].id == "empty-list-rest"
    assert len(made.cells) == len(tiny_notebook().cells) + 3


def test_a_question_without_an_answer_and_without_the_word_think(tiny):
    made = assembled(tiny, "What if the list is empty?", ("points-1",))
    assert made.cells[1].source == "**Question (1 point).** What if the list is empty?"
    assert "AUTHOR" in made.cells[2].source
    notebooks.write(made, tiny.source("averages"))
    assert any("think_empty_list still waits to be written" in fault for fault in check.check_written(tiny, "averages"))


def test_changed_points_reach_text_and_answer_and_check_reports_them_first(tiny):
    made = assembled(tiny)
    made.cells[1].metadata.tags = ["points-4"]
    said = embed.differing(tiny, "averages", made)
    assert said[0] == "think_empty_list gives 2 points, the tag of its question 4" and len(said) == 2
    again = embed.assembled(tiny, "averages", made)
    assert again.cells[1].source.startswith("**Think (4 points).**") and notebooks.points(again.cells[2]) == 4
    del made.cells[2]
    assert "has no cell for its answer, think_empty_list" in embed.differing(tiny, "averages", made)[0]


def test_the_question_counts_everywhere_and_the_release_shows_no_answer(tiny):
    made = assembled(tiny, f"<!-- points -->\n<!-- /points -->\n\n## Lists\n\n{THINK}")
    assert "| | Lists | an answer in words | 2 |" in made.cells[1].source and "| all | 5 |" in made.cells[1].source
    notebooks.write(made, tiny.source("averages"))
    (tiny.root / "README.md").write_text("| notebook | points |\n| averages | 5 |\n", encoding="utf-8")
    assert check.check_source(tiny, "averages") == [] and check.check_readme(tiny, ["averages"]) == []
    released = notebooks.by_id(notebooks.read(release(tiny, "averages") / "averages.ipynb"))
    assert released["think_empty_list"].source == "YOUR ANSWER HERE"
    assert check.check_release(tiny, "averages") == []


@pytest.mark.parametrize("assignment", ["conditioning", "optimizers"])
def test_a_question_of_the_real_course_can_be_graded(assignment):
    course = Course(ROOT)
    notebook = notebooks.read(course.source(assignment))
    asked = next(cell for cell in notebook.cells if cell.source.startswith("**Think"))
    asked.metadata["tags"] = ["points-1"]
    before = sum(map(notebooks.points, notebook.cells))
    made = embed.assembled(course, assignment, notebook)
    (answer,) = notebooks.answers_of(made).values()
    assert len(answer) > 100 and "<details>" not in answer and sum(map(notebooks.points, made.cells)) == before + 1
    assert notebooks.tests_of(made) == notebooks.tests_of(notebook)
    assert embed.differing(course, assignment, made) == []
