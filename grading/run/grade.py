"""Autograde a class: sanitize and save in one process, execute in parallel.

The process that calls `grade` is the only one that touches the gradebook, `autograded/` and `records/`. Workers get a
sanitized notebook and give it back executed. Any `concurrent.futures.Executor` will do.

All submissions that are ready at the moment are saved together, see `finishing`.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime

from nbgrader.api import MissingEntry
from sqlalchemy.exc import SQLAlchemyError

from grading.authoring.release import release
from grading.course import temporary_folders
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution import interpreters
from grading.execution.interpreters import Interpreters
from grading.execution.workers import make_pool
from grading.gradebook import records
from grading.gradebook.copies import keep_copy
from grading.gradebook.database import ClassGradebook, scores
from grading.gradebook.records import Record
from grading.intake.submission import find
from grading.run import canary, fingerprint
from grading.run.conversion import Converter, is_unchanged, without_grade
from grading.run.finishing import Ready, Writer
from grading.run.pool import ClusterError, Elsewhere, run
from grading.sandbox.bubblewrap import why_not


def grade(
    course: Course,
    assignment: str,
    jobs: int | None = None,
    executor: Executor | None = None,
    done: Callable[[Record], None] = lambda record: None,
    students: list[str] | None = None,
    force: bool = False,
    started: Interpreters | None = None,
) -> list[Record]:
    """Grade every submission of an assignment in `submitted/` that is new or has changed.

    If that changes existing grades, it first makes a dated copy of the gradebook.

    Args:
        jobs: how many submissions run at the same time; by default the number of cores.
        executor: where they run; by default a pool of processes that is made and closed here. Other machines, see
            `pool.Elsewhere`, get parcels; any other executor runs with this folder.
        done: called as each submission is finished.
        students: only these.
        force: also grade unchanged submissions again.
        started: the interpreters from which the pool is forked; by default they start when needed.

    Returns:
        A record for each student, in their order.

    Raises:
        CourseError: unknown assignment, no release can be made, nothing submitted, somebody else is grading, or the
            grader itself is wrong: the reference solution does not get full marks, or the untouched release gets some;
            or the gradebook's server stopped responding. Results that were saved before stay.
    """
    course.source(assignment)
    isolated = course.config.Execute.get("sandbox") != "none"
    elsewhere = isinstance(executor, Elsewhere)  # then each worker looks for its own sandbox
    if isolated and not elsewhere and why_not():
        raise CourseError(why_not())
    submissions = find(course, assignment, students)
    release_if_unknown(course, assignment)
    course.require_complete(assignment)
    (course.root / "autograded").mkdir(exist_ok=True)
    temporary_folders.sweep()
    finished: dict[str, Record] = {}

    def finish(ended: Record) -> None:
        finished[ended.student] = ended
        done(ended)

    with course.alone(), course.entered(), ClassGradebook(course) as gradebook:
        known, graded_before = records.read(course, assignment), scores(course, assignment)
        settings, converters = fingerprint.of_course(course, assignment), []
        for submission in submissions:
            before = known.get(submission.student)
            try:
                if not force and before and is_unchanged(course, submission, settings, before, graded_before):
                    before.unchanged = True
                    finish(before)
                else:
                    converters.append(Converter(course, submission, gradebook, settings, isolated))
            except Exception as error:
                finish(without_grade(course, submission, error, isolated))
        if converters:
            with contextlib.ExitStack() as stack:
                if elsewhere:
                    started = Interpreters(make_pool)  # none are needed here
                elif started is None:
                    warm = executor is None and isolated and course.config.Execute.get("warm", True)
                    started = stack.enter_context(interpreters.start(course, [assignment], warm))
                canaries = stack.enter_context(canary.prepared(course, assignment, gradebook, isolated))
                results = canary.first(canaries, run([*canaries, *converters], jobs, executor, started))
                writer = Writer(course, gradebook)
                for number, ready in enumerate(results):
                    if number == 0 and any(one.submission.student in graded_before for one in converters):
                        keep_copy(course, datetime.now())
                    executed, stopped = list[Ready](), None
                    for converter, sanitized, result in ready:
                        try:
                            one = result()
                            assert sanitized is not None  # else `result` has raised the error that left none
                            executed.append(Ready(converter, sanitized, one))
                        except ClusterError as error:
                            stopped = error  # nobody else can be graded either
                        except Exception as error:
                            finish(without_grade(course, converter.submission, error, isolated))
                    for saved, ended in writer.save(executed):
                        if isinstance(ended, SQLAlchemyError):
                            gradebook.check_connection()  # without it nobody can be graded
                        if isinstance(ended, Exception):
                            ended = without_grade(course, saved.converter.submission, ended, isolated)
                        finish(ended)
                    if stopped is not None:
                        raise stopped
    return [finished[student] for student in sorted(finished)]


def release_if_unknown(course: Course, assignment: str) -> bool:
    """Release an assignment whose tests the gradebook does not know yet. Returns whether that was necessary.

    Raises:
        CourseError: nbgrader refused to release it, or somebody else is grading.
    """
    with course.alone():
        with course.gradebook() as gradebook, contextlib.suppress(MissingEntry):
            gradebook.find_notebook(assignment, assignment)
            return False
        release(course, assignment)
        return True
