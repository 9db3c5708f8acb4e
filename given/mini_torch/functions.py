from given.checks import NotYet, expect, self_check, shown

Tensor = topological_order = None  # the notebook makes them

# ---- The notebook's cell begins here. ----

"""Given functions, and a simple box that stands in for a tensor in the self-checks."""


def f_2d(x1, x2):
    """The long, narrow bowl that this course uses everywhere; works for numbers, arrays, and tensors."""
    return 0.1 * x1**2 + 2 * x2**2


def rosenbrock(x1, x2):
    """The curved valley of Rosenbrock (1960), a classic test for optimizers; its minimum is at (1, 1)."""
    return (1 - x1) ** 2 + 100 * (x2 - x1**2) ** 2


class Box:
    """Something with a `.value` and a `.grad`: all that an operation needs to know of a tensor."""

    def __init__(self, value, grad=0.0):
        self.value = value
        self.grad = grad


def run_backward(kind, *parts, grad, earlier=None):
    """Make an operation of these parts, the result last; let the result's gradient arrive, then run its backward().

    earlier: the gradient of the result in an earlier pass, after which those of the inputs are as they were before.
    """
    operation, boxes, result = kind(*parts), [part for part in parts if isinstance(part, Box)], parts[-1]
    if earlier is not None:
        before, result.grad = [box.grad for box in boxes[:-1]], earlier
        operation.backward()
        for box, value in zip(boxes, before):
            box.grad = value
    result.grad = grad
    before, grads = ([box.value for box in boxes], getattr(operation, "n", None)), [box.grad for box in boxes]
    operation.backward()
    after = [box.value for box in boxes], getattr(operation, "n", None)
    only = f"`{kind.__name__}.backward()` should change the gradients of its inputs and nothing else"
    expect(result.grad == grad, f"{only}; yours changes result.grad from {shown(grad)} to {shown(result.grad)}.")
    expect(before == after, f"{only}; yours changes a value, or the exponent n.")
    numbers = [
        part.value if isinstance(part, Box) else part for part in parts
    ]  # where one is 0, the gradient may be, too
    same = [box.grad for box in boxes] == grads and grad and all(numbers)
    hint = "An attribute changes by `x.grad += ...`; a sum alone, or `==`, changes nothing."
    expect(
        not same,
        f"`{kind.__name__}.backward()` should add to the gradients of its inputs; yours leaves them as they were. {hint}",
    )


class Recorder:
    """An operation that only notes that it ran, and which gradient a tensor had then."""

    def __init__(self, name, tensor, ran, seen):
        self.name, self.tensor, self.ran, self.seen = name, tensor, ran, seen

    def backward(self):
        self.ran.append(self.name)
        self.seen.append(self.tensor.grad)


def two_numbers(answer):
    """The two components of a gradient, or a message if the answer is something else."""
    try:
        first, second = None if isinstance(answer, (dict, str, set)) else answer
    except (TypeError, ValueError):
        raise NotYet(f"return two numbers, the derivatives by x1 and by x2; yours returns {shown(answer)}.") from None
    return first, second


def operations_of(z, text):
    """The operations of a result, or a message if it is none of the Tensors of Exercise 5."""
    expect(isinstance(z, Tensor), f"{text} should be a Tensor, yours is {shown(z)}.")
    mind = "If this is the Tensor of Exercise 7, run the cell of Exercise 5 again, then this one."
    expect(hasattr(z, "operations"), f"{text}: the result has no `.operations`; `__init__` makes them. {mind}")
    expect(
        isinstance(z.operations, (list, tuple)),
        f"{text}: `.operations` should be a list, yours is {shown(z.operations)}. `append` and `extend` return None; "
        "`a + b` and `[*a, *b]` make a new list.",
    )
    return z.operations


def about_result(z):
    """Where to look if the operations of a result are not what they should be."""
    mine, new = (getattr(tensor, "__dict__", {}) for tensor in (z, Tensor(0.0)))  # with `__slots__` there is none
    strange = sorted(set(mine) - set(new))
    if strange:
        return f"Your result has an attribute `{strange[0]}`, which a new Tensor does not have: is it spelled right?"
    if any(isinstance(part, (list, tuple)) for part in getattr(z, "operations", ())):
        return "There are lists in your list: `a + b` or `[*a, *b]` joins two lists."
    if getattr(z, "operation", z) is None:
        return "Its `.operation` is None: is it set on the result?"
    if len(getattr(z, "sources", (z,))) == 0:
        return "Its `.sources` are empty: the result should get its inputs."
    return ""


def numbers_of(gradient, n):
    """A gradient of n numbers, or a message if it is something else."""
    expect(
        hasattr(gradient, "__len__") and not isinstance(gradient, str) and len(gradient) == n,
        f"numerical_gradient of {n} value{'s' if n > 1 else ''} should be a list of {n}, yours is {shown(gradient)}."
        + (" Does `return` come after the loop?" if shown(gradient)[:1] in "[(" else ""),
    )
    return gradient


class Node:
    """Something that was made from others, and that counts how often it is compared."""

    compared = 0

    def __init__(self, *sources):
        self.sources = list(sources)

    def __eq__(self, other):
        Node.compared += 1
        return self is other

    __hash__ = object.__hash__


def expect_order(made_from, root, needed):
    """Fail unless `topological_order` brings the `needed` nodes in a right order; any right one will do."""

    def sources(node):
        expect(
            isinstance(node, str) and node in made_from,
            f"`sources` should be called with one node, yours calls it with {shown(node)}.",
        )
        return made_from[node]

    before = {name: list(parts) for name, parts in made_from.items()}
    order = topological_order(root, sources)
    links = ", ".join(f"{name} from {' and '.join(parts)}" for name, parts in before.items() if parts)
    what = f"With {links}: topological_order({root!r}, sources)"
    expect(isinstance(order, list), f"{what} should return a list of nodes; yours returns {shown(order)}.")
    expect(order, f"{what} gives an empty list. Does anything visit {root!r}, and does a visit append its node?")
    what += f" gives {order}"
    for place, node in enumerate(order):
        expect(node in needed, f"{what}. {node!r} does not belong there: {root!r} was not made from it.")
        expect(node not in order[:place], f"{what}. {node!r} is there twice. Do you note where you have been?")
        for source in before[node]:
            hint = "Append a node only when all its sources are in the list."
            expect(source in order[:place], f"{what}. {node!r} should come after {source!r}, its source. {hint}")
    for node in needed:
        expect(node in order, f"{what}. {node!r} is missing. Do you follow the sources of the sources, too?")
    for node, parts in before.items():
        left = made_from[node]
        expect(
            left == parts,
            f"{what}, but the list sources({node!r}), {parts}, is {left} afterward. Go through it without changing it.",
        )


self_check.given.update(
    Node=Node, expect_order=expect_order, f_2d=f_2d, rosenbrock=rosenbrock, Box=Box, Recorder=Recorder
)
