"""Feedback pages: what a student gets back, without the hidden tests."""

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, as_completed
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor

from grading.authoring.release import quiet_logger
from grading.course import notebooks
from grading.course.folder import Course, CourseError
from grading.execution.workers import make_pool


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
    """Sum up the exercises for the top of the page: points, and one sentence on what went wrong.

    It reads the scores that nbgrader's `GetGrades` has put into the cells, so it comes after that.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        cells = notebooks.by_id(nb)
        rows = []
        for exercise, names in notebooks.tests_of(nb).items():
            tests = [cells[name] for name in names]
            if tests:
                score = sum(float(cell.metadata.nbgrader.get("score") or 0.0) for cell in tests)
                full = sum(notebooks.points(cell) for cell in tests)
                lost = next((cell for cell in tests if sentence(cell)), tests[0])
                said = sentence(lost) or ("All tests pass." if score == full else "")
                test = notebooks.grade_id(lost)
                rows.append({"exercise": exercise, "test": test, "score": score, "full": full, "said": said})
        resources["nbgrader"]["summary"] = rows
        return nb, resources


def sentence(cell: NotebookNode) -> str:
    """What a test cell's error says, in a sentence or two; nothing if it passed."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            if "NotImplementedError" in output.ename + output.evalue:
                return "Not written yet."
            lines = output.evalue.strip().splitlines() or [output.ename]
            likely = [line for line in lines if line.startswith("A likely mistake: ")]
            return (likely or lines)[0]
    return ""


def feedback(
    course: Course,
    assignment: str,
    done: Callable[[str], None] = lambda student: None,
    students: list[str] | None = None,
    jobs: int | None = None,
) -> list[Path]:
    """Write `feedback/<student>/<assignment>/<assignment>.html` for every autograded submission, or these students'.

    Args:
        done: called with the student as each page is finished.
        jobs: how many pages are written at the same time; by default the number of cores.

    Returns:
        The pages, by student.

    Raises:
        CourseError: nothing is autograded, or nbgrader refused for some students; all of these are named.
    """
    course.source(assignment)
    folders = sorted(path.parent for path in (course.root / "autograded").glob(f"*/{assignment}/{assignment}.ipynb"))
    found = [folder.parent.name for folder in folders if students is None or folder.parent.name in students]
    if not found:
        raise CourseError(f"Nothing is autograded for '{assignment}'. Run: make grade ASSIGNMENT={assignment}")
    errors = []
    with make_pool(min(jobs or os.cpu_count() or 1, len(found))) as pool:
        waiting = {pool.submit(page, str(course.root), assignment, student): student for student in found}
        for future in as_completed(waiting):
            student = waiting[future]
            try:
                refusal = future.result()
            except BrokenExecutor:
                refusal = "the process that wrote it ended"
            if refusal:
                errors.append(f"{course.root / 'autograded' / student / assignment}: {refusal}")
            done(student)
    if errors:
        raise CourseError("\n".join(["No feedback page could be written for:", *sorted(errors)]))
    return [course.root / "feedback" / student / assignment / f"{assignment}.html" for student in found]


def page(root: str, assignment: str, student: str) -> str:
    """Write one page, in a worker; what nbgrader refused, or nothing."""
    course = Course(Path(root))
    coursedir = course.coursedir
    coursedir.assignment_id, coursedir.student_id = assignment, student
    messages: list[str] = []
    converter = GenerateFeedback(coursedir=coursedir, config=course.config, force=True)
    converter.log = quiet_logger("feedback", messages)
    try:
        with course.entered():
            converter.start()
    except NbGraderException as error:
        return messages[0] if messages else str(error)
    return ""
