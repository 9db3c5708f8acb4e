"""Measure grading against stock nbgrader, on the same submissions, in one run.

`make bench` takes a few minutes: a class of ten of each assignment, stock nbgrader on one submission, where the
processor time goes, and what the tables of a thousand cost. `SIZES=10,60,300` and `OTTER=yes` ask for more.

Every figure is of a whole command, with all processes that it starts. Times depend on the machine, ratios to stock
nbgrader in the same run much less: those are kept in `docs/benchmark.json` and compared with the last ones.
"""

import json
import platform
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from grading import templates
from grading.authoring import sample_class
from grading.authoring.release import release
from grading.authoring.sample_class import SampleStudent
from grading.benchmark.hand_in import HandIn, measure_hand_in
from grading.benchmark.large_class import enlarge
from grading.benchmark.measure import Cost, measure
from grading.benchmark.otter import measure_otter
from grading.benchmark.stages import Stages, measure_stages
from grading.course import catalogue, cores, notebooks
from grading.course.folder import Course, with_own_gradebook
from grading.gradebook.database import scores

LARGE = 1000
ALONE = 3  # hand-ins one after another
STOCK_SETTINGS = """
c = get_config()
c.CourseDirectory.course_id = "bench"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
c.Execute.timeout = 120
"""


@dataclass
class Result:
    """One assignment, measured.

    Attributes:
        few: how many submissions stock nbgrader graded.
        stock: stock `nbgrader autograde` on these.
        stock_feedback: stock `nbgrader generate_feedback` on these.
        growth: `make grade`, by number of submissions.
        feedback: `make feedback` for the smallest class; `feedback_again` when nothing has changed.
        stages: processor time of one submission.
        hand_in: `make watch`, from the exchange to the page.
        differing: students whose scores are not the same with both.
        otter: `otter run` on the submissions that stock nbgrader graded; None if it was not asked for.
    """

    assignment: str
    few: int
    stock: Cost
    stock_feedback: Cost
    growth: dict[int, Cost]
    feedback: Cost
    feedback_again: Cost
    stages: Stages
    hand_in: HandIn
    differing: list[str]
    otter: Cost | None = None

    def ratio(self, size: int) -> float:
        """How many times as many submissions as stock nbgrader in the same time, start-up included."""
        return (self.stock.wall / self.few) / (self.growth[size].wall / size)

    @property
    def smallest(self) -> int:
        return min(self.growth)

    @property
    def each(self) -> tuple[float, float] | None:
        """Start-up and seconds of each further submission, from the smallest and the largest class."""
        small, large = min(self.growth), max(self.growth)
        if small == large:
            return None
        slope = (self.growth[large].wall - self.growth[small].wall) / (large - small)
        return self.growth[small].wall - slope * small, slope

    @property
    def page(self) -> float:
        """Processor time of a feedback page, as a share of what grading that submission takes."""
        return self.feedback.cpu / self.smallest / self.stages.total

    def ratios(self) -> dict[str, float]:
        """What does not depend on the machine, by its name."""
        found = {f"grade {size}: times as fast as stock": self.ratio(size) for size in sorted(self.growth)}
        found["a submission: times the floor"] = self.stages.total / self.stages.floor
        found["a feedback page: share of grading"] = self.page
        found["from hand-in to page: share of stock's autograde and feedback"] = self.hand_in.median / (
            (self.stock.wall + self.stock_feedback.wall) / self.few
        )
        if self.otter:
            found["otter run: times as fast as stock"] = self.stock.wall / self.otter.wall
        return {f"{self.assignment}, {name}": round(value, 3) for name, value in found.items()}


@dataclass
class Report:
    """Everything that one run measured.

    Attributes:
        large: what commands cost with `LARGE` submissions, by command; empty if that was not measured.
    """

    results: list[Result]
    jobs: int
    large: dict[str, Cost] = field(default_factory=dict)

    def ratios(self) -> dict[str, float]:
        """Every ratio of this run, by its name."""
        found = {name: value for one in self.results for name, value in one.ratios().items()}
        last = self.results[-1]  # the large class is of this assignment
        for command, cost in self.large.items():
            name = f"{command}, {LARGE} submissions: as long as stock takes for so many"
            found[name] = round(cost.wall / (last.stock.wall / last.few), 3)
        return found


def mixed_class(course: Course, assignment: str, number: int, seed: int = 0) -> list[SampleStudent]:
    """Students who solve about three of four exercises and make a catalogued mistake in the others."""
    source = notebooks.read(course.source(assignment))
    entries = catalogue.load(course.root / "mistakes" / f"{assignment}.toml", source)
    # An answer that needs another exercise's answer is right or wrong only together with that one.
    alone = [entry for entry in entries if not entry.right and not catalogue.subclasses_another_answer(entry)]
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
    otter: Path | None = None,
) -> Result:
    """Measure one assignment.

    Args:
        sizes: how many submissions the classes have.
        few: how many of them stock nbgrader grades, one after another.
        jobs: how many submissions `make grade` grades at the same time.
        otter: the Python that has otter-grader, to measure that, too.
    """
    students = mixed_class(course, assignment, max(sizes))
    folder = course.root / "build" / "bench"
    stock = class_of(course, folder / "stock", assignment, students[:few], STOCK_SETTINGS)
    said(f"{assignment}: stock nbgrader grades {few} and writes feedback")
    stock_cost = measure([sys.executable, "-m", "nbgrader", "autograde", assignment, "--force"], stock.root)
    stock_feedback = measure([sys.executable, "-m", "nbgrader", "generate_feedback", assignment, "--force"], stock.root)
    otter_cost = None
    if otter:
        said(f"{assignment}: otter run grades {few}")
        otter_cost = measure_otter(otter, stock, assignment, [student.id for student in students[:few]])
    released = class_of(course, folder / "released", assignment, [])
    growth, classes = {}, {}
    for size in sorted(sizes):
        classes[size] = _copy(released, folder / f"ours-{size}", assignment, students[:size])
        said(f"{assignment}: make grade grades {size}")
        growth[size] = measure(command_line("grade", assignment, "--jobs", str(jobs), "--force"), classes[size].root)
    small = classes[min(sizes)]
    said(f"{assignment}: make feedback writes {min(sizes)} pages, twice")
    feedback, feedback_again = (measure(command_line("feedback", assignment), small.root) for _ in range(2))
    expected, got = scores(stock, assignment), scores(small, assignment)
    said(f"{assignment}: where the processor time goes")
    alone = _copy(released, folder / "stages", assignment, students[: min(3, *sizes)])
    stages = measure_stages(alone, assignment)
    differing = [student for student in expected if expected[student] != got.get(student)]
    own = _copy(released, folder / "hand-in", assignment, [])
    hand_in = measure_hand_in(own, assignment, mixed_class(course, assignment, 1 + ALONE + min(sizes)), ALONE, said)
    return Result(
        assignment,
        few,
        stock_cost,
        stock_feedback,
        growth,
        feedback,
        feedback_again,
        stages,
        hand_in,
        differing,
        otter_cost,
    )


def run_large(
    course: Course, assignment: str, number: int = LARGE, said: Callable[[str], None] = lambda words: None
) -> dict[str, Cost]:
    """The cost of the commands that process a whole class, for `number` students.

    Args:
        assignment: for which `run` was called last; the class is made of its smallest one.
    """
    folders = (course.root / "build" / "bench").glob("ours-*")
    own = Course(min(folders, key=lambda path: int(path.name.removeprefix("ours-"))))
    said(f"{assignment}: a class of {number} is made")
    enlarge(own, assignment, number)
    commands = {
        "grade, nothing new": ("grade", "--jobs", "1"),
        "grades": ("grades",),
        "report": ("report",),
        "export": ("export",),
    }
    costs = {}
    for name, (command, *options) in commands.items():
        said(f"{assignment}: {name}, {number} submissions")
        costs[name] = measure(command_line(command, assignment, *options), own.root)
    return costs


def command_line(command: str, assignment: str, *options: str) -> list[str]:
    """A command of the package, as the Makefile calls it."""
    return [sys.executable, "-m", "grading", command, "--assignment", assignment, *options]


def class_of(
    course: Course, folder: Path, assignment: str, students: list[SampleStudent], settings: str | None = None
) -> Course:
    """A copy of the course with a class that has handed in."""
    own = sample_class.prepare(course, folder)
    if settings:
        (own.root / "nbgrader_config.py").write_text(settings, encoding="utf-8")
        own = with_own_gradebook(Course(own.root))
    release(own, assignment)
    sample_class.hand_in(own, assignment, students)
    return own


def _copy(released: Course, folder: Path, assignment: str, students: list[SampleStudent]) -> Course:
    """A class that has handed in, in a copy of a course that is released."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(released.root, folder)
    own = with_own_gradebook(Course(folder))
    sample_class.hand_in(own, assignment, students)
    return own


def write_report(report: Report, path: Path) -> dict[str, tuple[float, float]]:
    """Write `path` (Markdown), and beside it the figures (.json) and, for classes of several sizes, the plot (.png).

    Returns:
        By name, each ratio of the last run that differs by more than a fifth from the present one: before and now.
    """
    machine = f"{cores.usable()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    plot, figures = path.with_suffix(".png"), path.with_suffix(".json")
    now = report.ratios()
    before = json.loads(figures.read_text(encoding="utf-8"))["ratios"] if figures.is_file() else {}
    changed = {
        name: (before[name], value) for name, value in now.items() if name in before and _differ(before[name], value)
    }
    text = templates.render(
        "benchmark.md.j2", report=report, results=report.results, machine=machine, plot=plot.name, large=LARGE
    )
    path.write_text(text, encoding="utf-8")
    data = {"machine": machine, "ratios": now, "results": [asdict(one) for one in report.results]}
    data["large"] = {name: asdict(cost) for name, cost in report.large.items()}
    figures.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if len(report.results[0].growth) > 1:
        _plot(report.results, plot)
    else:
        plot.unlink(missing_ok=True)
    return changed


def _differ(before: float, now: float) -> bool:
    return abs(now - before) > 0.2 * max(abs(before), abs(now))


def _plot(results: list[Result], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for one, color, marker in zip(results, ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), "osD^"):
        sizes = sorted(one.growth)
        axes.plot(sizes, [one.growth[size].wall for size in sizes], color=color, marker=marker, label=one.assignment)
        stock = [one.stock.wall / one.few * size for size in sizes]
        axes.plot(
            sizes, stock, color=color, marker=marker, fillstyle="none", linestyle=":", label=f"{one.assignment}, stock"
        )
    axes.set(xscale="log", yscale="log", xlabel="submissions", ylabel="seconds")
    axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(True, which="both", color="0.9")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def clean(course: Course) -> None:
    """Delete the classes that were measured."""
    shutil.rmtree(course.root / "build" / "bench", ignore_errors=True)
