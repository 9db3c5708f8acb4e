"""A tiny course that has nothing to do with optimizers: one exercise, two tests. And ways to hand in answers."""

import json
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading.authoring.release import release
from grading.course import notebooks
from grading.course.folder import Course
from grading.execution import interpreters
from grading.execution.interpreters import PRELOAD, Interpreters
from grading.execution.workers import begin, make_pool
from grading.gradebook.records import Record
from grading.kernels import zygote_client
from grading.run.grade import grade
from tests.installed import install

ROOT = Path(__file__).resolve().parent.parent

MEAN = '''def mean(values):
    """The arithmetic mean of a list of numbers."""
    # TODO: return the sum of the values over their number
    ### BEGIN SOLUTION
    return sum(values) / len(values)
    ### END SOLUTION'''

TEST_MEAN = """assert mean([1, 2, 6]) == 3, f"mean([1, 2, 6]) should be 3, yours is {mean([1, 2, 6])}"
### BEGIN HIDDEN TESTS
from grading import oracle, student

oracle.same_number(student.call("mean", [2.0, 3.0, 7.0]), 4.0, "mean([2, 3, 7])")
### END HIDDEN TESTS"""

TEST_MEAN_NEGATIVE = """# Hidden test: negative numbers.
### BEGIN HIDDEN TESTS
from grading import oracle, student

oracle.same_number(student.call("mean", [-2.0, -4.0]), -3.0, "mean([-2, -4])")
### END HIDDEN TESTS"""

CATALOGUE = """
[contract.mean]
1 = "`mean(values)` returns the sum of the values, divided by their number."
2 = "A negative value counts as one."

[[mistake]]
name = "mean_forgets_to_divide"
breaks = 1
why = "The sum is not divided by the number of values."
cell = "mean"
old = "return sum(values) / len(values)"
new = "return sum(values)"
loses = ["test_mean", "test_mean_negative"]

[[mistake]]
name = "mean_drops_the_sign"
breaks = 2
why = "The sign of the values is lost."
cell = "mean"
old = "sum(values)"
new = "sum(map(abs, values))"
loses = ["test_mean_negative"]

[[right]]
name = "mean_by_hand"
why = "It adds the values in a loop."
cell = "mean"
source = '''
def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)
'''
"""

README = "| notebook | points |\n| --- | --- |\n| averages | 3 |\n"

RUFF = 'line-length = 120\n[lint]\nselect = ["E", "F"]\nignore = ["E402"]\n'

SAMPLE_CLASS = """
[[student]]
id = "ada"
answers = "solutions"

[[student]]
id = "bob"
answers = ["mean_forgets_to_divide"]

[[student]]
id = "cleo"
answers = "nothing"
"""


# What these wait for (a page, a prompt, a process that dies) can be late on a busy machine.
DEPENDS_ON_TIMING = (
    "attacks/test_siege.py",
    "benchmark",
    "browser",
    "cli/test_marking.py",
    "cluster",
    "gradebook/test_postgresql.py",
    "run/test_resume.py",
    "run/test_watch.py",
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run a failed test once more, visibly, if it depends on timing; every other one must pass at once.

    A test with the marker `needs_root` is skipped for everybody else.
    """
    if item.path.relative_to(ROOT / "tests").as_posix().startswith(DEPENDS_ON_TIMING):
        item.add_marker(pytest.mark.flaky(reruns=1))
    needs_root = item.get_closest_marker("needs_root")
    if needs_root and os.geteuid():
        item.add_marker(pytest.mark.skip(reason=f"{needs_root.args[0]}: sudo make test-root"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With REQUIRE_ALL=yes, as in CI, a run with a skipped test has failed, unless the test needs root and has none."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.geteuid():
        skipped = [report for report in skipped if "needs_root" not in report.keywords]
    if skipped and os.environ.get("REQUIRE_ALL") == "yes":
        reporter.ensure_newline()
        reporter.write_line(f"REQUIRE_ALL=yes, and {len(skipped)} tests were skipped, see below.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


RIGHT = "def mean(values):\n    return sum(values) / len(values)"
FORGETS_TO_DIVIDE = "def mean(values):\n    return sum(values)"
DROPS_THE_SIGN = "def mean(values):\n    return sum(abs(value) for value in values) / len(values)"


def cell(source: str, kind: str, name: str, points: int = 0) -> nbformat.NotebookNode:
    """A code cell with nbgrader's metadata; kind is "solution", "test" or "given"."""
    data = {"grade": kind == "test", "grade_id": name, "locked": kind != "solution", "schema_version": 3}
    data |= {"solution": kind == "solution", "task": False}
    if kind == "test":
        data["points"] = points
    return new_code_cell(source, metadata={"nbgrader": data}, id=name.replace("_", "-"))


def tiny_notebook() -> nbformat.NotebookNode:
    """The source notebook of the assignment `averages`."""
    return notebooks.normal_form(
        new_notebook(
            cells=[
                new_markdown_cell("# Averages", id="title"),
                new_markdown_cell("## Exercise 1: the mean (3 points)", id="heading"),
                cell(MEAN, "solution", "mean"),
                cell(TEST_MEAN, "test", "test_mean", 2),
                cell(TEST_MEAN_NEGATIVE, "test", "test_mean_negative", 1),
            ]
        )
    )


def tiny_source(root: Path) -> Course:
    """The tiny course with all that a course has, not released."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    notebooks.write(tiny_notebook(), root / "source" / "averages" / "averages.ipynb")
    (root / "mistakes").mkdir()
    (root / "mistakes" / "averages.toml").write_text(CATALOGUE, encoding="utf-8")
    (root / "mistakes" / "class.toml").write_text(SAMPLE_CLASS, encoding="utf-8")
    (root / "README.md").write_text(README, encoding="utf-8")
    (root / "ruff.toml").write_text(RUFF, encoding="utf-8")
    return Course(root)


def submit(
    course: Course,
    student: str,
    solution: str | None = None,
    edit: Callable[[nbformat.NotebookNode], object] = lambda notebook: None,
) -> Path:
    """Hand in the released notebook with this solution, after an edit of the notebook."""
    notebook = notebooks.read(course.root / "release" / "averages" / "averages.ipynb")
    if solution is not None:
        notebooks.by_id(notebook)["mean"].source = solution
    edit(notebook)
    path = course.root / "submitted" / student / "averages" / "averages.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")  # as it is: nbformat would mend some damage
    return path


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny course, released once; copy it."""
    course = tiny_source(tmp_path_factory.mktemp("released") / "course")
    release(course, "averages")
    return course.root


@pytest.fixture
def tiny(tmp_path: Path, released: Path) -> Course:
    """The tiny course, released."""
    return Course(Path(shutil.copytree(released, tmp_path / "course")))


@pytest.fixture
def hand_in(tiny: Course):
    """`hand_in("ada", "def mean(values): ...")` submits the released notebook with this solution."""

    def hand_in(student: str, solution: str | None, edit=lambda notebook: None) -> Path:
        return submit(tiny, student, solution, edit)

    return hand_in


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment like this one, in which the package is installed from a wheel."""
    return once(tmp_path_factory, "installed", install)[1]


@pytest.fixture(scope="session", autouse=True)
def preloaded() -> None:
    """Whichever test starts the process that forks others: it imports first what they need, and only once."""
    make_pool(1, preload=[PRELOAD]).shutdown()


@pytest.fixture(scope="session")
def started() -> Iterator[Interpreters]:
    """The interpreters from which workers and kernels are forked; all tests share them: starting them takes seconds."""
    begin([PRELOAD])
    with zygote_client.zygotes([]) as folders:
        zygote_client.share(folders)  # for kernels that a test starts by itself
        yield Interpreters(partial(make_pool, preload=[PRELOAD], first=partial(zygote_client.share, folders)))


@contextmanager
def sharing(started: Interpreters) -> Iterator[None]:
    """What starts interpreters in this process meanwhile gets those that all tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreters, "start", lambda course, assignments, kernels=True: nullcontext(started))
        yield


@pytest.fixture
def shared_interpreters(started: Interpreters) -> Iterator[None]:
    """For tests of something else than how interpreters start."""
    with sharing(started):
        yield


@pytest.fixture(scope="session")
def pool(started: Interpreters) -> Iterator[Executor]:
    """The workers that all tests share."""
    with started.make_pool(2) as pool:
        yield pool


@dataclass
class Graded:
    """A graded class, and what came out."""

    course: Course
    outcomes: dict[str, Record]
    seconds: float

    def notebook(self, student: str) -> nbformat.NotebookNode:
        return notebooks.read(self.course.root / "autograded" / student / "averages" / "averages.ipynb")

    def cell(self, student: str, name: str) -> nbformat.NotebookNode:
        return notebooks.by_id(self.notebook(student))[name]

    def error(self, student: str, name: str) -> str:
        """What a cell's error says; empty if it has none."""
        errors = [output for output in self.cell(student, name).outputs if output.output_type == "error"]
        return "\n".join(f"{output.ename}: {output.evalue}" for output in errors)

    def scores(self, student: str) -> tuple[float, float]:
        """The points of test_mean and of test_mean_negative, out of 2 and 1."""
        scores = scores_of(self.course, student)
        return scores["test_mean"], scores["test_mean_negative"]


def scores_of(course: Course, student: str, assignment: str = "averages") -> dict[str, float]:
    """A student's points by test cell, as the gradebook has them."""
    with course.gradebook() as gradebook:
        submission = gradebook.find_submission(assignment, student)
        return {grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades}


def graded(course: Course, pool: Executor | None = None, warm: bool | None = None, **options) -> Graded:
    """Grade what is handed in; a cell or a question that hangs is given up after few seconds."""
    course = Course(course.root)
    course.config.Execute.timeout = 4
    course.config.Execute.question_timeout = 4
    course.config.Execute.hung_timeout = 2
    course.config.Execute.max_restarts = 2
    course.config.Execute.max_memory = 2**30
    # For a handful of kernels a warm interpreter does not pay.
    course.config.Execute.warm = pool is not None if warm is None else warm
    started = time.monotonic()
    outcomes = grade(course, "averages", executor=pool, **options)
    return Graded(course, {outcome.student: outcome for outcome in outcomes}, time.monotonic() - started)


def spoil(path: Path, text: str) -> Path:
    """Write something else to a file that was handed in."""
    path.write_text(text, encoding="utf-8")
    return path


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """Call `make` with an empty folder, in one of pytest-xdist's workers; the others wait and get what it returned.

    Args:
        make: its result is passed on by pickle.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = factory.mktemp(name)
        return folder, make(folder)
    folder = factory.getbasetemp().parent / name  # all workers of this run have it in common
    with FileLock(f"{folder}.lock"):
        kept = folder.with_suffix(".pickle")
        if not kept.is_file():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            kept.write_bytes(pickle.dumps(make(folder)))
        return folder, pickle.loads(kept.read_bytes())


@pytest.fixture(scope="session")
def classroom(tmp_path_factory: pytest.TempPathFactory, released: Path, pool: Executor) -> Graded:
    """A class in which everything happens, graded once; look and do not touch."""
    from tests.classroom import hand_in_all

    def make(folder: Path) -> tuple[dict[str, Record], float]:
        course = Course(Path(shutil.copytree(released, folder / "course")))
        hand_in_all(course)
        made = graded(course, pool)
        return made.outcomes, made.seconds

    folder, (outcomes, seconds) = once(tmp_path_factory, "classroom", make)
    return Graded(Course(folder / "course"), outcomes, seconds)
