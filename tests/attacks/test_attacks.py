"""Hostile submissions, graded by the real pipeline in one class: see `arsenal.py` for what each of them does.

None may earn a point that its answer does not deserve, show a hidden line, or change another exercise's score.
"""

import ast
import hashlib
import json
import os
import shutil
import signal
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import MissingEntry

from grading.authoring.release import release
from grading.course import notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.gradebook.records import Record
from grading.report.feedback import feedback
from grading.run.grade import grade
from tests.attacks.arsenal import ATTACKS, BAD_MEAN, CANARIES, Attack
from tests.processes import processes_left

ROOT = Path(__file__).resolve().parents[2]
TESTS = {
    "mean": {"test_mean": 2, "test_mean_negative": 1},
    "gradient_descent": {"test_gradient_descent": 2, "test_gradient_descent_steps": 1},
}

MEAN = """def mean(values):
    ### BEGIN SOLUTION
    return sum(values) / len(values)
    ### END SOLUTION"""
TEST_MEAN = """assert mean([1, 2, 6]) == 3, "mean([1, 2, 6]) should be 3"
### BEGIN HIDDEN TESTS
from grading import oracle, student
plover_mean = 8642.975318  # nobody may see this line
oracle.same_number(student.call("mean", [2.0, 3.0, 7.0]), 4.0, "the first mean")
### END HIDDEN TESTS"""
TEST_MEAN_NEGATIVE = """# Hidden test: the mean of negative numbers.
### BEGIN HIDDEN TESTS
from grading import oracle, student
plover_negative = 8642.975318  # nobody may see this line
oracle.same_number(student.call("mean", [-2.0, -4.0]), -3.0, "the second mean")
### END HIDDEN TESTS"""
DESCENT = """class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta

    def step(self):
        ### BEGIN SOLUTION
        for param in self.params:
            param.value = param.value - self.eta * param.grad
        ### END SOLUTION"""
TEST_DESCENT = """class Number:
    value, grad = 1.0, 2.0
GradientDescent([Number], eta=0.1).step()
assert Number.value == 0.8, "a step from 1 against the gradient 2 with eta = 0.1 should end at 0.8"
### BEGIN HIDDEN TESTS
import numpy as np
import torch
from grading import oracle, student
from grading.oracle import optimizers as reference
plover_descent = reference.gradients(np.random.default_rng(5), 2, 6)
oracle.same_path(student.follow("GradientDescent", plover_descent, eta=0.3),
                 reference.torch_path(torch.optim.SGD, plover_descent, lr=0.3), what="GradientDescent (eta=0.3)")
### END HIDDEN TESTS"""
TEST_DESCENT_STEPS = """# Hidden test: five parameters.
### BEGIN HIDDEN TESTS
import numpy as np
import torch
from grading import oracle, student
from grading.oracle import optimizers as reference
plover_steps = reference.gradients(np.random.default_rng(6), 5, 3)
oracle.same_path(student.follow("GradientDescent", plover_steps, eta=0.7),
                 reference.torch_path(torch.optim.SGD, plover_steps, lr=0.7), what="GradientDescent (eta=0.7)")
### END HIDDEN TESTS"""

# Short limits, or the attacks that never answer would take minutes.
LIMITS = "\nc.Execute.timeout = 10\nc.Execute.question_timeout = 5\nc.Execute.startup_timeout = 20\n"


def make_course(root: Path) -> Course:
    """A released course with the assignment `duel`."""

    def cell(source: str, name: str, points: int | None = None) -> NotebookNode:
        data = {"grade": points is not None, "locked": points is not None, "solution": points is None, "task": False}
        data |= {"grade_id": name, "schema_version": 3} | ({} if points is None else {"points": points})
        return new_code_cell(source, metadata={"nbgrader": data}, id=name.replace("_", "-"))

    source = new_notebook(
        cells=[
            new_markdown_cell("# A duel", id="title"),
            cell(MEAN, "mean"),
            cell(TEST_MEAN, "test_mean", 2),
            cell(TEST_MEAN_NEGATIVE, "test_mean_negative", 1),
            cell(DESCENT, "gradient_descent"),
            cell(TEST_DESCENT, "test_gradient_descent", 2),
            cell(TEST_DESCENT_STEPS, "test_gradient_descent_steps", 1),
        ]
    )
    root.mkdir()
    settings = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(settings + LIMITS, encoding="utf-8")
    notebooks.write(notebooks.normal_form(source), root / "source" / "duel" / "duel.ipynb")
    (root / "mistakes").mkdir()
    (root / "mistakes" / "duel.toml").touch()
    course = Course(root)
    release(course, "duel")
    return course


def hand_in(course: Course, student: str, attack: Attack) -> None:
    """Write an attack into `submitted/`."""
    folder = course.root / "submitted" / student / "duel"
    folder.mkdir(parents=True)
    notebook = notebooks.read(course.root / "release" / "duel" / "duel.ipynb")
    cells = notebooks.by_id(notebook)
    cells["mean"].source, cells["gradient_descent"].source = attack.mean, attack.descent
    attack.edit(notebook)
    # As a hostile student would write it: nothing checks or repairs it.
    (folder / "duel.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    for name, text in attack.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    attack.prepare(folder)


def fingerprint(course: Course) -> dict[str, str]:
    """The hash of every file that grading must not change."""
    kept = [course.root / "nbgrader_config.py"]
    for folder in ("source", "release", "submitted"):
        kept += [path for path in (course.root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(course.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(kept)}


def scores(course: Course, student: str) -> dict[str, float]:
    """The points of each exercise in the gradebook; 0 where there is no score."""
    with course.gradebook() as gradebook:
        earned = {}
        for exercise, tests in TESTS.items():
            earned[exercise] = 0.0
            for test in tests:
                try:
                    earned[exercise] += gradebook.find_grade(test, "duel", "duel", student).score or 0.0
                except MissingEntry:
                    continue
        return earned


@dataclass
class Battle:
    """The class, graded.

    Attributes:
        before, after: fingerprints of the files that grading must not change.
        left: ids of processes that outlived the grading.
    """

    course: Course
    outcomes: dict[str, Record]
    before: dict[str, str]
    after: dict[str, str]
    left: list[int]


@pytest.fixture(scope="session")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    """Every attack, handed in by a student of its name, graded once."""
    course = make_course(tmp_path_factory.mktemp("attacks") / "course")
    for name, attack in ATTACKS.items():
        hand_in(course, name, attack)
    before = fingerprint(course)
    began = time.monotonic()
    seconds: dict[str, float] = {}

    def done(outcome: Record) -> None:
        seconds[outcome.student] = time.monotonic() - began

    with warnings.catch_warnings():  # as `make grade` runs: pytest's own settings would turn warnings into errors
        warnings.simplefilter("ignore")
        outcomes = {outcome.student: outcome for outcome in grade(course, "duel", done=done)}
    (course.root / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
    left = processes_left("left-by-the-attack")
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    try:
        feedback(course, "duel")
    except CourseError as error:  # no page for a submission that was not graded; its test says so
        print(error)
    return Battle(course, outcomes, before, fingerprint(course), left)


def pages(course: Course, student: str) -> str:
    """The feedback pages of a student."""
    found = (course.root / "feedback" / student).rglob("*.html")
    return "\n".join(page.read_text(encoding="utf-8", errors="replace") for page in found)


def shown(course: Course, student: str) -> str:
    """All that a student gets to see: outputs and metadata of the autograded notebook, and the feedback page."""
    texts = [pages(course, student)]
    path = course.root / "autograded" / student / "duel" / "duel.ipynb"
    if path.is_file() and path.stat().st_size:
        for cell in notebooks.read(path).cells:
            texts += [json.dumps(cell.get("outputs", []), ensure_ascii=False), json.dumps(cell.metadata)]
            if notebooks.kind(cell) != "test":  # the restored source of a test is for the instructor alone
                texts.append(cell.source)
    return "\n".join(texts)


@pytest.mark.parametrize("name", ATTACKS)
def test_is_python(name: str):
    """A slip of ours would make a cell fail at once, and the attack would never be tried."""
    for source in (ATTACKS[name].mean, ATTACKS[name].descent):
        ast.parse(TransformerManager().transform_cell(source))


@pytest.mark.parametrize("name", ATTACKS)
def test_earns_only_what_it_deserves(battle: Battle, name: str):
    outcome = battle.outcomes[name]
    assert outcome.has_grade, f"{ATTACKS[name].why}: {outcome.reason}"
    assert scores(battle.course, name) == ATTACKS[name].deserves, f"{ATTACKS[name].why}: {outcome}"


def test_who_lets_torch_take_the_steps_is_named_to_the_instructor(battle: Battle):
    suspicions = {name: outcome.suspicions for name, outcome in battle.outcomes.items()}
    (first, second) = suspicions["torch_optim_subclassed"]
    assert first.startswith("test_gradient_descent: it calls torch's own optimizer (`torch.optim`, in `")
    assert second.startswith("test_gradient_descent_steps: it calls")
    assert suspicions["nothing"] == suspicions["wrong_answers"] == []


def test_an_answer_that_needs_torch_is_listed_for_a_person(battle: Battle):
    suspicions = battle.outcomes["torch_arithmetic"].suspicions
    assert [words.partition(": ")[0] for words in suspicions] == list(TESTS["gradient_descent"])
    assert all("it needs torch" in words for words in suspicions)


@pytest.mark.parametrize("name", ATTACKS)
def test_shows_no_hidden_line(battle: Battle, name: str):
    text = shown(battle.course, name)
    found = [word for word in CANARIES if word in text]
    found += [word for word in ATTACKS[name].forbidden if word in pages(battle.course, name)]
    assert not found, f"{ATTACKS[name].why}: ...{text[max(0, text.find(found[0]) - 200) :][:400]}..."


def test_a_cell_that_is_run_again_says_everything_once(battle: Battle):
    path = battle.course.root / "autograded" / "ends_the_kernel_in_which_torch_has_optimizers" / "duel" / "duel.ipynb"
    for name in TESTS["gradient_descent"]:
        outputs = notebooks.by_id(notebooks.read(path))[name].outputs
        said = [out.ename for out in outputs if out.output_type == "error"]
        assert said == ["Mismatch", "DeadKernelError"]


def test_no_file_of_the_course_changes(battle: Battle):
    assert battle.before == battle.after
    assert not (battle.course.root / "hijacked").exists(), "a student's lines ran in the grader's process"


def test_no_process_outlives_the_grading(battle: Battle):
    assert battle.left == []


def test_every_graded_submission_has_a_feedback_page(battle: Battle):
    graded = [name for name, outcome in battle.outcomes.items() if outcome.has_grade]
    assert [name for name in graded if not pages(battle.course, name)] == []


def test_the_grader_survives_being_killed(tmp_path: Path):
    """A kernel that ends the process that grades it must not cost another student a point."""
    course = make_course(tmp_path / "course")
    kill = "\nimport os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
    hand_in(course, "killer", Attack("kills the grader", mean=BAD_MEAN + kill))
    hand_in(course, "victim", ATTACKS["nothing"])
    outcomes = {outcome.student: outcome.state for outcome in grade(course, "duel", jobs=1)}
    assert outcomes["victim"] == "graded"
    assert scores(course, "victim") == ATTACKS["nothing"].deserves


def test_a_linked_notebook_is_refused(tmp_path: Path):
    """A submission that is a link to the instructor's notebook would be graded as the reference solution."""
    course = make_course(tmp_path / "course")
    folder = course.root / "submitted" / "linker" / "duel"
    folder.mkdir(parents=True)
    (folder / "duel.ipynb").symlink_to(course.source("duel"))
    assert [outcome.state for outcome in grade(course, "duel", jobs=1)] == ["symbolic_link"]
    assert scores(course, "linker") == {"mean": 0.0, "gradient_descent": 0.0}
    shutil.rmtree(folder)
