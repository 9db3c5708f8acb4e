"""Hostile submissions, graded by the real pipeline in one class: see `arsenal.py` for what each of them does.

None may earn a point that its answer does not deserve, show a hidden line, or change another exercise's score.
`make test` grades some of each kind, see `SOME`; `make test-slow` grades the rest.
"""

import ast
import hashlib
import json
import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
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
from tests.attacks.arsenal import ATTACKS, CANARIES, Attack
from tests.conftest import once
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

# Some of each part of the arsenal.
NAMES = """
nothing wrong_answers no_answer checks_against_torch_above prints_logs_locks_draws_and_saves
transformer_replaces_test_cell run_cell_replaced exception_handler_swallows
reads_in_and_history reads_frames_and_gc imports_the_real_oracle
assertion_error_redefined float_abs_isinstance_len_redefined exec_and_eval_redefined
torch_patched probe_core_replaced user_expressions_patched
forged_reply_not_finite forged_reply_no_json forged_expressions_with_odd_parts
float_subclass_that_lies str_that_injects_json tolist_and_shape_lie values_that_lie
hard_coded_visible_input hard_coded_visible_step hard_coded_by_caller
torch_optim_wrapped_and_in_a_thread torch_optim_fused_by_ops_and_under_another_file_name torch_optim_subclassed
torch_optim_while_encoding torch_optim_unseen_from_its_file_and_by_gc torch_optim_by_a_torch_elsewhere
torch_arithmetic doubtful_and_right
ships_modules_of_python ships_torch ships_grading ships_nbgrader_config ships_a_link_to_the_source
points_raised emptied test_marked_as_solution tags_skip_execution metadata_of_the_grader
tests_deleted tests_duplicated own_test_cell markers_in_own_cells
forges_a_score clears_the_outputs forges_the_reply_status malformed_error unsigned_message
sends_payloads updates_a_display_that_became_an_error messages_from_a_thread_long_after
question_rewritten namespace_replaced numbers_that_change forged_paths ends_the_kernel_in_which_torch_has_optimizers
sys_modules_replaced frames_of_the_probe_changed the_probe_module_changes_its_class stub_on_disk
answers_ahead closes_the_line sys_exit_in_the_call os_exit_in_the_call huge_reply deep_forged_reply
exception_with_markup kills_the_kernel_many_times
reads_the_source_notebook reads_the_gradebook writes_the_gradebook reads_the_graders_memory leaves_a_process_behind
kills_the_grader
"""
SOME = NAMES.split()
# The second class has an honest student, too, whose work one of them tries to read.
CLASSES = {"some": SOME, "rest": ["nothing", *(name for name in ATTACKS if name not in SOME)]}
EACH = [
    pytest.param(class_, name, id=name, marks=[pytest.mark.slow] if class_ == "rest" else [])
    for class_, names in CLASSES.items()
    for name in names
    if class_ == "some" or name not in SOME
]

LINKER = "links_to_the_source"  # in both classes

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
def battles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Battle]:
    """The battle of a class: attacks, each handed in by a student of its name, graded once."""

    @cache
    def of(class_: str) -> Battle:
        folder, fought = once(tmp_path_factory, f"attacks-{class_}", partial(fight, CLASSES[class_]))
        return Battle(Course(folder / "course"), *fought)

    return of


@pytest.fixture(params=["some", pytest.param("rest", marks=pytest.mark.slow)])
def battle(request: pytest.FixtureRequest, battles: Callable[[str], Battle]) -> Battle:
    """One of both battles."""
    return battles(request.param)


def fight(names: list[str], folder: Path) -> tuple[dict[str, Record], dict[str, str], dict[str, str], list[int]]:
    """Grade these attacks and a link to the source. Returns what a `Battle` has besides the course."""
    course = make_course(folder / "course")
    for name in names:
        hand_in(course, name, ATTACKS[name])
    folder = course.root / "submitted" / LINKER / "duel"
    folder.mkdir(parents=True)
    (folder / "duel.ipynb").symlink_to(course.source("duel"))
    before = fingerprint(course)
    with warnings.catch_warnings():  # as `make grade` runs: pytest's own settings would turn warnings into errors
        warnings.simplefilter("ignore")
        outcomes = {outcome.student: outcome for outcome in grade(course, "duel")}
    left = processes_left("left-by-the-attack")
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    try:
        feedback(course, "duel")
    except CourseError as error:  # no page for a submission that was not graded; its test says so
        print(error)
    return outcomes, before, fingerprint(course), left


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
def test_every_attack_parses_as_python(name: str):
    """A slip of ours would make a cell fail at once, and the attack would never be tried."""
    for source in (ATTACKS[name].mean, ATTACKS[name].descent):
        ast.parse(TransformerManager().transform_cell(source))


@pytest.mark.parametrize(("battle", "name"), EACH, indirect=["battle"])
def test_an_attack_earns_only_what_its_answer_deserves(battle: Battle, name: str):
    outcome = battle.outcomes[name]
    assert outcome.has_grade, f"{ATTACKS[name].why}: {outcome.reason}"
    assert scores(battle.course, name) == ATTACKS[name].deserves, f"{ATTACKS[name].why}: {outcome}"


@pytest.mark.parametrize("battle", ["some"], indirect=True)
def test_delegating_updates_to_torch_is_reported_to_the_instructor(battle: Battle):
    suspicions = {name: outcome.suspicions for name, outcome in battle.outcomes.items()}
    (first, second) = suspicions["torch_optim_subclassed"]
    assert first.startswith("test_gradient_descent: it calls torch's own optimizer (`torch.optim`, in `")
    assert second.startswith("test_gradient_descent_steps: it calls")
    assert suspicions["nothing"] == suspicions["wrong_answers"] == []


@pytest.mark.parametrize("battle", ["some"], indirect=True)
def test_an_answer_that_needs_torch_is_listed_for_a_person(battle: Battle):
    suspicions = battle.outcomes["torch_arithmetic"].suspicions
    assert [words.partition(": ")[0] for words in suspicions] == list(TESTS["gradient_descent"])
    assert all("it needs torch" in words for words in suspicions)


@pytest.mark.parametrize(("battle", "name"), EACH, indirect=["battle"])
def test_no_output_shows_a_hidden_line(battle: Battle, name: str):
    text = shown(battle.course, name)
    found = [word for word in CANARIES if word in text]
    found += [word for word in ATTACKS[name].forbidden if word in pages(battle.course, name)]
    assert not found, f"{ATTACKS[name].why}: ...{text[max(0, text.find(found[0]) - 200) :][:400]}..."


@pytest.mark.parametrize("battle", ["some"], indirect=True)
def test_a_repeated_cell_prints_everything_once(battle: Battle):
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


@pytest.mark.parametrize("battle", ["some"], indirect=True)
def test_a_linked_notebook_is_refused(battle: Battle):
    """A submission that is a link to the instructor's notebook would be graded as the reference solution."""
    assert battle.outcomes[LINKER].state == "symbolic_link"
    assert scores(battle.course, LINKER) == {"mean": 0.0, "gradient_descent": 0.0}
