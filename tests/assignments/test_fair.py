"""A slip costs points once, in its own exercise; what a student calls a helper costs none."""

import ast

import pytest

from grading.authoring import embed
from grading.course import catalogue, notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse
from tests.assignments import odd_answers
from tests.conftest import ROOT

SOURCES = {name: notebooks.read(Course(ROOT).source(name)) for name in Course(ROOT).assignments}
OTHERS = {"answer", "check", "cls", "core", "first", "grading", "hint", "make", "oracle", "path", "probe", "result"}
OWN = {"self_check", "keep_apart", "NOTEBOOK", "scoreboard"}  # what the cells themselves name


def lost(assignment: str, replaced: dict[str, str], tests: list[str] | None = None) -> dict[str, str]:
    """What the failing tests say, by test; of all tests, or of these."""
    verdicts = rehearse(SOURCES[assignment], replaced, only=tests)
    assert verdicts
    return {test: message for test, message in verdicts.items() if message is not None}


def sources(assignment: str, kind: str | None) -> dict[str, str]:
    cells = [cell for cell in SOURCES[assignment].cells if cell.cell_type == "code" and notebooks.kind(cell) == kind]
    return {notebooks.grade_id(cell) or cell.id: cell.source for cell in cells}


def names(cells: dict[str, str]) -> set[str]:
    return {name for source in cells.values() for name in embed.names_of(source)}


@pytest.mark.parametrize("assignment", SOURCES)
def test_a_helper_with_the_name_of_a_given_one_costs_nothing(assignment):
    solutions, given = sources(assignment, "solution"), sources(assignment, "given")
    nodes = [node for source in solutions.values() for node in ast.walk(ast.parse(source))]
    used = {node.id for node in nodes if isinstance(node, ast.Name)} | names(sources(assignment, None))
    imports = {name for name in names(given) if f"import {name}" in "\n".join(given.values())}
    taken = sorted((names(given) | OTHERS) - used - names(solutions) - imports - OWN)
    assert {"expect", "expect_number", "shown", "check", "make"} <= set(taken)
    collide = f"\nfor _name in {taken}:\n    globals()[_name] = lambda *args, **kwargs: 1\n"
    assert lost(assignment, {name: source + collide for name, source in solutions.items()}) == {}


WRONG_BASES = {
    "keeps the first parameter only": """class Optimizer:
    def __init__(self, params):
        self.params = list(params)[:1]""",
    "keeps copies": """import copy
class Optimizer:
    def __init__(self, params):
        self.params = copy.deepcopy(list(params))""",
    "keeps them under another name": """class Optimizer:
    def __init__(self, params):
        self.parameters = params""",
    "has no arguments": "class Optimizer:\n    pass",
    "takes attributes away": """class Optimizer:
    def __init__(self, params):
        self.params = list(params)
    def __setattr__(self, name, value):
        if name in ("eta", "gamma"):
            value = 0.1
        super().__setattr__(name, value)""",
    "keeps the last parameter only": """class Optimizer:
    def __init__(self, params):
        self.params = list(params)[-1:]""",
    "keeps slots": """class Optimizer:
    __slots__ = ("params",)
    def __init__(self, params):
        self.params = params[1:]""",
}
INHERITS = """class Nesterov(Momentum):
    def __init__(self, params, eta=0.05, gamma=0.9):
        super().__init__(params, eta, gamma)

    def step(self):
        for i, param in enumerate(self.params):
            self.v[i] = self.gamma * self.v[i] + self.eta * param.grad
            param.value = param.value - self.gamma * self.v[i] - self.eta * param.grad"""


@pytest.mark.parametrize("base", WRONG_BASES.values(), ids=WRONG_BASES)
def test_a_wrong_base_class_costs_points_in_its_own_exercise_alone(base):
    missing = lost("optimizers", {"optimizer": base, "nesterov": INHERITS})
    assert missing.keys() <= {"test_optimizer", "test_optimizer_step"} and missing


ODD = [(assignment, name) for assignment, answers in odd_answers.ANSWERS.items() for name in answers]


@pytest.mark.parametrize(("assignment", "name"), ODD)
def test_a_right_answer_of_an_unusual_form_keeps_its_points(assignment, name):
    replaced = odd_answers.ANSWERS[assignment][name]
    of = notebooks.tests_of(SOURCES[assignment])
    tests = (
        None
        if replaced.keys() & {"optimizer", "add", "mul", "pow"}
        else [test for exercise in replaced for test in of[exercise]]
    )
    assert lost(assignment, replaced, tests) == {}


BASICS = [
    entry
    for entry in catalogue.load(ROOT / "mistakes" / "mini-torch.toml", SOURCES["mini-torch"])
    if entry.cell in ("add", "mul", "pow", "topological_order") and not entry.right
]


@pytest.mark.parametrize("entry", BASICS, ids=lambda entry: entry.name)
def test_a_wrong_operation_or_order_costs_its_own_exercise_alone(entry, monkeypatch):
    """What builds on it is shown as failing, and judged by the hidden tests."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert lost("mini-torch", {entry.cell: entry.source}).keys() == set(entry.loses)


def test_self_checks_that_use_a_wrong_operation_fail(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    entry = next(entry for entry in BASICS if entry.name == "add_assigns_gradient")
    found = lost("mini-torch", {entry.cell: entry.source})
    assert 'The self-check "add, accumulates" above fails, too.' in found["test_shared_tensor_shared"]


def test_mistakes_in_two_exercises_do_not_hide_each_other():
    """Half the gradient and steps of twice the length come to the right weights."""
    halves = {"mse_gradient": ("2.0 * X.T @ residuals", "X.T @ residuals")}
    both = {**halves, "sgd": ("w = w - lr *", "w = w - 2 * lr *")}
    solutions = sources("training", "solution")
    edited = [{name: solutions[name].replace(*edit) for name, edit in edits.items()} for edits in (halves, both)]
    assert all(source != solutions[name] for replaced in edited for name, source in replaced.items())
    asked = ["test_mse_gradient", "test_sgd", "test_sgd_batches"]
    assert list(lost("training", edited[0], asked)) == ["test_mse_gradient"]
    assert list(lost("training", edited[1], asked)) == asked


@pytest.mark.parametrize(
    "slips",
    [
        ("add_only_left", "mul_forgets_chain_factor"),
        ("add_halves_gradient", "mul_uses_own_value", "topological_order_visited_list"),
        ("mul_assigns_gradient", "topological_order_reversed"),
    ],
    ids=" and ".join,
)
def test_wrong_operations_and_a_slow_order_cost_no_point_of_the_repaired_tensor(slips, monkeypatch):
    """In a long program, too, whose time counts: stand-ins take their places."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")  # as while a notebook is graded
    known = {entry.name: entry for entry in catalogue.load(ROOT / "mistakes/mini-torch.toml", SOURCES["mini-torch"])}
    replaced = {known[slip].cell: known[slip].source for slip in slips}
    assert lost("mini-torch", replaced, ["test_shared_tensor_linear", "test_shared_tensor_order"]) == {}
