"""The references for `mini-torch`: torch's autograd, in float64, on random expressions with shared values.

An expression is a straight-line program, as in `grading.probe.autodiff.differentiate`: places 0, 1, ... are the
inputs, each step `[operator, a, b]` appends a place, an operand is a place or `{"number": 2.0}`.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from grading.oracle.compare import Mismatch, both, close, same_list, same_number, show, that
from grading.oracle.recent import remembered
from grading.oracle.student_code import Delegated, Student, StudentError
from grading.probe import wire
from grading.probe.autodiff import OPERATORS

F_2D = [["**", 0, {"number": 2}], ["*", {"number": 0.1}, 2], ["**", 1, {"number": 2}], ["*", {"number": 2}, 4]]
F_2D += [["+", 3, 5]]
"""0.1 * x1**2 + 2 * x2**2"""

ROSENBROCK = [["-", {"number": 1}, 0], ["**", 2, {"number": 2}], ["**", 0, {"number": 2}], ["-", 1, 4]]
ROSENBROCK += [["**", 5, {"number": 2}], ["*", {"number": 100}, 6], ["+", 3, 7]]
"""(1 - x1)**2 + 100 * (x2 - x1**2)**2"""

LADDER = [["+", 0, 1], ["*", 2, 1], ["*", 3, 2], ["+", 4, 3], ["*", 4, 5], ["+", 6, 2]]
"""Each value is used by the next step and by a later one, so the order of a backward pass matters."""

EXPONENTS = (-1, 2, 3)
"""The exponents in random programs."""


# Expressions


def random_values(rng: np.random.Generator, n: int) -> list[float]:
    """Inputs of both signs, from 0.5 to 1.5 in size."""
    return [round(float(size * sign), 3) for size, sign in zip(rng.uniform(0.5, 1.5, n), rng.choice([-1, 1], n))]


def cases(rng: np.random.Generator, make: Callable, *sizes: tuple) -> list[tuple[list[float], list]]:
    """Pairs of values and a program: `(n_inputs, *more)` for each, `make(rng, values, *more)`."""
    found = []
    for n_inputs, *more in sizes:
        values = random_values(rng, n_inputs)
        found.append((values, make(rng, values, *more)))
    return found


def random_program(
    rng: np.random.Generator, values: list[float], n_steps: int, symbols: str = "+*^", left: str = "*"
) -> list:
    """A program that uses its values again and again.

    Args:
        values: of the inputs.
        n_steps: each may use any earlier place; every step but the first uses the one before with one chance in
            two, the last one does.
        symbols: of "+-*/^n": `^` is a power with a number from -1, 2, 3, `n` a negation.
        left: the operators that may have a number on their left.

    Returns:
        Steps, at most n_steps: those that the last one does not need are left out. All their values are between
        0.02 and 500 in size, so that rounding stays small.
    """
    while True:
        steps = []
        for here in range(len(values), len(values) + n_steps):
            symbol = str(rng.choice(list(symbols)))
            last = here == len(values) + n_steps - 1
            first = here - 1 if last or rng.random() < 0.5 else int(rng.integers(here))
            second = int(rng.integers(here)) if rng.random() < 0.8 else {"number": round(float(rng.uniform(0.5, 2)), 2)}
            if symbol == "^":
                steps.append(["**", first, {"number": int(rng.choice(EXPONENTS))}])
            elif symbol == "n":
                steps.append(["neg", first])
            elif rng.random() < 0.5 and (isinstance(second, int) or symbol in left):
                steps.append([symbol, second, first])
            else:
                steps.append([symbol, first, second])
        if _is_tame(values, steps):
            return _without_dead_steps(len(values), steps)


def random_layers(rng: np.random.Generator, values: list[float], n_steps: int) -> list:
    """A program in which each step uses the one before, once or twice: right code visits each value only once."""
    while True:
        steps = [["*", 0, len(values) - 1]]
        for last in range(len(values), len(values) + n_steps - 1):
            second = last if rng.random() < 0.6 else int(rng.integers(len(values)))
            steps.append([str(rng.choice(["+", "*"])), last, second])
        if _is_tame(values, steps):
            return steps


def random_tree(rng: np.random.Generator, values: list[float], n_leaves: int, symbols: str = "+*^") -> list:
    """A program in which no result is used twice; an input is, if there are more leaves than inputs.

    Args:
        values: of the inputs; leaf i is input i modulo their number.
        n_leaves: of the tree.
        symbols: of "+*^"; a power is put on one result in four.
    """
    binary = [symbol for symbol in symbols if symbol != "^"]
    while True:
        roots, steps = [leaf % len(values) for leaf in range(n_leaves)], []
        while len(roots) > 1:
            if "^" in symbols and rng.random() < 0.25:
                place = int(rng.integers(len(roots)))
                steps.append(["**", roots[place], {"number": int(rng.choice(EXPONENTS))}])
                roots[place] = len(values) + len(steps) - 1
            else:
                first = roots.pop(int(rng.integers(len(roots))))
                second = roots.pop(int(rng.integers(len(roots))))
                steps.append([str(rng.choice(binary)), first, second])
                roots.append(len(values) + len(steps) - 1)
        if _is_tame(values, steps):
            return steps


def doublings(n: int) -> list:
    """y = x + x, then y = y + y, in all n times: 2**n * x."""
    return [["+", place, place] for place in range(n)]


def wide_sum(n_inputs: int, n_products: int) -> list:
    """A sum of products of two inputs, added up in pairs: 2 * n_products - 1 operations, and not deep.

    Args:
        n_products: a power of 2.
    """
    steps = [["*", i % n_inputs, (3 * i + 1) % n_inputs] for i in range(n_products)]
    first, layer = n_inputs, n_products
    while layer > 1:
        steps += [["+", first + 2 * i, first + 2 * i + 1] for i in range(layer // 2)]
        first, layer = first + layer, layer // 2
    return steps


def chain(n_places: int, n_steps: int) -> list:
    """n_steps more operations on the last of n_places places: y = y * 1.01, y = y + 0.5, in turn."""
    turns = [["*", {"number": 1.01}], ["+", {"number": 0.5}]]
    return [[turns[i % 2][0], n_places + i - 1, turns[i % 2][1]] for i in range(n_steps)]


def web(rng: np.random.Generator, width: int, n_layers: int) -> tuple[list[float], list]:
    """Inputs, and a program in which most results are used several times: 2 * width * n_layers + width - 1 operations.

    In each layer every column becomes (itself + another column) * factor. All columns of a layer have the same value,
    so stand-ins need few rows; their gradients differ. The longest way has 2 * n_layers + log2(width) operations.

    Args:
        width: the number of columns, a power of 2.
    """
    factors = np.round(rng.uniform(0.45, 0.55, 8), 3).tolist()
    values, steps = [*factors, *[round(float(rng.uniform(1, 2)), 3)] * width], []
    columns = list(range(len(factors), len(values)))

    def add(symbol: str, first: int, second: int) -> int:
        steps.append([symbol, first, second])
        return len(values) + len(steps) - 1

    for layer in range(n_layers):
        others = [columns[number] for number in rng.integers(width, size=width)]
        sums = [add("+", own, other) for own, other in zip(columns, others)]
        columns = [add("*", one, layer % len(factors)) for one in sums]
    while len(columns) > 1:
        columns = [add("+", *pair) for pair in zip(columns[::2], columns[1::2])]
    return values, steps


def written(n_inputs: int, steps: list) -> str:
    """A program as a student would write it: `y1 = x1 * x2, z = y1 + y1`; a long one is abbreviated."""
    if len(steps) > 12:
        return f"z is the result of {len(steps)} operations"
    names = [f"x{i + 1}" for i in range(n_inputs)]
    names = (names if n_inputs > 1 else ["x"]) + [f"y{i + 1}" for i in range(len(steps) - 1)] + ["z"]
    lines = []
    for place, (symbol, *operands) in enumerate(steps, start=n_inputs):
        texts = [names[o] if isinstance(o, int) else f"{o['number']:g}" for o in operands]
        one = {"neg": f"-{texts[0]}", "tanh": f"{texts[0]}.tanh()"}
        right = one.get(symbol) or f" {symbol} ".join(texts)
        lines.append(f"{names[place]} = {right}")
    return ", ".join(lines)


# References


def torch_places(values: list[float], steps: list) -> list[torch.Tensor]:
    """Every place of a program as a torch tensor, float64."""
    places = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    for symbol, *operands in steps:
        operands = [places[item] if isinstance(item, int) else item["number"] for item in operands]
        places.append(OPERATORS[symbol](*operands))
    return places


@remembered
def torch_differentiate(
    values: list[float], steps: list, losses: list[int] | None = None, grads: dict[str, list[float]] | None = None
) -> dict:
    """The same program through torch's autograd; `backward` on each of the `losses`, gradients accumulating.

    `grads`: what the inputs' gradients are set to before some of the passes, by the number of the pass, from "0".

    Returns:
        `{"value": of the last loss, "gradients": of the inputs}`, floats.
    """
    places = torch_places(values, steps)
    losses = losses or [len(places) - 1]
    for number, place in enumerate(losses):
        for leaf, grad in zip(places, (grads or {}).get(str(number), [])):
            leaf.grad = torch.tensor(grad, dtype=torch.float64)
        places[place].backward(retain_graph=True)
    return {
        "value": places[losses[-1]].item(),
        "gradients": [0.0 if leaf.grad is None else leaf.grad.item() for leaf in places[: len(values)]],
    }


def reverse_mode(values: list[float], steps: list) -> list[float]:
    """The gradients of a program of sums and products of its inputs. Torch needs 20 times as long for a long one."""
    places = list(values)
    for symbol, a, b in steps:
        places.append(places[a] + places[b] if symbol == "+" else places[a] * places[b])
    gradients = [0.0] * (len(places) - 1) + [1.0]
    for place in range(len(places) - 1, len(values) - 1, -1):
        symbol, a, b = steps[place - len(values)]
        upstream = gradients[place]
        gradients[a] += upstream if symbol == "+" else upstream * places[b]
        gradients[b] += upstream if symbol == "+" else upstream * places[a]
    return gradients[: len(values)]


# Comparisons


def same_operation(
    student: Student,
    name: str,
    *inputs: float,
    n: float | None = None,
    upstream: float = 1.0,
    before: tuple[float, ...] = (0.0, 0.0),
    same: bool = False,
    times: int = 1,
    earlier: float | None = None,
) -> None:
    """Compare one operation with torch: what it adds to its inputs' gradients, and what it leaves alone.

    Args:
        name: `Add`, `Mul`, `Pow` or `Tanh`.
        inputs: the values of its inputs.
        n: the exponent of `Pow`.
        upstream: the gradient of its result.
        before: the gradients that its inputs hold already.
        same: both inputs are one object; then only the first of `inputs` counts.
        times: how often `backward()` runs; each time adds to the gradients.
        earlier: the gradient of its result in an earlier pass, after which the gradients were set anew.
    """
    symbol = {"Add": "+", "Mul": "*", "Pow": "**", "Tanh": "tanh"}[name]
    values = [inputs[0]] if same else list(inputs)
    special: dict[str, list] = {"Pow": [0, {"number": n}], "Tanh": [0]}
    operands = special.get(name, [0, 0] if same else [0, 1])
    reference = torch_differentiate(values, [[symbol, *operands]])
    count = len(values)
    values.append(reference["value"])
    gradients = [*before[:count], upstream]
    asked = {"name": name, "values": values, "exponent": n, "gradients": gradients, "same": same, "times": times}
    reply = student.ask("autodiff.operation", about=name, **asked, earlier=earlier)
    labels = ["base"] if name in ("Pow", "Tanh") else ["left and right (one tensor)"] if same else ["left", "right"]
    texts = [f"{label} = {value:g}" for label, value in zip(labels, values)] + ([f"n = {n:g}"] if n is not None else [])
    where = f"{name} with {', '.join(texts)} and result.grad = {upstream:g}"
    where += f", after an earlier pass with result.grad = {earlier:g}" if earlier is not None else ""
    where += ", backward() called twice" if times == 2 else ""
    for place, (label, local) in enumerate(zip(labels, reference["gradients"], strict=True)):
        start, right = before[place], before[place] + times * local * upstream
        text = f"{where}: the gradient of {label}"
        text += f", which was {start:g} before," if start else ""
        same_number(reply["gradients"][place], right, text, atol=1e-12 * min(1.0, abs(local * upstream) or 1.0))
    for label, mine, expected in zip([*labels, "result"], reply["values"], values, strict=True):
        same_number(mine, expected, f"{where}: the value of {label} after backward()", rtol=0.0, atol=0.0)
    same_number(reply["gradients"][-1], upstream, f"{where}: result.grad after backward()", rtol=0.0, atol=0.0)
    if n is not None:
        same_number(reply["exponent"], n, f"{where}: n after backward()", rtol=0.0, atol=0.0)


def pairs(rng: np.random.Generator, n: int = 2) -> list[tuple[float, float]]:
    """Pairs of numbers of both signs and of different sizes, from 0.1 to 9."""
    sizes = np.round(rng.uniform(0.1, 3.0, (n, 2)) * np.array([1.0, 3.0]), 3)
    return [(float(a), float(b)) for a, b in sizes * rng.choice([-1.0, 1.0], (n, 2))]


def powers(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Bases and exponents: whole and not, negative, 0 and 1; bases that are negative, 0, tiny and huge."""
    sizes = [round(float(size), 3) for size in rng.uniform(0.3, 2.5, 8)]
    found: list[tuple[float, float]] = [
        (sizes[0], 4),
        (-sizes[1], 5),
        (1 + sizes[2], 1),
        (-sizes[3], -1),
        (sizes[4], -2),
        (-7.0, 0),
    ]
    found += [(sizes[5], float(rng.uniform(1.1, 1.9))), (sizes[6], -0.5), (0.0, 3), (0.0, 1), (0.0, 2)]
    found += [(-sizes[2], 2), (-sizes[3], 4)]  # odd powers of a negative base are negative
    return [*found, (sizes[7] * 1e-6, 2), (sizes[0] * 1e6, 2), (sizes[1] * 1e-4, 3), (-sizes[2] * 1e3, 3)]


def same_values(student: Student, values: list[float], steps: list, about: str = "Tensor") -> None:
    """Compare the value of every step of a program with torch's, without `backward()`."""
    reference = [place.item() for place in torch_places(values, steps)]

    def judge(reply: dict) -> None:
        for place, (mine, expected) in enumerate(zip(reply["values"], reference, strict=True)):
            upto = steps[: place + 1 - len(values)]
            where = f"With {_inputs(values)}, {written(len(values), upto)}"
            if place < len(values):
                where = f"Tensor({expected:g}).value"
            elif mine is None:
                raise Mismatch(f"{where}: z should be a Tensor.")
            else:
                where += ": the value of z"
            same_number(mine, expected, where)
        for value, (first, grad) in zip(values, reply["fresh"], strict=True):
            same_number(first, value, f"Tensor({value:g}).value")
            same_number(grad, 0.0, f"Tensor({value:g}).grad, before backward(),")
        where = f"With {_inputs(values)}, {written(len(values), steps)}"
        that(reply["lists"], f"{where}: `.operations` should be a list.")
        that(reply["new"], f"{where}: each result should be a new Tensor, yours gives one of its operands back.")

    _with_stand_ins(student, "autodiff.evaluate", judge, values, steps, about)


def same_gradients(
    student: Student,
    values: list[float],
    steps: list,
    losses: list[int] | None = None,
    what: str | None = None,
    about: str = "Tensor",
    grads: dict[str, list[float]] | None = None,
) -> None:
    """Compare the gradients of a program's inputs with torch's.

    The student's own operations and `topological_order` are used first. If that goes wrong, stand-ins are tried, so
    that an error in one of those costs its own points only.

    Args:
        losses: the places on which `backward()` is called; by default the last.
        what: what to call the program in the message; by default the program itself.
        about: the name of what the student wrote, for the message when it raises.
        grads: see `torch_differentiate`.
    """
    reference = torch_differentiate(values, steps, losses, grads)
    where = what or f"With {_inputs(values)}, {written(len(values), steps)}"
    if losses:
        names = [_name(len(values), len(steps), place) for place in losses]
        where += ", and " + ", then ".join(f"{name}.backward()" for name in names)
    for number, held in (grads or {}).items():
        where += f", the gradients of the inputs set to {', '.join(f'{grad:g}' for grad in held)} before pass "
        where += str(int(number) + 1)

    def judge(reply: dict) -> None:
        same_number(reply["value"], reference["value"], f"{where}: the value")
        for i, (mine, expected) in enumerate(zip(reply["gradients"], reference["gradients"], strict=True)):
            same_number(mine, expected, f"{where}: the gradient of {_name(len(values), len(steps), i)}")
        for i, (mine, expected) in enumerate(zip(reply["values"], values, strict=True)):
            what = f"{where}: the value of {_name(len(values), len(steps), i)} after backward()"
            same_number(mine, expected, what, rtol=0.0, atol=0.0)

    options = {"losses": losses, "grads": grads}
    _with_stand_ins(student, "autodiff.differentiate", judge, values, steps, about, **options)


def same_operations(student: Student, values: list[float], steps: list) -> None:
    """Compare what `.operations` holds with the steps of a tree: each once, after those whose results it uses."""
    names = {"+": "Add", "*": "Mul", "**": "Pow"}
    where = f"With {_inputs(values)}, {written(len(values), steps)}: z.operations"
    expected = {len(values) + i: (names[symbol], operands) for i, (symbol, *operands) in enumerate(steps)}
    numbers = [place.item() for place in torch_places(values, steps)]

    def judge(reply: list) -> None:
        that(len(reply) == len(steps), f"{where} should hold {len(steps)} operations, yours holds {len(reply)}.")
        done = set(range(len(values)))
        for position, (kind, operands, result, held) in enumerate(reply):
            here = f"{where}[{position}]"
            that(result in expected, f"{here} should have one of the computed tensors as its result.")
            that(result not in done, f"{here} is an operation that occurs twice.")
            name, known = expected[result]
            that(kind == name, f"{here} should be of class {name}, yours is of class {kind}.")
            ok = sorted(map(str, _numbers(operands))) == sorted(map(str, _numbers(known)))
            that(ok, f"{here} ({name}) should hold the tensors that it was made from, and not copies of them.")
            right = [numbers[o] if isinstance(o, int) else float(o["number"]) for o in operands]
            same_list(held, [*right, numbers[result]], f"{here} ({name}): the values of its operands and of its result")
            early = all(o in done for o in known if isinstance(o, int))
            that(early, f"{here} ({name}) comes before the operation that computes one of its inputs.")
            done.add(result)

    _with_stand_ins(student, "autodiff.recorded", judge, values, steps)


def same_order(
    student: Student, rng: np.random.Generator, n_operations: int, grad_before: float, times: int = 1
) -> None:
    """Check that `backward()` of the first `Tensor` sets its gradient to 1, then runs its operations in reverse.

    Operation k sets the gradient g to a * g + b with an a and b of its own, so what comes out in the end shows both.
    """
    changes = np.round(
        rng.uniform(0.5, 1.5, (n_operations, 2)) * rng.choice([-1.0, 1.0], (n_operations, 2)), 3
    ).tolist()
    asked = {"changes": changes, "grad_before": grad_before, "times": times}
    reply = student.ask("autodiff.backward_order", about="Tensor", **asked)
    order, expected = reply["order"], 1.0
    for factor, summand in reversed(changes):
        expected = factor * expected + summand
    that(
        order == list(range(n_operations))[::-1] * times,
        f"A tensor with {n_operations} operations, numbered from 0: backward() should run each once, the last one "
        f"first; yours ran {order or 'none'}" + (" in two calls." if times == 2 else "."),
    )
    that(
        reply["untouched"],
        f"A tensor with {n_operations} operations that change no gradient but the tensor's: after backward() those of "
        "their inputs and results should be as before.",
    )
    that(
        reply["kept"],
        f"A tensor with {n_operations} operations: after backward() its `.operations` should be the same list in the "
        "same order as before.",
    )
    text = f"A tensor with grad = {grad_before:g}, and with {n_operations} operations of which each changes its grad "
    text += "(g becomes a * g + b): backward() should set the grad to 1 before it runs them. Its grad at the end"
    same_number(reply["grad"], expected, text)


def random_graph(rng: np.random.Generator, n_nodes: int, shared: bool) -> tuple[list[list[int]], int]:
    """A graph whose nodes were made from others, and the node to start at.

    Args:
        shared: a node may be a source of several nodes, and of one node twice. Otherwise it is one of one node.

    Returns:
        For each node the numbers of its sources, and the number of the root. The numbers say nothing about the order.
        With `shared`, the root does not reach all nodes.
    """
    made: list[list[int]] = []  # here the numbers rise
    free: list[int] = []
    for here in range(n_nodes):
        chosen: list[int]
        if shared:
            chosen = rng.integers(max(0, here - 4), here, rng.integers(1, 4)).tolist() if here > 2 else []
        else:
            chosen = [free.pop(int(rng.integers(len(free)))) for _ in range(min(len(free), int(rng.integers(3))))]
            chosen = free + chosen if here == n_nodes - 1 else chosen
            free = [*free, here]
        made.append(chosen)
    names = [int(number) for number in rng.permutation(n_nodes)]
    sources: list[list[int]] = [[] for _ in made]
    for here, chosen in enumerate(made):
        sources[names[here]] = [names[number] for number in chosen]
    return sources, names[-3 if shared else -1]


def random_graphs(rng: np.random.Generator, shared: bool) -> list[tuple[list[list[int]], int]]:
    """Graphs of different sizes, see `random_graph`; at least one way through each of those with shared nodes forks."""
    return [random_graph(rng, n_nodes, shared) for n_nodes in (6, 8, 12, 30)]


def ladder(n_nodes: int) -> list[list[int]]:
    """Each node was made from the one before, on both sides: 2**(n_nodes - 1) paths lead from the last to the first."""
    return [[], *([number, number] for number in range(n_nodes - 1))]


def same_topological_order(student: Student, graphs: list[tuple[list[list[int]], int]], **options: bool) -> None:
    """Check an order by what makes it topological; of several right ones, any will do.

    Args:
        options: `empty`, see `probe.autodiff.ordered`.
    """
    for sources, root in graphs:
        asked = {"sources": student.plain(sources), "root": root, **options}
        order = student.ask("autodiff.ordered", about="topological_order", **asked)
        _judge_order(order["nodes"], sources, root)
        that(order["kept"], "`topological_order` should leave the lists that `sources(node)` gives as they are.")


def _judge_order(order: list[int | None] | None, sources: list[list[int]], root: int) -> None:
    links = "; ".join(f"{i} from {', '.join(map(str, found))}" for i, found in enumerate(sources) if found)
    where = (
        f"Nodes made from others ({links}), root {root}" if len(sources) <= 12 else f"A graph of {len(sources)} nodes"
    )
    needed, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(sources[node])
    if order is None:
        raise Mismatch(f"{where}: topological_order should return a list.")
    done: set[int] = set()
    for found in order:
        if found is None or found not in needed:
            raise Mismatch(f"{where}: the order holds something that cannot be reached from the root.")
        that(found not in done, f"{where}: the order holds node {found} twice.")
        for source in sources[found]:
            that(source in done, f"{where}: node {found} comes before {source}, which it was made from.")
        done.add(found)
    that(len(done) == len(needed), f"{where}: the order should hold {len(needed)} nodes, yours holds {len(done)}.")


def linear_ordering(student: Student, rng: np.random.Generator) -> None:
    """Check that `topological_order` visits each node once, and that its time grows like the number of nodes.

    The first is a claim of the student's process, the second is measured from outside; the order is compared as well.
    """

    def order(n_nodes: int) -> dict:
        number = rng.permutation(n_nodes).tolist()
        sources: list[list[int]] = [[] for _ in number]
        for node, found in enumerate(ladder(n_nodes)):
            sources[number[node]] = [number[source] for source in found]
        asked = {"sources": student.plain(sources), "root": number[-1]}
        reply = student.ask("autodiff.ordered", about="topological_order", **asked)
        _judge_order(reply["nodes"], sources, number[-1])
        return reply

    few, many = order(8), order(16)
    that(
        many["asked"] <= 4 * few["asked"],
        "16 nodes, each made from the one before on both sides: the sources are asked for more than 4 times as often "
        "as with 8 nodes. Visit each node once.",
    )
    order(100)

    def measure(values: list[float], steps: list, gradients: list[float]) -> float | None:
        links = [*([[]] * len(values)), *([a, b] for _, a, b in steps)]
        names = rng.permutation(len(links)).tolist()
        sources: list[list[int]] = [[] for _ in links]
        for node, found in enumerate(links):
            sources[names[node]] = [names[source] for source in found]
        asked = {"sources": student.plain(sources), "root": names[-1]}
        nodes, seconds = student.ask_timed("autodiff.long_order", about="topological_order", **asked)
        _judge_order(nodes, sources, names[-1])
        return seconds

    if not grows_linearly(rng, measure):
        raise Mismatch(
            "Among thousands of nodes, each one takes too long: the time should grow like the number of nodes, not "
            "like its square. Looking for a node in a long list takes long, in a set it does not."
        )


LONG = (((64, 63), 60), ((64, 127), 150))
"""The width and the number of layers of a `web`, of 8127 and of 16319 operations, and how many times as long as the
grader's own gradients an answer may take there."""

TRIES = 3


def grows_linearly(rng: np.random.Generator, measure: Callable[[list[float], list, list[float]], float | None]) -> bool:
    """Whether an operation among very many costs about as much as one among few.

    The time is measured from outside the student's process, and each measurement has a graph of its own: an answer
    that was remembered is of no use. The shortest time counts, because a busy machine makes others longer.

    The unit is what the grader's own gradients take. Where the time grows linearly an operation takes about 13 units.
    An answer that looks every node up in a list takes about 250 among 8127 operations, and twice that among twice as
    many. One that is linear but slow fails the first limit and passes the second.

    Args:
        measure: the processor time for a program, see `web`, in seconds; called with its inputs, steps and gradients.
            None where nothing can tell: then only the answers count.
    """
    own = math.inf
    for size, limit in LONG:
        taken = math.inf
        for _ in range(TRIES):
            values, steps = web(rng, *size)
            own = min(own, *(_seconds(values, steps) / len(steps) for _ in range(TRIES)))
            taken = min(taken, (measure(values, steps, reverse_mode(values, steps)) or 0.0) / len(steps))
            if taken <= limit * own:
                return True
        if taken > 3 * limit * own:  # the larger one would only take longer
            return False
    return False


def _seconds(values: list[float], steps: list) -> float:
    """The processor time of the grader's own gradients."""
    start = time.thread_time()
    reverse_mode(values, steps)
    return time.thread_time() - start


def clears(student: Student, rng: np.random.Generator) -> None:
    """Check that `zero_grad` clears every gradient, nan and inf included, and leaves the values alone."""
    for n in (1, 5):
        values, gradients = random_values(rng, n), random_values(rng, n)
        if n > 2:  # two parameters of equal value; one that is clear; after a run that has diverged
            values[1], gradients[1:4] = values[0], [0.0, math.inf, math.nan]
        reply = student.ask("autodiff.zero_grad", about="zero_grad", values=values, gradients=gradients)
        where = f"zero_grad of {n} parameter{'s' if n > 1 else ''} with the gradients {gradients}"
        same_list(reply["gradients"], [0.0] * n, f"{where}: the gradients after it", rtol=0.0, atol=0.0)
        same_list(reply["values"], values, f"{where}: the values after it", rtol=0.0, atol=0.0)
        that(reply["kept"], f"{where}: the list of parameters should be as before.")
        that(not reply["returned"], f"{where}: it should return nothing, yours returns something.")


def linear_cost(student: Student, rng: np.random.Generator) -> None:
    """Check that time and memory of the repaired `Tensor` grow like the number of operations.

    Time is measured from outside; numbers of calls and bytes are claims of the student's process. Gradients are
    compared as well. What goes wrong is measured again with stand-ins for `topological_order` and the operations: these
    are other exercises.
    """
    fault: AssertionError | None = None
    for stand_ins in ("none", "order", "all"):
        try:
            _linear_cost(student, rng, stand_ins)
            break
        except (StudentError, _WrongGradient) as error:
            fault = fault or error
        except AssertionError as error:
            fault = error
            if stand_ins == "order":
                raise
    else:
        assert fault is not None
        raise fault from None
    x, steps = round(float(rng.uniform(1, 2)), 3), doublings(60)  # only now: what fails above would take years
    what = f"60 doublings (y = y + y) of x = {x}"
    if stand_ins == "none":
        return same_gradients(student, [x], steps, what=what)
    asked = {"values": [x], "steps": student.plain(steps), "slopes": student.plain(slopes([x], steps)), "losses": None}
    reply = student.ask("autodiff.differentiate", about="Tensor", **asked)
    same_number(reply["gradients"][0], 2.0**60, f"{what}: the gradient of x")


class _WrongGradient(Mismatch):
    """An operation may be wrong, which is another exercise."""


def _linear_cost(student: Student, rng: np.random.Generator, stand_ins: str) -> None:
    values, base = [round(0.5 + 0.06 * i, 2) * (-1) ** i for i in range(16)], wide_sum(16, 512)
    more = chain(16 + len(base), 150)

    def measure(values: list[float], steps: list, probe: str = "cost", **options: object) -> Any:
        asked = {"values": values, "steps": student.plain(steps), **options}
        if stand_ins != "none":
            rows = slopes(values, steps + (more if probe == "built" else [])) if stand_ins == "all" else []
            asked["slopes"] = student.plain(rows)
        return student.ask(f"autodiff.{probe}", about="Tensor", **asked)

    small, large = (measure([1.5], doublings(n)) for n in (8, 16))
    for key, unit in (("calls", "function calls"), ("peak", "bytes of memory")):
        that(  # bytes and times are told without the numbers: these differ a little from run to run
            large[key] <= 6 * small[key] + 20_000 * (key == "peak"),
            f"16 doublings (y = y + y) take more than 6 times as many {unit} as 8 do: twice the operations should cost "
            "about twice as much.",
        )
    few = wide_sum(16, 64)
    that(
        measure(values, few)["left"] <= 150 * len(few),
        f"After {len(few)} operations, and backward(), to which no name leads any more, more than 150 bytes of each "
        "are still in memory: what a result was made from should be known to that result, and not to a list of all.",
    )
    each = measure(values, base, "built", more=student.plain(more)) / 150
    that(
        each <= 5_000,
        f"On top of {len(base)} operations, each further one keeps more than 5 kB: a result should remember only what "
        "it was made from directly.",
    )

    def timed(values: list[float], steps: list, gradients: list[float]) -> float | None:
        asked = {"values": values, "steps": student.plain(steps)}
        if stand_ins != "none":
            asked["slopes"] = student.plain(slopes(values, steps) if stand_ins == "all" else [])
        found, seconds = student.ask_timed("autodiff.long_backward", about="Tensor", **asked)
        try:
            same_list(found, gradients, f"{written(len(values), steps)}: the gradients of its {len(values)} inputs")
        except Mismatch as error:
            raise _WrongGradient(str(error)) from None
        return seconds

    if not grows_linearly(rng, timed):
        raise Mismatch(
            "Among thousands of operations, each one takes too long: the time should grow like the number of "
            "operations, not like its square."
        )
    that(
        measure([1.5], doublings(8))["calls"] <= 3000,
        "8 doublings (y = y + y) take more than 3000 function calls after another program of thousands of operations: "
        "`backward()` should go through what its own tensor was made from, and nothing else.",
    )


def same_numerical_gradient(
    student: Student,
    text: str,
    values: list[float],
    expected: list[float],
    rtol: float,
    by_name: bool = True,
    twice: bool = False,
    **options: float,
) -> None:
    """Compare `numerical_gradient` of a function of x1, x2, ... with expected numbers.

    Args:
        text: the function's formula in x1, x2, ...
        rtol: of the comparison, relative to the largest component.
        by_name: hand `h` over by its name.
        twice: call it for another point before looking at the first result.
        options: `h`, if it is given.
    """
    names = [f"x{i + 1}" for i in range(len(values))]
    what = f"f = {text} at {', '.join(f'{n} = {v:g}' for n, v in zip(names, values))}"
    what += f", h = {options['h']:g}" if options else ""
    function = student.function(text, *names)
    named: dict[str, Any] = options if by_name else {}
    placed = [] if by_name else list(options.values())
    again = [function, [value + 1.0 for value in values], *placed] if twice else None
    looked = student.call_and_look("numerical_gradient", function, list(values), *placed, again=again, **named)
    mine = looked["value"]
    if not isinstance(mine, list) or len(mine) != len(values):
        raise Mismatch(f"{what}: a list of {len(values)} numbers should be returned, not {show(mine)}.")
    slack = rtol * max(map(abs, expected))
    for name, yours, theirs in zip(names, mine, expected, strict=True):
        if not close(yours, theirs, rtol=0.0, atol=slack):
            where, (shown, wanted) = f"{what}: component {name}", both(yours, theirs)
            raise Mismatch(f"{where} should be {wanted}, yours is {shown}.", [(where, yours, theirs)])


def values_stay(student: Student, text: str, values: list[float], expected: list[float], **options: Any) -> None:
    """Check that `numerical_gradient` leaves the list of values as it was, to the last digit.

    That is for an answer that computes: the reply must be in the proportions of `expected`.
    """
    names = [f"x{i + 1}" for i in range(len(values))]
    answer = student.call_and_look("numerical_gradient", student.function(text, *names), list(values), **options)
    mine, after = answer["value"], answer["arguments"][1]
    usable = isinstance(mine, list) and len(mine) == len(values) and all(map(wire.is_number, mine))
    that(usable, f"f = {text}: a list of {len(values)} numbers should be returned, not {show(mine)}.")
    length = float(np.linalg.norm(mine) * np.linalg.norm(expected))
    that(
        0 < length < np.inf and abs(float(np.dot(mine, expected))) >= (1 - 1e-4) * length,
        f"f = {text} at {values}: {show(mine)} does not point along the gradient, {expected}.",
    )
    that(
        after == list(values),
        f"f = {text}: `values` were {values}, after `numerical_gradient(f, values)` they are {after}. They belong to "
        "the caller: work on a copy.",
    )


def slopes(values: list[float], steps: list) -> list:
    """What stand-ins for the student's operations look up, see `probe.autodiff._operations`: derivatives by torch.

    A difference, a quotient and a negation may be made of sums, products and powers in more than one way.
    """
    places = [place.item() for place in torch_places(values, steps)]
    used: dict[tuple, None] = {}
    for symbol, *operands in steps:
        a, b = [places[o] if isinstance(o, int) else float(o["number"]) for o in [*operands, operands[0]][:2]]
        if symbol == "tanh":
            used[symbol, a] = None
        elif symbol in _NAMES:
            used[symbol, a, b] = used[symbol, b, a] = None
        elif symbol == "-":
            used |= dict.fromkeys([("+", a, -b), ("+", -b, a)])
        elif symbol == "/" and b:
            used |= dict.fromkeys([("*", a, 1 / b), ("*", 1 / b, a), ("**", b, -1.0)])
        for x in (a, b):
            used |= dict.fromkeys([("*", x, -1.0), ("*", -1.0, x)])
    return [row for operation in used if (row := _slope(*operation)) is not None]


_NAMES = {"+": "Add", "*": "Mul", "**": "Pow", "tanh": "Tanh"}


def _slope(symbol: str, *values: float) -> list | None:
    if symbol == "**" and values[0] == 0 and values[1] < 0:
        return None
    operands = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in values]
    result = OPERATORS[symbol](operands[0], *(values[1:] if symbol == "**" else operands[1:]))
    if not torch.isfinite(result):
        return None
    result.backward()
    return [_NAMES[symbol], list(values), [x.grad.item() if x.grad is not None else 0.0 for x in operands]]


def _with_stand_ins(
    student: Student,
    probe: str,
    judge: Callable,
    values: list[float],
    steps: list,
    about: str = "Tensor",
    **options: Any,
) -> None:
    """Ask and judge; if that fails, do it again with stand-ins for the student's earlier exercises."""
    asked = {"values": values, "steps": student.plain(steps), **options}
    try:
        reply = student.ask(probe, about=about, **asked)
        torch_used = reply.get("torch") if isinstance(reply, dict) else None
        if not torch_used:
            return judge(reply)
    except AssertionError as error:
        faults = [error]
    else:
        raise Delegated(
            f"`Tensor` lets torch differentiate (`{torch_used}`). Here that is the exercise: write it in plain Python."
        )
    asked["slopes"] = student.plain(slopes(values, steps))
    for more in [{}, {"own_tensor": False}] if about == "Tensor.tanh" else [{}]:
        try:
            return judge(student.ask(probe, about=about, **asked, **more))
        except StudentError:
            pass  # not built as the notebook suggests: report the failure of the student's own code
        except AssertionError as error:
            faults.append(error)
    raise faults[-1] from None


def _is_tame(values: list[float], steps: list) -> bool:
    """True if no value of the program is tiny or huge, so that the order of its operations hardly matters."""
    places = list(values)
    for symbol, *operands in steps:
        operands = [places[item] if isinstance(item, int) else item["number"] for item in operands]
        places.append(OPERATORS[symbol](*operands))
        if not 0.02 <= abs(places[-1]) <= 500:
            return False
    return True


def _without_dead_steps(n_inputs: int, steps: list) -> list:
    """The same program without the steps that its last one does not need."""
    needed = {n_inputs + len(steps) - 1}
    for place, (_, *operands) in reversed(list(enumerate(steps, start=n_inputs))):
        if place in needed:
            needed.update(o for o in operands if isinstance(o, int))
    places = {place: place for place in range(n_inputs)}
    kept: list[list] = []
    for place, (symbol, *operands) in enumerate(steps, start=n_inputs):
        if place in needed:
            places[place] = n_inputs + len(kept)
            kept.append([symbol, *(places[o] if isinstance(o, int) else o for o in operands)])
    return kept


def _inputs(values: list[float]) -> str:
    return ", ".join(f"{_name(len(values), 99, i)} = {value:g}" for i, value in enumerate(values))


def _name(n_inputs: int, n_steps: int, place: int) -> str:
    if place < n_inputs:
        return f"x{place + 1}" if n_inputs > 1 else "x"
    return "z" if place == n_inputs + n_steps - 1 else f"y{place - n_inputs + 1}"


def _numbers(operands: list) -> list:
    """Operands in a form that can be compared: `{"number": 2}` and 2.0 are the same number."""
    return [o if isinstance(o, int) else {"number": float(o["number"])} if isinstance(o, dict) else o for o in operands]
