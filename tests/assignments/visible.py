"""The notebooks with only the part of their tests that students see."""

import copy

from nbformat import NotebookNode

from grading.course import notebooks
from grading.course.folder import Course
from tests.conftest import ROOT


def visible(assignment: str) -> NotebookNode:
    """A source notebook whose tests have only their visible part."""
    notebook = copy.deepcopy(notebooks.read(Course(ROOT).source(assignment)))
    for cell in notebook.cells:
        if notebooks.kind(cell) == "test":
            cell.source = notebooks.split_hidden(cell.source)[0]
    return notebook
