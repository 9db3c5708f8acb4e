"""Two submissions with known grades that run with every class, so that an error of the grader stops the run.

The reference solution must get full marks, and the untouched release none. They are sanitized and executed like all
others, in the same pool and kernels. They are not in the gradebook, and no score is written before both are right.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from pathlib import Path

from grading.authoring.sample_class import SampleStudent, submission
from grading.course import notebooks, temporary_folders
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook.database import ClassGradebook
from grading.intake.submission import Submission
from grading.run.conversion import Converter
from grading.run.pool import ClusterError, Result
from grading.run.results import Executed, Finished

REFERENCE, UNTOUCHED = "the reference solution", "the untouched release"
ANSWERS = {REFERENCE: "solutions", UNTOUCHED: "nothing"}


@contextmanager
def prepared(course: Course, assignment: str, gradebook: ClassGradebook, isolated: bool) -> Iterator[list[Converter]]:
    """Both submissions, in a temporary folder outside the course.

    Raises:
        CourseError: the source's tests are others than those that were released.
    """
    if changed := unreleased(course, assignment, gradebook):
        raise CourseError(
            f"Tests in source/{assignment} are not those that were released, so no score is written: "
            f"{', '.join(changed)}. Run make release ASSIGNMENT={assignment}, or bring back the old source."
        )
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


def unreleased(course: Course, assignment: str, gradebook: ClassGradebook) -> list[str]:
    """The test cells of the source that differ from those in the gradebook: they were changed and not released."""
    known = {cell.name: cell.source for cell in gradebook.find_notebook(assignment, assignment).source_cells}
    cells = notebooks.by_id(notebooks.read(course.source(assignment)))
    tests = {name: cell.source for name, cell in cells.items() if notebooks.kind(cell) == "test"}
    return sorted(name for name, source in tests.items() if known.get(name) != source)


def require_right(
    course: Course, assignment: str, gradebook: ClassGradebook, isolated: bool, submit: Callable[..., Future]
) -> None:
    """Grade both submissions alone, before the watcher grades arrivals.

    Args:
        submit: lets a worker execute a submission: `submit(converter, sanitized)`.

    Raises:
        CourseError: one of them is wrong, with what differs.
        BrokenExecutor: a worker has ended, so that nothing is known of them.
    """
    with prepared(course, assignment, gradebook, isolated) as canaries:
        futures = [(converter, submit(converter, converter.sanitize())) for converter in canaries]
        for _, future in futures:
            if isinstance(error := future.exception(), BrokenExecutor):
                raise error
        _refuse([line for converter, future in futures for line in differences(converter, future.result)], assignment)


def _refuse(wrong: list[str], assignment: str) -> None:
    if wrong:
        lines = "\n".join(f"  {line}" for line in wrong)
        raise CourseError(
            f"The grader is wrong about {assignment}, so no score is written:\n{lines}\n"
            "Run make release and make check; if both end well, the fault is in grading/ or its packages."
        )


def first(canaries: list[Converter], results: Iterator[list[Result]]) -> Iterator[list[Result]]:
    """The other results, held back until both canaries have the right grades.

    Raises:
        CourseError: one of them is wrong, with what differs.
    """
    waiting = list(canaries)
    held: list[Result] = []
    wrong: list[str] = []
    for ready in results:
        for converter, _, result in ready:
            if converter in waiting:
                waiting.remove(converter)
                wrong += differences(converter, result)
                if not waiting:
                    _refuse(wrong, converter.submission.assignment)
        held += [one for one in ready if one[0] not in canaries]
        if held and not waiting:
            yield held
            held = []


def differences(converter: Converter, result: Callable[[], Executed | Finished]) -> list[str]:
    """What is wrong with the grade of a canary, one line for each test; empty if it is right."""
    name = converter.submission.student.replace("-", " ")
    try:
        executed = result()
    except ClusterError:
        raise
    except Exception as error:
        return [f"{name} could not be graded: {type(error).__name__}: {error}"]
    lines = [f"{name}: {words}" for _, words in executed.findings.troubles]
    lines += [f"{name}: {words.splitlines()[0]}" for words in executed.findings.faults]
    tests = executed.tests
    if not tests:
        lines.append(f"{name} has no tests")
    for test, found in tests.items():
        full = found["max"] if name == REFERENCE else 0.0
        if found["points"] != full:
            said = f": {found['error']}" if found["error"] else ""
            lines.append(f"{name} has {found['points']:g} instead of {full:g} points in {test}{said}")
    return lines
