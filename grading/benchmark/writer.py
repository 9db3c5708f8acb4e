"""How many submissions the one writer saves in a second: it limits a class, however many machines execute."""

import pickle
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from rich.table import Table

from grading.authoring import sample_class
from grading.authoring.release import release
from grading.authoring.sample_class import SampleStudent
from grading.course.folder import Course
from grading.gradebook.database import ClassGradebook
from grading.intake.submission import find
from grading.run import fingerprint, pool
from grading.run.conversion import Converter
from grading.run.finishing import Ready, Writer

TOGETHER = 16  # submissions that are ready at the same moment, as with the workers of one machine


@dataclass
class Saved:
    """What saving took, from the gradebook's start on: seconds on the clock, and of this process's processor time."""

    wall: float = 0.0
    cpu: float = 0.0


def run(
    course: Course, assignment: str, sizes: list[int], database: str, said: Callable[[str], None] = lambda words: None
) -> dict[int, Saved]:
    """Save one executed submission for as many students as the largest size.

    Args:
        database: the URL of an empty one; empty text for SQLite.

    Returns:
        By size, what the students up to it took.
    """
    own = sample_class.prepare(course, course.root / "build" / "bench" / "writer")
    if database:
        settings = own.root / "nbgrader_config.py"
        line = f"\nc.CourseDirectory.db_url = {database!r}\n"
        settings.write_text(settings.read_text(encoding="utf-8") + line, encoding="utf-8")
        own = Course(own.root)
    release(own, assignment)
    sample_class.hand_in(own, assignment, [SampleStudent("student-0", ())])
    for number in range(1, max(sizes)):
        shutil.copytree(own.root / "submitted" / "student-0", own.root / "submitted" / f"student-{number}")
    said(f"{assignment}: {max(sizes)} submissions are saved")
    return _save_all(own, assignment, sizes)


def _save_all(course: Course, assignment: str, sizes: list[int]) -> dict[int, Saved]:
    total, found, executed = Saved(), dict[int, Saved](), None
    settings, submissions = fingerprint.of_course(course, assignment), find(course, assignment, None)
    bounds = sorted({*range(0, len(submissions), TOGETHER), *sizes})
    with course.entered(), ClassGradebook(course) as gradebook:
        writer = Writer(course, gradebook)
        for begin, end in pairwise(bounds):
            wall, cpu = time.monotonic(), time.process_time()
            converters = [
                Converter(course, submission, gradebook, settings, isolated=True)
                for submission in submissions[begin:end]
            ]
            total = Saved(total.wall + time.monotonic() - wall, total.cpu + time.process_time() - cpu)
            if executed is None:  # all have handed in the same
                sanitized = converters[0].sanitize()
                function, *arguments = pool.task(converters[0], sanitized)
                executed = pickle.dumps(function(*arguments))
            for converter in converters:
                converter.draft.mkdir(parents=True, exist_ok=True)
            wall, cpu = time.monotonic(), time.process_time()
            ready = [Ready(converter, sanitized, pickle.loads(executed)) for converter in converters]
            for _, ended in writer.save(ready):
                if isinstance(ended, Exception):
                    raise ended
            total = Saved(total.wall + time.monotonic() - wall, total.cpu + time.process_time() - cpu)
            if end in sizes:
                found[end] = total
    return found


def table(assignment: str, found: dict[int, Saved]) -> Table:
    """A row for each size: the rate of the students up to it, without those of the row before."""
    made = Table("submissions", "a second", "ms each", "processor, ms each", title=f"{assignment}: saving")
    for (before, one), (size, other) in pairwise([(0, Saved()), *sorted(found.items())]):
        wall, cpu = ((b - a) / (size - before) for a, b in ((one.wall, other.wall), (one.cpu, other.cpu)))
        made.add_row(f"{before + 1} to {size}", f"{1 / wall:.0f}", f"{1000 * wall:.1f}", f"{1000 * cpu:.1f}")
    return made
