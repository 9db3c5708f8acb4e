"""Replies that no student's code has made: a process that answers for itself earns nothing.

Each forger knows the probes by heart. It takes the honest reply of the reference solution, keeps what that claims about
the process (events, modes, flags, counts), and spoils every value. No hidden test of any notebook may pass.
"""

import ast
import importlib
import inspect
import itertools
import json
import random
from collections.abc import Callable, Iterator

import pytest

from grading.course import notebooks
from grading.course.folder import Course
from grading.execution.rehearsal import definitions, run
from grading.oracle.student_code import InProcess, connected
from tests.conftest import ROOT

# What a reply says about the process itself. A forger would always say what sounds best.
CLAIMS = {
    "arguments", "calls", "changed", "cleared", "code", "events", "examples", "global", "grad_enabled",
    "gradients_changed", "kept", "line", "loaders", "made", "message", "mode", "modes", "new", "order", "peak",
    "raised", "requires_grad", "rounded", "stand_ins_used", "tensors", "torch", "torch_clip", "torch_optim", "tracked",
    "type",
}  # fmt: skip
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
ASIS = {"X", "y"}  # of `training.batches`: the arrays after the calls


def spoiled(reply: object, spoil: Callable[[object], object], lists: Callable[[list], list] = lambda items: items):
    """The reply with every value changed, and every claim as it is."""
    if isinstance(reply, dict) and reply.keys() & {"array", "dict"}:
        if "array" in reply:
            return {**reply, "array": spoiled(reply["array"], spoil, lists)}
        return {
            "dict": [
                [key, value if key in CLAIMS | ASIS else spoiled(value, spoil, lists)] for key, value in reply["dict"]
            ]
        }
    if isinstance(reply, dict):
        return {key: value if key in CLAIMS else spoiled(value, spoil, lists) for key, value in reply.items()}
    if isinstance(reply, list):
        return lists([spoiled(item, spoil, lists) for item in reply])
    return reply if reply is None else spoil(reply)


def numbers_in(value: object) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def echoing(question: dict) -> Callable[[object], object]:
    """Answer with the numbers of the question, one after the other."""
    numbers = itertools.cycle(numbers_in(question["arguments"]) or [1.0])
    return lambda value: next(numbers)


def constant(value: object) -> Callable[[dict], Callable[[object], object]]:
    return lambda question: lambda old: value


def any_number(question: dict) -> Callable[[object], object]:
    generator = random.Random(0)
    return lambda old: generator.uniform(-2, 2)


FORGERS = {
    "zeros": (constant(0.0), None),
    "ones": (constant(1), None),
    "echoes": (echoing, None),
    "random numbers": (any_number, None),
    "truth values": (constant(True), None),
    "texts": (constant("0.5"), None),
    "not a number": (constant(float("nan")), None),
    "infinity": (constant(float("inf")), None),
    "nested": (constant([[0.0]]), None),
    "objects": (constant({"value": 0.0}), None),
    "no values": (constant(None), None),
    "empty lists": (constant(0.0), lambda items: []),
    "short lists": (lambda question: lambda old: old, lambda items: items[:-1]),
    "long lists": (lambda question: lambda old: old, lambda items: [*items, *items[-1:]]),
}


WITHOUT_LISTS = {"test_tensor_backward", "test_effective_learning_rate"}  # replies of one number


class Forger:
    """Answers for an honest notebook, and spoils what that says."""

    def __init__(self, honest: InProcess, name: str):
        self.honest, (self.spoil, self.lists) = honest, FORGERS[name]

    def ask(self, question: str) -> str:
        reply = json.loads(self.honest.ask(question))
        return json.dumps(spoiled(reply, self.spoil(json.loads(question)), self.lists or (lambda items: items)))

    def ask_timed(self, question: str) -> tuple[str, float]:
        return self.ask(question), 0.0

    def source_of(self, name: str) -> str | None:
        return self.honest.source_of(name)


class Replayer(Forger):
    """Keeps what it answers at one attempt, and answers the same at the next one."""

    def __init__(self, honest: InProcess, test: str, kept: dict[str, list[str]], replay: bool):
        self.honest, self.kept, self.replay = honest, kept.setdefault(test, []), replay

    def ask(self, question: str) -> str:
        if self.replay:
            return self.kept.pop(0) if self.kept else "{}"
        self.kept.append(self.honest.ask(question))
        return self.kept[-1]


class Fixed(Forger):
    """Gives one answer to every question."""

    def __init__(self, honest: InProcess, answer: str):
        self.honest, self.answer = honest, answer

    def ask(self, question: str) -> str:
        return self.answer


ANSWERS = ["[]", "{}", "null", '{"value": []}', '{"value": {}}', '{"value": 0}', '{"value": true}', '{"value": NaN}']
ANSWERS += [
    '{"value": [], "error": {}}',
    '{"error": []}',
    '{"error": {"type": "NotImplementedError"}}',
    '{"value": ""}',
]
ANSWERS += ['{"value": {"values": [], "arguments": [], "stand_ins_used": true}}', '{"value": [[[[[[]]]]]], "more": 1}']


def passed(assignment: str, make: Callable[[InProcess, str], Forger], inputs: int = 0) -> list[str]:
    """The hidden tests of an assignment that a forger passes; questions whose answer is a number or a word aside."""
    source = notebooks.read(Course(ROOT).source(assignment))
    cells, won = notebooks.by_id(source), []
    for exercise, tests in notebooks.tests_of(source).items():
        if not any(isinstance(node, DEFINITIONS) for node in ast.parse(cells[exercise].source).body):
            continue
        honest = InProcess(*definitions(source, until=exercise))
        for test in tests:
            hidden = notebooks.split_hidden(cells[test].source)[1]
            with connected(make(honest, test), inputs):
                if run(hidden, {"__name__": "hidden"}, test) is None:
                    won.append(test)
    return won


@pytest.mark.parametrize("name", FORGERS)
@pytest.mark.parametrize("assignment", Course(ROOT).assignments)
def test_spoiled_values_earn_nothing(assignment, name):
    won = passed(assignment, lambda honest, test: Forger(honest, name))
    assert set(won) <= (WITHOUT_LISTS if name in ("short lists", "long lists") else set())


@pytest.mark.parametrize("assignment", Course(ROOT).assignments)
def test_the_replies_of_an_earlier_attempt_earn_nothing(assignment):
    kept: dict[str, list[str]] = {}
    everything = passed(assignment, lambda honest, test: Replayer(honest, test, kept, replay=False), inputs=1)
    assert everything
    assert passed(assignment, lambda honest, test: Replayer(honest, test, kept, replay=True), inputs=2) == []


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("assignment", Course(ROOT).assignments)
def test_one_answer_to_everything_earns_nothing(assignment, answer):
    assert passed(assignment, lambda honest, test: Fixed(honest, answer)) == []


@pytest.mark.parametrize("assignment", Course(ROOT).assignments)
def test_the_honest_notebook_passes_them_all(assignment):
    assert len(passed(assignment, lambda honest, test: honest)) > 15


PROBES = {  # those that hold stand-ins or fixtures
    "mini-torch": ["autodiff"],
    "optimizers": ["optimizers"],
    "training": ["training", "real_parameters"],
}


def held_by_the_probes(assignment: str) -> Iterator[Callable]:
    """The functions and classes, and the functions of classes, that students' code finds in modules of the probes."""
    for name in PROBES[assignment]:
        module = importlib.import_module(f"grading.probe.{name}")
        for thing in vars(module).values():
            if getattr(thing, "__module__", None) == module.__name__:
                yield thing
                yield from (part for part in vars(thing).values() if inspect.isfunction(part))


def fits(thing: object, answer: object) -> bool:
    """Whether it can be called in the place of an answer."""
    if isinstance(answer, type) or isinstance(thing, type):
        return isinstance(answer, type) and isinstance(thing, type)
    try:
        inspect.signature(thing).bind(*inspect.signature(answer).parameters)
    except TypeError:
        return False
    return True


def unwritten(*args: object, **kwargs: object) -> None:
    raise NotImplementedError


@pytest.mark.parametrize("assignment", PROBES)
def test_nothing_that_the_probes_hold_is_an_answer(assignment):
    """A stand-in for an exercise would be in the student's process, as in `topological_order = probe.stand_in`."""
    notebook = notebooks.read(Course(ROOT).source(assignment))
    cells, won, tried = notebooks.by_id(notebook), [], 0

    def passes(test: str, namespace: dict) -> bool:
        with connected(InProcess(namespace, [])):
            return run(notebooks.split_hidden(cells[test].source)[1], {"__name__": "hidden"}, test) is None

    for exercise, tests in notebooks.tests_of(notebook).items():
        names = [node.name for node in ast.parse(cells[exercise].source).body if isinstance(node, DEFINITIONS)]
        namespace, _ = definitions(notebook, until=exercise)
        blank = {**namespace, **dict.fromkeys(names, unwritten)}
        lost = [test for test in tests if names and not passes(test, blank)]
        for name, thing in itertools.product(names, held_by_the_probes(assignment)):
            if fits(thing, namespace[name]):
                tried += 1
                won += [(test, thing) for test in lost if passes(test, {**blank, name: thing})]
    assert tried and won == []
