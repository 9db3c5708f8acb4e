"""Feedback pages: what a student gets back, without the hidden tests."""

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from grading import notebooks


class HideTests(NbGraderPreprocessor):
    """Take the hidden part out of every test cell; the message of its failure stays."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        if notebooks.kind(cell) == "test":
            lines, hidden = [], False
            for line in cell.source.split("\n"):
                if notebooks.BEGIN_HIDDEN in line:
                    hidden = True
                elif notebooks.END_HIDDEN in line:
                    hidden = False
                elif not hidden:
                    lines.append(line)
            cell.source = "\n".join(lines).rstrip("\n")
        return cell, resources
