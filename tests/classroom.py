"""The class that `classroom` grades: a student for each thing that may happen, named after it."""

import copy

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, RIGHT, spoil, submit

SPY = """
import gc, json, sys

seen = []

def mean(values):
    held = gc.get_objects()
    texts = {text for thing in held if type(thing) is dict for text in list(thing.values()) if type(text) is str}
    texts |= {text for thing in held if type(thing) in (list, tuple) for text in thing if type(text) is str}
    seen.append({
        "names": sorted(globals()),
        "modules": sorted(name for name in sys.modules if name.startswith("grading")),
        "cells": list(In),
        "hidden": [text[:300] for text in texts if "oracle.same" + "_number(" in text and len(text) > 20],
        "visible": any("f" + '"mean([1, 2, 6]) should be 3, yours' in text for text in texts),
    })
    return sum(values) / len(values)
"""

SHOW = """
for name in ("grading.oracle", "grading.oracle.student_code"):
    try:
        __import__(name)
        seen[-1]["modules"].append(name)
    except ImportError:
        pass
print(json.dumps(seen))
"""

SOLUTIONS = {
    "right": RIGHT,
    "forgets_to_divide": FORGETS_TO_DIVIDE,
    "drops_the_sign": DROPS_THE_SIGN,
    "unwritten": None,
    "copies_the_visible_answer": "def mean(values):\n    return 3",
    "warns_and_shows_half_a_point": "import sys, warnings\n"
    + RIGHT.replace("return", "warnings.warn('hm'); print('!', file=sys.stderr); sys.displayhook(0.5); return"),
    "shows_full_points": "import sys\ndef mean(values):\n    sys.displayhook(2.0)\n    return 0",
    "hides_its_errors": "get_ipython().showtraceback = lambda *args, **kwargs: None\n"
    + RIGHT.replace("return", "return 0 if values == [1, 2, 6] else"),
    "lies_about_equality": "class Liar(float):\n    def __eq__(self, other):\n        return True\n"
    "    def __sub__(self, other):\n        return 0.0\ndef mean(values):\n    return Liar(5)",
    "exits_and_raises": "import sys\n"
    + RIGHT.replace("return", "return sys.exit() if values == [1, 2, 6] else 1 / 0 if values[0] < 0 else"),
    "ends_python": "import os\n" + RIGHT.replace("return", "return os._exit(0) if values == [1, 2, 6] else"),
    "loops_when_asked": RIGHT.replace("    return", "    while values[0] == 2.0:\n        pass\n    return"),
    "loops_and_ends_python_when_asked": "import os\ndef mean(values):\n"
    "    while values == [1, 2, 6]:\n        pass\n    os._exit(0)",
    "does_not_parse": "def mean(values:\n    return",
}


def before_tests(*sources: str):
    """An edit: own cells after the solution."""
    return lambda notebook: notebook.cells.__setitem__(slice(3, 3), [new_code_cell(source) for source in sources])


def without_tests(notebook: NotebookNode) -> None:
    notebook.cells = [cell for cell in notebook.cells if notebooks.kind(cell) != "test"]


def weak_tests(notebook: NotebookNode) -> None:
    for test in ("test_mean", "test_mean_negative"):
        notebooks.by_id(notebook)[test].source = "pass"
        notebooks.by_id(notebook)[test].metadata.nbgrader.points = 100


def as_text(notebook: NotebookNode) -> None:
    for test in notebook.cells[-2:]:
        test.cell_type = "markdown"
        del test["outputs"], test["execution_count"]


def solution_twice(notebook: NotebookNode) -> None:
    twin = copy.deepcopy(notebooks.by_id(notebook)["mean"])
    twin.id = "twin"
    notebook.cells.insert(3, twin)


def other_schema(notebook: NotebookNode) -> None:
    for cell in notebooks.by_id(notebook).values():
        cell.metadata.nbgrader.schema_version = 1


def saved_elsewhere(notebook: NotebookNode) -> None:
    notebook.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        del cell["id"]


EDITS = {
    "has_cells_that_raise_and_end_python": before_tests("1 / 0", "import os\nos._exit(1)"),
    "has_a_cell_that_loops": before_tests("while True:\n    pass"),
    "has_many_cells_that_end_python": before_tests(*["import os\nos._exit(1)"] * 3),
    "deletes_the_tests": without_tests,
    "turns_tests_into_text": as_text,
    "has_the_solution_twice": solution_twice,
    "has_another_schema": other_schema,
    "saves_elsewhere": saved_elsewhere,
}


def hand_in_all(course: Course) -> None:
    """Hand in what every student of this class has."""
    for student, solution in SOLUTIONS.items():
        submit(course, student, solution)
    for student, edit in EDITS.items():
        submit(course, student, RIGHT, edit)
    submit(course, "weakens_the_tests", "def mean(values):\n    return 0", weak_tests)
    submit(course, "deletes_every_cell", None, lambda notebook: notebook.cells.clear())
    submit(course, "spy", SPY, lambda notebook: notebook.cells.append(new_code_cell(SHOW)))
    path = submit(
        course, "renames_and_brings_numpy", "import numpy\n" + RIGHT.replace("sum(values)", "numpy.sum(values)")
    )
    path.rename(path.with_name("my work (1).ipynb"))
    (path.parent / "numpy.py").write_text("sum = lambda values: 9", encoding="utf-8")
    path = course.root / "submitted" / "saves_elsewhere" / "averages" / "averages.ipynb"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    spoil(submit(course, "sends_no_json"), "{ this is no JSON")
    spoil(submit(course, "sends_other_json"), '{"name": "no notebook"}')
    submit(course, "sends_nothing").unlink()
    path = submit(course, "sends_two_notebooks", RIGHT)
    path.rename(path.with_name("a.ipynb"))
    (path.parent / "b.ipynb").write_text("{}", encoding="utf-8")
