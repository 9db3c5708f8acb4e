Tensor = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

# Measure what a calculation costs, without a clock.
import sys
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


def doublings(n, value=1.0):
    """x and the result of n doublings of it, y = x + x, y = y + y, ..., after backward()."""
    x = y = Tensor(value)
    for _ in range(n):
        y = y + y
    y.backward()
    return x, y
