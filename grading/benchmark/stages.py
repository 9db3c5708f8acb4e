"""Processor time by stage: what each part of grading costs for a submission, and the floor below which none can go.

The floor is what the same cells and the same hidden tests take in one warm process, without kernels, isolation or a
gradebook (`grading.execution.rehearsal`).

`python -m grading.benchmark.stages FOLDER ASSIGNMENT` prints the figures of a class that has handed in, as JSON, in a
process of its own: it grades there, one submission after another. The floor runs answers without isolation, so the
class must be made of answers that are known.
"""

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil
from nbformat import NotebookNode

from grading.course import notebooks
from grading.course.folder import Course


@dataclass
class Stages:
    """Processor seconds for each submission; `references` is for all.

    Attributes:
        references: of the oracle's right answers, computed once in each worker.
        cells: the floor, visible cells.
        questions: the floor, hidden tests.
        sanitize: reading a notebook and restoring what is locked.
        judge: a worker's own part of executing: nbclient, messages, judging.
        kernel: a kernel's processes, from the fork to the end, followers included.
        save: scores, graded notebook and record.
    """

    references: float = 0.0
    cells: float = 0.0
    questions: float = 0.0
    sanitize: float = 0.0
    judge: float = 0.0
    kernel: float = 0.0
    save: float = 0.0

    @property
    def floor(self) -> float:
        return self.cells + self.questions

    @property
    def total(self) -> float:
        return self.sanitize + self.judge + self.kernel + self.save


def measure_stages(course: Course, assignment: str) -> Stages:
    """Run this module on a class that has handed in.

    Raises:
        RuntimeError: it failed; the message holds the end of its output.
    """
    command = [sys.executable, "-m", "grading.benchmark.stages", str(course.root), assignment]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return Stages(**json.loads(done.stdout.splitlines()[-1]))


def _grade_in_stages(course: Course, assignment: str) -> Stages:
    """Grade every submission in this process and measure the floor of each. The first one only warms up."""
    from grading.execution.interpreters import given_cells
    from grading.gradebook.database import ClassGradebook
    from grading.intake.submission import find
    from grading.kernels.zygote_client import share, zygotes
    from grading.run import fingerprint, pool
    from grading.run.conversion import Converter
    from grading.run.finishing import Ready, Writer

    found = Stages()
    submissions = find(course, assignment, None)
    settings = fingerprint.of_course(course, assignment)
    source = notebooks.read(course.source(assignment))
    found.references = _references(source)
    cells = given_cells(course, assignment)
    with zygotes(cells) as folders, course.entered(), ClassGradebook(course) as gradebook:
        share(folders)
        writer = Writer(course, gradebook)
        for number, submission in enumerate([submissions[0], *submissions]):
            stages = found if number else Stages()  # the first one starts the interpreters
            with _own(stages, "sanitize"):
                converter = Converter(course, submission, gradebook, settings, isolated=True)
                sanitized = converter.sanitize()
            with _own(stages, "judge"), _others(stages, "kernel"):
                function, *arguments = pool.task(converter, sanitized)
                ended = function(*arguments)
            with _own(stages, "save"):
                for _, saved in writer.save([Ready(converter, sanitized, ended)]):
                    if isinstance(saved, Exception):
                        raise saved
            _floor(source, notebooks.read(submission.folder / f"{assignment}.ipynb"), stages)
    for name in (field.name for field in fields(Stages) if field.name != "references"):
        setattr(found, name, getattr(found, name) / len(submissions))
    return found


def _references(source: NotebookNode) -> float:
    """The extra cost of the first rehearsal in a process: it computes the right answers once."""
    from grading.execution.rehearsal import rehearse

    rehearse(source, only=[])  # imports
    costs = []
    for _ in range(2):
        began = time.process_time()
        rehearse(source, hidden_only=True)
        costs.append(time.process_time() - began)
    return max(0.0, costs[0] - costs[1])


def _floor(source: NotebookNode, submitted: NotebookNode, stages: Stages) -> None:
    """Add the time of the same cells in this process, without and with their hidden tests."""
    from grading.execution.rehearsal import rehearse

    answers = {
        name: cell.source for name, cell in notebooks.by_id(submitted).items() if notebooks.kind(cell) == "solution"
    }
    visible, costs = copy.deepcopy(source), []
    for cell in visible.cells:
        cell.source = notebooks.split_hidden(cell.source)[0]
    for notebook in (visible, source):
        began = time.process_time()
        rehearse(notebook, answers)
        costs.append(time.process_time() - began)
    stages.cells += costs[0]
    stages.questions += costs[1] - costs[0]


@contextmanager
def _own(stages: Stages, name: str) -> Iterator[None]:
    yield from _timed(stages, name, time.process_time)


@contextmanager
def _others(stages: Stages, name: str) -> Iterator[None]:
    yield from _timed(stages, name, _descendants)


def _timed(stages: Stages, name: str, clock: Callable[[], float]) -> Iterator[None]:
    began = clock()
    yield
    setattr(stages, name, getattr(stages, name) + clock() - began)


def _descendants() -> float:
    """The processor time of all descendants of this process, including those that have ended."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    print(json.dumps(asdict(_grade_in_stages(Course(Path(sys.argv[1]).resolve()), sys.argv[2]))))
