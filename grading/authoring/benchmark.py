"""Measure grading against stock `nbgrader autograde`, on the same submissions, in one run.

Every figure is of a whole command, with all processes that it starts: seconds on the clock, seconds of processor time,
and the peak of the memory that they take together, shared pages counted once.
"""

import ctypes
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from grading import templates
from grading.authoring import sample_class
from grading.authoring.release import release
from grading.authoring.sample_class import SampleStudent
from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.gradebook import records
from grading.gradebook.database import scores
from grading.sandbox.watchdog import children, proportional

PR_SET_CHILD_SUBREAPER = 36
STOCK_SETTINGS = """
c = get_config()
c.CourseDirectory.course_id = "bench"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
c.Execute.timeout = 120
"""


@dataclass
class Cost:
    """What a command took: seconds on the clock, seconds of processor time, bytes of memory at the peak."""

    wall: float
    cpu: float
    memory: int


@dataclass
class Result:
    """One assignment, measured.

    Attributes:
        stock: stock nbgrader, `few` submissions.
        ours: the same submissions; `ours_all` with the demonstrations, too.
        growth: by number of submissions.
        cells: seconds on the clock of the cells of one submission, on average, in the largest class.
        differing: students whose scores are not the same.
    """

    assignment: str
    few: int
    stock: Cost
    ours: Cost
    ours_all: Cost
    growth: dict[int, Cost]
    cells: float
    differing: list[str]

    @property
    def largest(self) -> int:
        """How many submissions the largest class has."""
        return max(self.growth)

    @property
    def last(self) -> Cost:
        """What the largest class took."""
        return self.growth[self.largest]

    @property
    def each(self) -> tuple[float, float]:
        """Start-up and seconds for each further submission, from the smallest and the largest class."""
        small, first = min(self.growth), self.growth[min(self.growth)]
        slope = (self.last.wall - first.wall) / max(1, self.largest - small)
        return first.wall - slope * small, slope

    @property
    def ratio(self) -> float:
        """How many times as many submissions in the same time, in the largest class."""
        return (self.stock.wall / self.few) / (self.last.wall / self.largest)


def measure(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message holds the end of what it said.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # so that what outlives its parent is counted here
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (folder / "bench.log").open("w+b") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT
        )
        peak, ended = [0], threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peak, ended))
        sampler.start()
        code = process.wait()
        wall = time.monotonic() - began
        ended.set()
        sampler.join()
        _reap()
        if code:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{log.read().decode(errors='replace')[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0])


def _sample(pid: int, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        generation, total = [pid], 0
        while generation:
            total += sum(map(proportional, generation))
            generation = [child for one in generation for child in children(one)]
        peak[0] = max(peak[0], total)


def _reap(seconds: float = 10) -> None:
    """Wait for the orphans of a command, so that their processor time is known."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            return


def mixed_class(course: Course, assignment: str, number: int, seed: int = 0) -> list[SampleStudent]:
    """Students who get about three exercises in four right, and make a mistake of the catalogue in the others."""
    source = notebooks.read(course.source(assignment))
    entries = catalogue.load(course.root / "mistakes" / f"{assignment}.toml", source)
    # An answer that stands on another exercise's answer is right or wrong only together with that one.
    alone = [entry for entry in entries if not entry.right and not catalogue.stands_on_another(entry)]
    draw, students = random.Random(seed), []
    for index in range(number):
        answers = []
        for exercise in notebooks.tests_of(source):
            wrong = [entry.name for entry in alone if entry.cell == exercise]
            if wrong and draw.random() < 0.25:
                answers.append(draw.choice(wrong))
        students.append(SampleStudent(f"student-{index:03}", tuple(answers)))
    return students


def run(
    course: Course,
    assignment: str,
    sizes: list[int],
    few: int,
    jobs: int,
    said: Callable[[str], None] = lambda words: None,
) -> Result:
    """Measure one assignment.

    Args:
        sizes: how many submissions the classes have.
        few: how many of them stock nbgrader grades, one after another.
        jobs: how many submissions this package grades at the same time.
    """
    students = mixed_class(course, assignment, max(sizes))
    folder = course.root / "build" / "bench"
    stock = _class(course, folder / "stock", assignment, students[:few], STOCK_SETTINGS)
    said(f"{assignment}: stock nbgrader grades {few} submissions")
    stock_cost = measure([sys.executable, "-m", "nbgrader", "autograde", assignment, "--force"], stock.root)
    growth, kept = {}, None
    for size in sorted(sizes):
        ours = _class(course, folder / f"ours-{size}", assignment, students[:size])
        said(f"{assignment}: make grade grades {size} submissions")
        growth[size] = measure(_grade(assignment, jobs), ours.root)
        kept = ours
    seconds = [one.seconds for one in records.read(kept, assignment).values()]
    small = _class(course, folder / "ours", assignment, students[:few])
    said(f"{assignment}: make grade grades the {few} submissions of stock nbgrader")
    ours_cost = measure(_grade(assignment, jobs), small.root)
    expected, got = scores(stock, assignment), scores(small, assignment)
    settings = small.root / "nbgrader_config.py"
    settings.write_text(settings.read_text(encoding="utf-8") + "c.Execute.demonstrations = True\n", encoding="utf-8")
    said(f"{assignment}: once more, with all demonstrations")
    ours_all = measure(_grade(assignment, jobs), small.root)
    differing = [student for student in expected if expected[student] != got.get(student)]
    mean = sum(seconds) / len(seconds)
    return Result(assignment, few, stock_cost, ours_cost, ours_all, growth, mean, differing)


def _grade(assignment: str, jobs: int) -> list[str]:
    return [sys.executable, "-m", "grading", "grade", "--assignment", assignment, "--jobs", str(jobs), "--force"]


def _class(
    course: Course, folder: Path, assignment: str, students: list[SampleStudent], settings: str | None = None
) -> Course:
    """A copy of the course with a class that has handed in."""
    own = sample_class.prepare(course, folder)
    if settings:
        (own.root / "nbgrader_config.py").write_text(settings, encoding="utf-8")
        own = Course(own.root)
    release(own, assignment)
    sample_class.hand_in(own, assignment, students)
    return own


def write_report(results: list[Result], jobs: int, path: Path) -> None:
    """Write `path` (Markdown) and the plot beside it, of the same name with .png."""
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    plot = path.with_suffix(".png")
    text = templates.render("benchmark.md.j2", results=results, jobs=jobs, machine=machine, plot=plot.name)
    path.write_text(text, encoding="utf-8")
    _plot(results, plot)


def _plot(results: list[Result], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for one, color, marker in zip(results, ("#0072B2", "#D55E00", "#009E73"), "osD"):
        sizes = list(one.growth)
        axes.plot(sizes, [cost.wall for cost in one.growth.values()], color=color, marker=marker, label=one.assignment)
        stock = [one.stock.wall / one.few * size for size in sizes]
        axes.plot(sizes, stock, color=color, linestyle=":", label=f"{one.assignment}, stock (from {one.few})")
    axes.set(xscale="log", yscale="log", xlabel="submissions", ylabel="seconds")
    axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(True, which="both", color="0.9")
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def clean(course: Course) -> None:
    """Delete the classes that were measured."""
    shutil.rmtree(course.root / "build" / "bench", ignore_errors=True)
