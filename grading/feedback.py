"""Feedback pages: what a student gets back, without the hidden tests."""

import html
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor

from grading import notebooks
from grading.course import Course, CourseError
from grading.release import quiet_logger


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


class Summary(NbGraderPreprocessor):
    """Put a table of the exercises on top: points, and one sentence on what went wrong, linked to its test.

    It reads the scores that nbgrader's `GetGrades` has put into the cells, so it comes after that.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        cells = notebooks.by_id(nb)
        rows = []
        for exercise, tests in notebooks.tests_of(nb).items():
            tests = [cells[test] for test in tests]
            if not tests:
                continue
            score = sum(float(cell.metadata.nbgrader.get("score") or 0.0) for cell in tests)
            full = sum(notebooks.points(cell) for cell in tests)
            said = next((words for words in map(sentence, tests) if words), "All tests pass." if score == full else "")
            lost = next((cell for cell in tests if sentence(cell)), tests[0])
            rows.append((exercise, notebooks.grade_id(lost), score, full, said))
        nb.cells.insert(0, new_markdown_cell(_table(rows)))
        return nb, resources


def sentence(cell: NotebookNode) -> str:
    """The first line of a test cell's error, or nothing if it passed."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            if "NotImplementedError" in output.ename + output.evalue:
                return "Not written yet."
            return (output.evalue.strip().splitlines() or [output.ename])[0]
    return ""


def feedback(course: Course, assignment: str, done: Callable[[str], None] = lambda student: None) -> list[Path]:
    """Write `feedback/<student>/<assignment>/<assignment>.html` for every autograded submission.

    Returns:
        The pages.

    Raises:
        CourseError: nothing is autograded, or nbgrader refused for some students; all of these are named.
    """
    course.source(assignment)
    folders = sorted((course.root / "autograded").glob(f"*/{assignment}"))
    if not folders:
        raise CourseError(f"Nothing is autograded for '{assignment}'. Run: make grade ASSIGNMENT={assignment}")
    pages, errors = [], []
    for folder in folders:
        student, messages = folder.parent.name, []
        coursedir = course.coursedir
        coursedir.assignment_id, coursedir.student_id = assignment, student
        converter = GenerateFeedback(coursedir=coursedir, config=course.config, force=True)
        converter.log = quiet_logger("feedback", messages)
        try:
            with course.entered():
                converter.start()
            pages.append(course.root / "feedback" / student / assignment / f"{assignment}.html")
        except NbGraderException as error:
            errors.append(f"{folder}: {messages[0] if messages else error}")
        done(student)
    if errors:
        raise CourseError("\n".join(["No feedback page could be written for:", *errors]))
    return pages


def _table(rows: list[tuple[str, str, float, float, str]]) -> str:
    lines = ["# Your result", "", f"**{sum(r[2] for r in rows):g} of {sum(r[3] for r in rows):g} points**", ""]
    lines += ["| exercise | points | in short |", "|:--|--:|:--|"]
    for exercise, test, score, full, said in rows:
        words = html.escape(said).replace("|", "&#124;")
        lines.append(f"| [{exercise}](#{test}) | {score:g} / {full:g} | {words} |")
    return "\n".join(lines)
