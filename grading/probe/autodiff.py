"""Run the student's `Tensor` on an expression, its single operations, and measure what they cost."""

import contextlib
import gc
import itertools
import operator
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

from grading.probe import core

OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "neg": operator.neg,
    "tanh": operator.methodcaller("tanh"),
}

OPERATIONS = ("Add", "Mul", "Pow", "Tanh")

EMPTY: tuple[object, ...] = (0, "", (), frozenset())
"""Nodes of a graph that count as false in a condition."""

# Taken before any cell of the student's runs.
_setprofile, _getprofile = sys.setprofile, sys.getprofile
_trace, _trace_no_more, _is_tracing = tracemalloc.start, tracemalloc.stop, tracemalloc.is_tracing
_traced_memory, _reset_peak = tracemalloc.get_traced_memory, tracemalloc.reset_peak
_collect_no_more, _collect_again, _collect = gc.disable, gc.enable, gc.collect
_set_aside, _take_back, _count_aside = gc.freeze, gc.unfreeze, gc.get_freeze_count

AUTOGRAD = {"backward", "grad", "grad_and_value", "vjp", "jvp", "jacobian", "jacrev", "jacfwd", "gradcheck"}


class Node:
    """A minimal tensor for an operation: a value and a gradient. All nodes look alike when they are printed."""

    def __init__(self, value: Any, grad: Any = 0.0) -> None:
        self.value = value
        self.grad = grad
        self.operations: list = []

    def __repr__(self) -> str:
        return "Node"


def operation(
    namespace: dict,
    name: str,
    values: list,
    exponent: float | None,
    gradients: list,
    same: bool,
    times: int = 1,
    earlier: float | None = None,
) -> dict:
    """Make an `Add`, `Mul`, `Pow` or `Tanh` by hand and run its `backward()`.

    Args:
        values: the values of its inputs, then of its result.
        exponent: the second argument of `Pow`; None for the others.
        gradients: what the inputs' and the result's gradients are set to after the operation is made, and before it
            runs: in a graph, too, gradients arrive later.
        same: the left and right input are one object.
        times: how often `backward()` runs.
        earlier: it ran once before that, with this gradient of the result; then the gradients are set.

    Returns:
        `{"gradients": of the inputs and the result after it, "values": likewise, "exponent": what the operation keeps
        as `n`, or None}`.
    """
    nodes = [Node(value) for value in values]
    *inputs, result = nodes
    if same:
        inputs = [inputs[0], inputs[0]]
    arguments = [inputs[0], exponent, result] if exponent is not None else [*inputs, result]
    made = core.lookup(namespace, name)(*arguments)
    core.lookup(namespace, name)(*(Node(3.0) if isinstance(one, Node) else one for one in arguments))  # shares nothing
    if earlier is not None:
        result.grad = earlier
        made.backward()
    for node, gradient in zip(nodes, gradients):
        node.grad = gradient
    for _ in range(times):
        made.backward()
    kept = getattr(made, "n", exponent) if exponent is not None else None
    return {"gradients": [node.grad for node in nodes], "values": [node.value for node in nodes], "exponent": kept}


def evaluate(namespace: dict, values: list, steps: list, slopes: list | None = None, own_tensor: bool = True) -> dict:
    """Evaluate a straight-line program with the student's tensors, without `backward()`.

    Args:
        values, steps, slopes, own_tensor: as in `differentiate`.

    Returns:
        `{"values": of every place, "fresh": the values and gradients of the inputs before the first step, "new":
        whether every step gave a new object, "lists": whether `operations`, where there are any, are lists}`; a step
        that gave no `Tensor` has the value None.
    """
    with _operations(namespace, slopes, own_tensor):
        tensor = core.lookup(namespace, "Tensor")
        inputs = [tensor(value) for value in values]
        fresh = [[leaf.value, leaf.grad] for leaf in inputs]
        places = _run(inputs, steps)
        new = len({id(place) for place in places}) == len(places)
        lists = all(isinstance(getattr(place, "operations", []), list) for place in places)
        results = [p.value if isinstance(p, tensor) else None for p in places]
        return {"values": results, "fresh": fresh, "new": new, "lists": lists}


def differentiate(
    namespace: dict,
    values: list,
    steps: list,
    losses: list | None = None,
    slopes: list | None = None,
    own_tensor: bool = True,
    grads: dict | None = None,
) -> dict:
    """Evaluate a straight-line program with the student's tensors and run `backward()`.

    Args:
        values: of the inputs, which become `Tensor(value)`, at places 0, 1, ...
        steps: `[operator, a, b]` each, appended at the next place. An operand is an index (int) of an earlier
            place or `{"number": 2.0}`. Operators: those of `OPERATORS`.
        losses: the places on which `backward()` is called one after the other; by default the last place.
        slopes: if given, the student's operations are replaced by stand-ins that look their local derivatives up in
            these rows, so that a slip in those does not count twice; see `_operations`.
        own_tensor: if false, the student's `Tensor` is replaced as well, for the sake of the student's `tanh`.
        grads: what the inputs' gradients are set to before some of the passes, by the number of the pass, from "0".

    Returns:
        `{"value": of the last loss, "gradients", "values": of the inputs after it, "torch": where torch's autograd was
        called by the student's code, or None}`.
    """
    losses = losses or [len(values) + len(steps) - 1]
    with _operations(namespace, slopes, own_tensor), _torch_autograd_use() as used:
        inputs = [core.lookup(namespace, "Tensor")(value) for value in values]
        places = _run(inputs, steps)
        for number, place in enumerate(losses):
            for leaf, grad in zip(inputs, (grads or {}).get(str(number), [])):
                leaf.grad = grad
            places[place].backward()
        after = {"gradients": [leaf.grad for leaf in inputs], "values": [leaf.value for leaf in inputs]}
        return {"value": places[losses[-1]].value, **after, "torch": used["where"]}


def recorded(namespace: dict, values: list, steps: list, slopes: list | None = None) -> list:
    """The operations that the last place of a program holds in `.operations`, in order.

    Returns:
        For each `[name of its class, operands, result, values of both operands and of the result]`: a place is its
        index, a wrapped number `{"number": ...}`, what is neither None.
    """
    with _operations(namespace, slopes):
        places = _run([core.lookup(namespace, "Tensor")(value) for value in values], steps)
        names = {namespace.get(name): name for name in OPERATIONS}

        def place(tensor: Any) -> Any:
            for index, known in enumerate(places):
                if tensor is known:
                    return index
            number = getattr(tensor, "value", tensor)
            return {"number": float(number)} if isinstance(number, (int, float)) else None

        found = []
        for op in places[-1].operations:
            fields = ("base", "n") if names.get(type(op)) == "Pow" else ("left", "right")
            held = [getattr(op, field, None) for field in (*fields, "result")]
            operands = [place(operand) for operand in held[:2]]
            numbers = [getattr(operand, "value", operand) for operand in held]
            numbers = [number if isinstance(number, (int, float)) else None for number in numbers]
            found.append([names.get(type(op), type(op).__name__), operands, place(held[2]), numbers])
        return found


def backward_order(namespace: dict, changes: list, grad_before: float, times: int) -> dict:
    """Give one tensor operations that each change its gradient in a way of their own, then call its `backward()`.

    Args:
        changes: for each operation a pair (a, b): it sets the tensor's gradient from g to a * g + b.
        times: how often `backward()` is called.

    Returns:
        `{"order": the numbers of the operations as they ran, "grad": the tensor's gradient at the end, "kept": whether
        the tensor's operations are the same as before, "untouched": whether the gradients of the operations' inputs and
        results are, which no operation changes here}`.
    """
    tensor = core.lookup(namespace, "Tensor")(3.0)
    order = []
    held: list[Node] = []  # of the operations; the result of the last one is the tensor itself

    class Changing:
        def __init__(self, number: int) -> None:
            self.number = number
            self.left = self.right = self.base = Node(1.0, number + 2.0)
            self.result = Node(1.0, float(number)) if number < len(changes) - 1 else tensor  # the first one's is 0
            self.n = 1
            held.extend(node for node in (self.left, self.result) if node is not tensor)

        def backward(self) -> None:
            order.append(self.number)
            factor, summand = changes[self.number]
            tensor.grad = factor * tensor.grad + summand

    operations = [Changing(number) for number in range(len(changes))]
    tensor.operations = list(operations)
    tensor.grad = grad_before
    before = [node.grad for node in held]
    for _ in range(times):
        tensor.backward()
    untouched = [node.grad for node in held] == before
    return {"order": order, "grad": tensor.grad, "kept": list(tensor.operations) == operations, "untouched": untouched}


def ordered(namespace: dict, sources: list, root: int, empty: bool = False) -> dict:
    """The order in which `topological_order(root, sources)` brings the nodes of a graph.

    Args:
        sources: for each node the numbers of the nodes that it was made from; a number may be there twice.
        root: the number of the last node.
        empty: some nodes count as false in a condition.

    Returns:
        `{"nodes": their numbers in that order, None for what is no node; None if it is no list, "asked": how often the
        sources of a node were asked for, "kept": whether the lists of sources are as before}`.
    """
    nodes: list = [Node(float(number % 2)) for number in range(len(sources))]  # different nodes, equal values
    nodes[: empty * len(EMPTY)] = EMPTY[: empty * len(nodes)]
    asked = 0
    made_from = [[nodes[number] for number in one] for one in sources]
    numbers = {id(node): number for number, node in enumerate(nodes)}

    def sources_of(node: object) -> list:
        nonlocal asked
        asked += 1
        return made_from[numbers[id(node)]]

    order = core.lookup(namespace, "topological_order")(nodes[root], sources_of)
    if empty:  # a second call leaves the first order as it is
        core.lookup(namespace, "topological_order")(Node(2.0), lambda node: [])
    found = [numbers.get(id(node)) for node in order] if isinstance(order, list) else None
    kept = [[numbers.get(id(node)) for node in one] for one in made_from] == [list(one) for one in sources]
    return {"nodes": found, "asked": asked, "kept": kept}


def long_order(namespace: dict, sources: list, root: int) -> list | None:
    """The order of a large graph, see `ordered`, while the grader measures how much time that takes."""
    with _no_collection():
        nodes = [Node(float(number % 2)) for number in range(len(sources))]
        numbers = {id(node): number for number, node in enumerate(nodes)}
        made_from = {id(node): [nodes[number] for number in one] for node, one in zip(nodes, sources)}
        order = core.lookup(namespace, "topological_order")(nodes[root], lambda node: made_from[id(node)])
        return [numbers.get(id(node)) for node in order] if isinstance(order, list) else None


def zero_grad(namespace: dict, values: list, gradients: list) -> dict:
    """Call `zero_grad` with a list of parameters.

    Returns:
        `{"gradients", "values": of the parameters after it, "kept": whether the list is as before, "returned": whether
        something was returned}`.
    """
    params = [Node(value, gradient) for value, gradient in zip(values, gradients)]
    given = list(params)
    returned = core.lookup(namespace, "zero_grad")(given) is not None
    numbers = {"gradients": [param.grad for param in params], "values": [param.value for param in params]}
    return {**numbers, "kept": given == params, "returned": returned}


def cost(namespace: dict, values: list, steps: list, slopes: list | None = None) -> dict:
    """The cost of building a program and of `backward()` on its last place, measured without a clock.

    Returns:
        `{"calls": function calls, "peak": most bytes held at one time, "left": bytes that are still held when nothing
        leads to the program any more}`.
    """
    calls = 0

    def count(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    with _new_objects(), _memory() as held:
        with _operations(namespace, slopes):
            tensor, profile, before = core.lookup(namespace, "Tensor"), _getprofile(), held()[0]
            _setprofile(count)
            try:
                _run([tensor(value) for value in values], steps)[-1].backward()
            finally:
                _setprofile(profile)
            peak = held()[1] - before
        _collect()
        return {"calls": calls, "peak": peak, "left": held()[0]}


def built(namespace: dict, values: list, steps: list, more: list, slopes: list | None = None) -> int:
    """How many bytes `more` steps hold on top of what the places of a program hold."""
    with _operations(namespace, slopes), _memory() as held:
        tensor = core.lookup(namespace, "Tensor")
        places = _run([tensor(value) for value in values], steps)
        before = held()[0]
        places = _run(places, more)
        return held()[0] - before


def long_backward(namespace: dict, values: list, steps: list, slopes: list | None = None) -> list:
    """The gradients of the inputs of a long program, while the grader measures how much time that takes.

    Args:
        values, steps, slopes: as in `differentiate`.
    """
    with _operations(namespace, slopes), _no_collection():
        inputs = [core.lookup(namespace, "Tensor")(value) for value in values]
        _run(inputs, steps)[-1].backward()
        return [leaf.grad for leaf in inputs]


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: looking through all that a notebook has imported takes longer than an answer."""
    _collect_no_more()
    try:
        yield
    finally:
        _collect_again()


@contextlib.contextmanager
def _new_objects() -> Iterator[None]:
    """Let garbage collection look only at what is made inside the block: all the rest takes it a tenth of a second.

    In a kernel that was forked, much is set aside already and stays so: looking at it would copy shared memory.
    """
    before = _count_aside()
    _set_aside()
    try:
        yield
    finally:
        if not before:
            _take_back()


@contextlib.contextmanager
def _memory() -> Iterator[Callable[[], list[int]]]:
    """Yields a function that tells how many bytes are held more than at the start of the block: now, and at most."""
    watched = _is_tracing()
    if not watched:
        _trace()
    _reset_peak()
    before = _traced_memory()[0]
    try:
        yield lambda: [size - before for size in _traced_memory()]
    finally:
        if not watched:
            _trace_no_more()


def _run(inputs: list, steps: list) -> list:
    """Every place of a program: the inputs, then one for each step."""
    places = list(inputs)
    for symbol, *operands in steps:
        operands = [places[item] if isinstance(item, int) else item["number"] for item in operands]
        places.append(OPERATORS[symbol](*operands))
    return places


@contextlib.contextmanager
def _operations(namespace: dict, slopes: list | None, own_tensor: bool = True) -> Iterator[None]:
    """With `slopes`, replace results of earlier exercises inside the block: the operations, `topological_order`.

    Args:
        slopes: rows `[name, values of the operands, derivatives of the result by these]`; what is no tensor, the
            exponent of a power, has none. Without rows the operations stay, and only `topological_order` is replaced.
        own_tensor: keep the student's `Tensor`.
    """
    if slopes is None:
        yield
        return
    known: dict[tuple, list] = {}
    for name, values, derivatives in slopes:
        for key in _keys(name, values):
            known.setdefault(key, derivatives)
    stand_ins: dict[str, Callable[..., Any]] = {name: _stand_in(name, known) for name in OPERATIONS if slopes}
    if not own_tensor:
        stand_ins["Tensor"] = type("Tensor", (_Tensor,), {"tanh": core.lookup(namespace, "tanh")})
    tensor: Any = stand_ins.get("Tensor") or core.lookup(namespace, "Tensor")
    with _numbered(tensor) as order, core.replaced(namespace, **stand_ins, topological_order=order):
        yield


def _key(name: str, values: list) -> tuple:
    return (name, *(f"{value + 0.0:.9g}" for value in values))  # -0.0 is 0.0


def _keys(name: str, values: list) -> list[tuple]:
    """The key, and those of values that differ in the last digits, which may decide how the ninth is rounded."""
    near = [[value, value * (1 + 1e-12), value * (1 - 1e-12)] for value in values]
    return [_key(name, list(chosen)) for chosen in itertools.product(*near)]


def _stand_in(name: str, known: dict) -> type:
    """An operation class that looks its local derivatives up."""

    class StandIn:
        def __init__(self, *operands_and_result: Any) -> None:
            *self.operands, self.result = operands_and_result
            self.left = self.base = self.operands[0]
            self.right = self.n = self.operands[-1]

        def backward(self) -> None:
            values = [float(getattr(operand, "value", operand)) for operand in self.operands]
            derivatives = known.get(_key(name, values))
            if derivatives is None:
                raise ValueError(f"{name} is made with other values than those of this expression")
            for operand, derivative in zip(self.operands, derivatives):
                if hasattr(operand, "value"):
                    operand.grad += derivative * self.result.grad

    return StandIn


class _Tensor(Node):
    """A tensor built as the notebook suggests, without operators. It differentiates chains: nothing is shared."""

    def __init__(self, value: Any, sources: Iterable[Any] = ()) -> None:
        super().__init__(value)
        self.sources = sources
        self.operation: Any = None

    def backward(self) -> None:
        self.grad = 1.0
        tensor: Any = self
        while tensor.operation is not None:
            tensor.operation.backward()
            (tensor,) = tensor.sources


@contextlib.contextmanager
def _numbered(tensor: Any) -> Iterator[Callable[[Any, Callable[[Any], Iterable[Any]]], list]]:
    """Number the tensors that are made inside the block; yields a `topological_order` that sorts by these numbers.

    A tensor is made after its sources. So the numbers replace a student's wrong `topological_order` here, and are of no
    use where other nodes are to be sorted, which is the exercise.
    """
    numbers: dict[int, int] = {}
    make, own = tensor.__init__, "__init__" in vars(tensor)

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        numbers[id(self)] = len(numbers)
        if make is not object.__init__:
            make(self, *args, **kwargs)

    def order(root: Any, sources: Callable[[Any], Iterable[Any]]) -> list:
        # Like an order with a set, it takes tensors for one that the student's class calls equal.
        key = id if tensor.__hash__ is None else lambda node: node
        found, waiting = {key(root): root}, [root]
        while waiting:
            new = {key(node): node for node in sources(waiting.pop()) if key(node) not in found}
            found |= new
            waiting += new.values()
        return sorted(found.values(), key=lambda node: numbers.get(id(node), -1))  # an earlier one is an input

    tensor.__init__ = noting
    try:
        yield order
    finally:
        if own:
            tensor.__init__ = make
        else:
            del tensor.__init__


@contextlib.contextmanager
def _torch_autograd_use() -> Iterator[dict[str, str | None]]:
    """Note whether torch differentiates inside the block; yields `{"where": the function or None}`."""
    used: dict[str, str | None] = {"where": None}

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            path = frame.f_code.co_filename.replace("\\", "/")
            if "/torch/" in path and frame.f_code.co_name in AUTOGRAD:
                used["where"] = frame.f_code.co_qualname
        elif event == "c_call" and getattr(arg, "__name__", None) == "run_backward":  # the engine itself
            used["where"] = "run_backward"

    before = _getprofile()
    _setprofile(watch)
    try:
        yield used
        if _getprofile() is not watch:  # code that differentiates by hand has no reason to remove it
            used["where"] = used["where"] or "sys.setprofile"
    finally:
        _setprofile(before)
