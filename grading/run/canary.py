"""Two submissions of whose grade there is no doubt, graded beside every class: a fault of the grader stops the run.

The reference solution must have full marks and the untouched release none. They take the same way as everybody's work:
the same sanitizing, the same pool, the same kernels. They are in no gradebook, and no score is written before they are
back.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grading.authoring.sample_class import SampleStudent, submission
from grading.course import notebooks, temporary_folders
from grading.course.folder import Course, CourseError
from grading.gradebook.database import ClassGradebook
from grading.intake.submission import Submission
from grading.run.conversion import Converter, Executed, Sanitized, tests_of

REFERENCE, UNTOUCHED = "the reference solution", "the untouched release"
ANSWERS = {REFERENCE: "solutions", UNTOUCHED: "nothing"}

Results = Iterator[tuple[Converter, Sanitized | None, Callable[[], Executed]]]


@contextmanager
def prepared(course: Course, assignment: str, gradebook: ClassGradebook, isolated: bool) -> Iterator[list[Converter]]:
    """Both submissions, in a folder outside of the course that is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix=temporary_folders.prefix("canary")))
    try:
        made = []
        for name, answers in ANSWERS.items():
            student = name.replace(" ", "-")
            notebook = submission(course, assignment, SampleStudent(student, answers), [])
            own = folder / student / assignment
            notebooks.write(notebook, own / f"{assignment}.ipynb")
            handed_in = Submission(student, assignment, own, course.coursedir.ignore)
            made.append(Converter(course, handed_in, gradebook, "", isolated, draft=folder / f"{student}-runs"))
        yield made
    finally:
        temporary_folders.remove(folder)


def first(canaries: list[Converter], results: Results) -> Results:
    """The other results, held back until those of the canaries are there and right.

    Raises:
        CourseError: one of them is wrong, with what differs.
    """
    waiting = list(canaries)
    held: list[tuple[Converter, Sanitized | None, Callable[[], Executed]]] = []
    wrong: list[str] = []
    for converter, sanitized, result in results:
        if converter in waiting:
            waiting.remove(converter)
            wrong += differences(converter, result)
            if not waiting:
                if wrong:
                    lines = "\n".join(f"  {line}" for line in wrong)
                    assignment = converter.submission.assignment
                    raise CourseError(
                        f"The grader is wrong about {assignment}, so no score is written:\n{lines}\n"
                        "Run make release and make check; if both end well, the fault is in grading/ or its packages."
                    )
                yield from held
        elif waiting:
            held.append((converter, sanitized, result))
        else:
            yield converter, sanitized, result


def differences(converter: Converter, result: Callable[[], Executed]) -> list[str]:
    """What is wrong about the grade of a canary, a line for each test; empty if nothing is."""
    name = converter.submission.student.replace("-", " ")
    try:
        executed = result()
    except Exception as error:
        return [f"{name} could not be graded: {type(error).__name__}: {error}"]
    lines = [f"{name}: {words}" for _, words in executed.findings.troubles]
    lines += [f"{name}: {words.splitlines()[0]}" for words in executed.findings.faults]
    tests = tests_of(executed.notebook)
    if not tests:
        lines.append(f"{name} has no tests")
    for test, found in tests.items():
        full = found["max"] if name == REFERENCE else 0.0
        if found["points"] != full:
            said = f": {found['error']}" if found["error"] else ""
            lines.append(f"{name} has {found['points']:g} instead of {full:g} points in {test}{said}")
    return lines
