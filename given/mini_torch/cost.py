import sys

Tensor = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

# Measure what a calculation costs, without a clock.
import gc
import tracemalloc


def cost(calculation):
    """The number of function calls that `calculation()` makes, and the most bytes that it holds at one time."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    tracemalloc.start()
    sys.setprofile(count)
    try:
        calculation()
    finally:
        sys.setprofile(before)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return calls, size


def left_over(calculation):
    """The bytes that are still held after `calculation()`, when nothing leads to what it made."""
    gc.freeze()  # the collection looks only at what is made from here on
    tracemalloc.start()
    try:
        calculation()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def comparisons(kind, calculation):
    """How often `calculation()` compares two objects of a class with ==, as a search in a list does."""
    compared, before = [0], {name: kind.__dict__[name] for name in ("__eq__", "__hash__") if name in kind.__dict__}

    def equal(self, other):
        compared[0] += 1
        return self is other

    kind.__eq__, kind.__hash__ = equal, object.__hash__
    try:
        calculation()
    finally:
        del kind.__eq__, kind.__hash__
        for name, method in before.items():
            setattr(kind, name, method)
    return compared[0]


def doublings(n, value=1.0):
    """x and the result of n doublings of it, y = x + x, y = y + y, ..., after backward()."""
    x = y = Tensor(value)
    for _ in range(n):
        y = y + y
    y.backward()
    return x, y
