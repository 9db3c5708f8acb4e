"""Tests that come, go or change their points after students have handed in: no other grade is lost."""

from grading.authoring.release import release
from grading.course import notebooks
from grading.gradebook import changed_tests, scores
from tests.conftest import cell
from tests.marks import mark


def edit(course, change) -> None:
    path = course.source("averages")
    notebook = notebooks.read(path)
    change(notebook)
    notebooks.write(notebooks.normal_form(notebook), path)


def points(course) -> dict[str, tuple[float, float]]:
    with course.gradebook() as gradebook:
        found = scores.read(gradebook, "averages")["ada"].cells
    return {name: (c.points, c.full) for name, c in sorted(found.items())}


def by_hand(course) -> None:
    """A manual score and a comment for ada."""
    with course.gradebook() as gradebook:
        gradebook.find_grade("test_mean", "averages", "averages", "ada").manual_score = 1.5
        gradebook.find_comment("mean", "averages", "averages", "ada").manual_comment = "Nice."
        gradebook.db.commit()


def test_unchanged_tests_leave_the_gradebook_as_it_is(tiny):
    assert changed_tests.fit(tiny, "averages") == []
    mark(tiny, "ada")
    assert changed_tests.fit(tiny, "averages") == [] and changed_tests.removed(tiny, "averages") == []


def test_a_new_test_and_a_new_exercise_are_added(tiny):
    mark(tiny, "ada")
    by_hand(tiny)

    def add(notebook):
        notebook.cells.append(cell("def twice(x):\n    return 2 * x", "solution", "twice"))
        notebook.cells.append(cell("assert twice(2) == 4", "test", "test_twice", 4))
        notebook.cells.insert(0, cell("import math", "given", "given_imports"))

    edit(tiny, add)
    assert changed_tests.fit(tiny, "averages") == ["test_twice is new, 4 points"]
    release(tiny, "averages")
    assert points(tiny) == {"test_mean": (1.5, 2), "test_mean_negative": (1, 1), "test_twice": (0, 4)}
    with tiny.gradebook() as gradebook:
        assert gradebook.find_comment("mean", "averages", "averages", "ada").manual_comment == "Nice."
        assert gradebook.find_source_cell("given_imports", "averages", "averages").source.endswith("\nimport math")


def test_a_removed_test_and_changed_points_reach_the_gradebook(tiny):
    mark(tiny, "ada")
    by_hand(tiny)

    def change(notebook):
        notebook.cells.pop()
        notebooks.by_id(notebook)["test_mean"].metadata.nbgrader.points = 5

    edit(tiny, change)
    assert changed_tests.removed(tiny, "averages") == ["test_mean_negative"]
    said = ["test_mean_negative is removed, 1 points", "test_mean gives 5 points instead of 2"]
    assert changed_tests.fit(tiny, "averages") == said
    release(tiny, "averages")
    assert points(tiny) == {"test_mean": (1.5, 5)}
    assert changed_tests.fit(tiny, "averages") == []
