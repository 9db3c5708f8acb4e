"""Wrong answers that nobody thought of: mutate every reference solution, and see whether a hidden test notices.

The operators are mutmut's, a few that suit formulas (a statement dropped, two swapped, one name for another, a
constant made smaller, a function left out), and the slips of `mutation_families`. A mutant that survives is either a
weak test or no mistake at all; the latter are listed, each with its reason, in `mistakes/equivalent.toml`, and must
really survive. A reason may not contradict the contract of the exercise, see `grading.course.catalogue`: an answer that
breaks one of its sentences is a mistake.
"""

import ast
import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from nbformat import NotebookNode

from grading import templates
from grading.authoring import mutation_families
from grading.compat.mutmut import OPERATORS
from grading.course import catalogue, notebooks
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.execution.rehearsal import rehearse, time_limit

SECONDS = 5


@dataclass(frozen=True)
class Mutant:
    """One changed solution.

    Attributes:
        cell: the exercise.
        before, after: the changed lines, stripped; several are joined by " / ".
        source: the whole cell.
    """

    assignment: str
    cell: str
    before: str
    after: str
    source: str = field(repr=False)


@dataclass(frozen=True)
class Trial:
    """A mutant and the hidden tests that it lost, with the message of each; empty if it survived."""

    mutant: Mutant
    lost: tuple[str, ...]
    said: tuple[str, ...] = ()


def mutants(assignment: str, cell: str, source: str) -> list[Mutant]:
    """All different mutants of one solution cell. The lines between BEGIN and END SOLUTION are changed, the loops
    around it, and where a class keeps its state.
    """
    wrapper = MetadataWrapper(cst.parse_module(source))
    places, parents = wrapper.resolve(PositionProvider), wrapper.resolve(ParentNodeProvider)
    inside = notebooks.solution_lines(source).keys()
    found: dict[str, Mutant] = {}
    unchanged = ast.dump(ast.parse(source))
    for node, place in places.items():
        lines = set(range(place.start.line, place.end.line + 1))
        if lines <= inside:
            changed = _changed(node, parents)
        elif lines & inside and isinstance(node, cst.For | cst.IndentedBlock):  # a loop around the gap
            changed = mutation_families.changed(node)
        else:
            continue
        for new in changed:
            code = cst.Module([]).code_for_node(wrapper.module.deep_replace(node, new))
            try:
                tree = ast.dump(ast.parse(code))
            except (SyntaxError, ValueError):
                continue
            if tree != unchanged and tree not in found:
                found[tree] = Mutant(assignment, cell, *_difference(source, code), code)
    for code in mutation_families.shared_state(source):
        found.setdefault(ast.dump(ast.parse(code)), Mutant(assignment, cell, *_difference(source, code), code))
    return list(found.values())


def all_mutants(course: Course, assignment: str) -> list[Mutant]:
    """The mutants of every solution of an assignment."""
    notebook = notebooks.read(course.source(assignment))
    cells = notebooks.by_id(notebook)
    return [m for name in notebooks.tests_of(notebook) for m in mutants(assignment, name, cells[name].source)]


def trial(notebook: NotebookNode, mutant: Mutant) -> Trial:
    """Run the hidden tests of a mutant's exercise, in this process, within a time limit."""
    tests = notebooks.tests_of(notebook)[mutant.cell]

    try:
        with time_limit(SECONDS):
            verdicts = rehearse(notebook, {mutant.cell: mutant.source}, only=tests, hidden_only=True)
    except TimeoutError:
        return Trial(mutant, tuple(tests), ("",) * len(tests))
    lost = {name: failure for name, failure in verdicts.items() if failure is not None}
    return Trial(mutant, tuple(lost), tuple(lost.values()))


def run(
    course: Course,
    chosen: list[Mutant],
    jobs: int | None = None,
    executor: Executor | None = None,
    done: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Try all mutants, several at once; the results come in the order of `chosen`.

    Raises:
        CourseError: a reference solution itself fails its hidden tests, so that every mutant would seem killed.
    """
    pool = executor or ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread)
    results: dict[int, Trial] = {}
    try:
        read = {name: notebooks.read(course.source(name)) for name in {mutant.assignment for mutant in chosen}}
        _require_sound_references(read, chosen, pool)
        tasks = {pool.submit(trial, read[mutant.assignment], mutant): i for i, mutant in enumerate(chosen)}
        for task in as_completed(tasks):
            results[tasks[task]] = task.result()
            done(task.result())
    finally:
        if executor is None:
            pool.shutdown(cancel_futures=True)
    return [results[i] for i in range(len(chosen))]


def mistakes(course: Course, assignment: str, exercise: str | None = None) -> list[Mutant]:
    """The catalogue's mistakes that name the sentence which they break, to be tried like mutants."""
    source = notebooks.read(course.source(assignment))
    return [
        Mutant(assignment, entry.cell, entry.name, entry.sentence, entry.source)
        for entry in catalogue.load(course.root / "mistakes" / f"{assignment}.toml", source)
        if entry.breaks is not None and exercise in (None, entry.cell)
    ]


def sentences(known: list[Trial]) -> dict[tuple, list[str]]:
    """The sentences of a contract by what an answer that breaks them loses.

    Args:
        known: the trials of `mistakes`.

    Returns:
        By exercise and lost tests, and by these and the first message without its numbers, the broken sentences.
    """
    found: dict[tuple, dict[str, None]] = {}
    for one in known:
        for key in _signs(one):
            found.setdefault(key, {})[one.mutant.after] = None
    return {key: list(words) for key, words in found.items()}


def caught_by(one: Trial, known: dict[tuple, list[str]]) -> list[str]:
    """The sentences whose known mistakes lose the same tests as this mutant, if possible with the same message."""
    return next((known[key] for key in _signs(one) if key in known), [])


def _signs(one: Trial) -> list[tuple]:
    tests = (one.mutant.cell, one.lost)
    words = re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "0", one.said[0].partition("\n")[0]) if one.said else ""
    return [(*tests, words), tests]


def load_equivalent(path: Path) -> dict[tuple[str, str, str], str]:
    """The mutants that are no mistake: (cell, before, after) and the reason."""
    if not path.is_file():
        return {}
    tables = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    return {(table["cell"], table["before"], table["after"]): table["reason"] for table in tables}


def verdict(trials: list[Trial], equivalent: dict[tuple[str, str, str], str]) -> tuple[list[Mutant], list[str]]:
    """The survivors that no reason excuses, and the entries of `equivalent` that do not survive (or do not exist)."""
    survived = {(t.mutant.cell, t.mutant.before, t.mutant.after): t.mutant for t in trials if not t.lost}
    tried = {(t.mutant.cell, t.mutant.before, t.mutant.after) for t in trials}
    cells = {t.mutant.cell for t in trials}
    weak = [mutant for key, mutant in survived.items() if key not in equivalent]
    stale = [
        f"{cell}: {before} -> {after} " + ("is killed" if (cell, before, after) in tried else "is no mutant any more")
        for cell, before, after in equivalent
        if cell in cells and (cell, before, after) not in survived
    ]
    return weak, stale


def _require_sound_references(read: dict[str, NotebookNode], chosen: list[Mutant], pool: Executor) -> None:
    faults = []
    for assignment, cell in dict.fromkeys((mutant.assignment, mutant.cell) for mutant in chosen):
        source = notebooks.by_id(read[assignment])[cell].source
        lost = pool.submit(trial, read[assignment], Mutant(assignment, cell, "", "", source)).result().lost
        faults += [f"{assignment}: the solution of {cell} itself fails {', '.join(lost)}"] if lost else []
    if faults:
        raise CourseError("\n".join(faults))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # as many processes as cores are enough


def _difference(old: str, new: str) -> tuple[str, str]:
    before, after = [], []
    if old.count("\n") == new.count("\n"):
        pairs = [(a.strip(), b.strip()) for a, b in zip(old.splitlines(), new.splitlines()) if a != b]
        return " / ".join(a for a, _ in pairs), " / ".join(b for _, b in pairs)
    for line in difflib.ndiff(old.splitlines(), new.splitlines()):
        if line.startswith("- "):
            before.append(line[2:].strip())
        elif line.startswith("+ "):
            after.append(line[2:].strip())
    return " / ".join(before), " / ".join(after)


def _changed(node: cst.CSTNode, parents: Mapping) -> Iterator[cst.CSTNode]:
    """What may replace a node."""
    for kind, operator in OPERATORS:
        if isinstance(node, kind):
            yield from operator(node)
    if isinstance(node, cst.Integer) and node.evaluated_value > 0:
        yield cst.Integer(str(node.evaluated_value - 1))
    if isinstance(node, cst.Float) and node.evaluated_value:
        yield cst.Float(repr(node.evaluated_value / 2))
    if isinstance(node, cst.SimpleStatementLine):
        yield cst.SimpleStatementLine([cst.Pass()], leading_lines=node.leading_lines)
    if isinstance(node, cst.IndentedBlock):
        yield from _swapped_statements(node)
    if isinstance(node, cst.Call) and len(node.args) == 1 and not node.args[0].star:
        argument = node.args[0].value
        yield argument.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    if isinstance(node, cst.BinaryOperation):
        yield _parenthesized(node.left)
        yield _parenthesized(node.right)
    yield from _other_names(node, parents)
    yield from mutation_families.changed(node)


def _parenthesized(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])


def _swapped_statements(block: cst.IndentedBlock) -> Iterator[cst.IndentedBlock]:
    body = list(block.body)
    for i in range(len(body) - 1):
        if isinstance(body[i], cst.SimpleStatementLine) and isinstance(body[i + 1], cst.SimpleStatementLine):
            yield block.with_changes(body=[*body[:i], body[i + 1], body[i], *body[i + 2 :]])


class _Names(cst.CSTVisitor):
    """The names of an assignment's kind in a function: its local names, and the attributes of self."""

    def __init__(self) -> None:
        self.local: list[str] = []
        self.attributes: list[str] = []

    def visit_Param(self, node: cst.Param) -> None:
        self.local.append(node.name.value)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        if isinstance(node.target, cst.Name):
            self.local.append(node.target.value)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        if isinstance(node.value, cst.Name) and node.value.value == "self":
            self.attributes.append(node.attr.value)


def _other_names(node: cst.CSTNode, parents: Mapping) -> Iterator[cst.CSTNode]:
    """One local name for another, one attribute of self for another."""
    if not isinstance(node, cst.Name):
        return
    parent = parents.get(node)
    if isinstance(parent, (cst.Param, cst.FunctionDef, cst.ClassDef)):
        return
    if isinstance(parent, cst.Arg) and parent.value is not node:  # the keyword of an argument
        return
    function = parent
    while function is not None and not isinstance(function, cst.FunctionDef):
        function = parents.get(function)
    if function is None:
        return
    names = _Names()
    function.visit(names)
    if isinstance(parent, cst.Attribute) and parent.attr is node:
        others = names.attributes if isinstance(parent.value, cst.Name) and parent.value.value == "self" else []
    else:
        others = names.local if node.value in names.local else []
    for other in dict.fromkeys(others):
        if other not in (node.value, "self"):
            yield node.with_changes(value=other)


def write_report(
    course: Course, trials: list[Trial], path: Path, known: dict[tuple, list[str]] | None = None
) -> list[dict]:
    """Write the matrix of mutants and hidden tests as one page; return the scores by exercise.

    Args:
        known: from `sentences`; the page tells then which sentence caught each mutant.
    """
    equivalent = load_equivalent(course.root / "mistakes" / "equivalent.toml")
    groups: dict[tuple[str, str], list[Trial]] = {}
    for one in trials:
        groups.setdefault((one.mutant.assignment, one.mutant.cell), []).append(one)
    tests = {name: notebooks.tests_of(notebooks.read(course.source(name))) for name, _ in groups}
    scores = [
        _score(name, cell, tests[name][cell], own, equivalent, known or {}) for (name, cell), own in groups.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(templates.render("mutants.html.j2", scores=scores), encoding="utf-8")
    return scores


def _score(assignment: str, cell: str, tests: list[str], trials: list[Trial], equivalent: dict, known: dict) -> dict:
    rows = []
    for one in trials:
        mutant = one.mutant
        reason = equivalent.get((cell, mutant.before, mutant.after))
        state = "killed" if one.lost else "equivalent" if reason else "survived"
        remark = {
            "killed": " Or: ".join(caught_by(one, known)),
            "equivalent": f"no mistake: {reason}",
            "survived": "survived",
        }[state]
        rows.append(
            {"before": mutant.before, "after": mutant.after, "lost": one.lost, "state": state, "remark": remark}
        )
    rows.sort(key=lambda row: ("survived", "equivalent", "killed").index(row["state"]))
    count = Counter(row["state"] for row in rows)
    score = {"assignment": assignment, "cell": cell, "tests": tests, "rows": rows, "total": len(rows)}
    score |= {state: count[state] for state in ("killed", "equivalent", "survived")}
    score["score"] = 100 * (1 - count["survived"] / max(1, len(rows) - count["equivalent"]))
    return score
