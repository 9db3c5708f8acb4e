import math

import numpy as np

from given.checks import NOTEBOOK, NotYet, expect, expect_number, name_of, shown
from given.optimizers.tensor import Tensor, x1, x2

# ---- The notebook's cell begins here. ----

"""Self-checks for optimizers. You need not read this cell."""


class StandIn:
    """The base class until you run your own, so that an error in Exercise 1 does not stop the later ones."""

    def __init__(self, params):
        self.params = list(params)


NOTEBOOK.setdefault("Optimizer", StandIn)


def on_any_base(optimizer_class, test):
    """Run a self-check; if it fails, once more with an `Optimizer` that only keeps the parameters."""
    try:
        return test()
    except Exception as error:
        first = error
    base = next((cls for cls in getattr(optimizer_class, "__mro__", ()) if cls.__name__ == "Optimizer"), None)
    if base is None:
        raise first
    before = {name: part for name, part in vars(base).items() if callable(part) or isinstance(part, property)}
    for name in before:
        delattr(base, name)
    base.__init__ = StandIn.__init__
    try:
        test()
    except Exception:
        raise first from None
    finally:
        del base.__init__
        for name, part in before.items():
            setattr(base, name, part)
    print("Note: this check fails with your `Optimizer` as the base class, and passes with another one.")
    print("Nothing is lost here, but look at Exercise 1 again; the pictures below may be wrong.")


STARTS = {"x1": -5.0, "x2": -2.0}
SLOPES = {"x1": 0.2, "x2": 4.0}  # the gradient of f_2d is (0.2 * x1, 4 * x2)


def expect_path(optimizer_class, points, hints, or_points=None, tolerance=1e-6, **hyperparameters):
    """Run an optimizer on f_2d, with gradients made by hand, and compare it step by step.

    `points` maps "x1", "x2" or both to the values after steps 1, 2, ...; `or_points` is a second path that is right
    as well; `hints` says for a step where to look if the first difference is there.
    """
    on_any_base(optimizer_class, lambda: _follow(optimizer_class, points, hints, or_points, tolerance, hyperparameters))


def _follow(optimizer_class, points, hints, or_points, tolerance, hyperparameters):
    params = {name: Tensor(STARTS[name]) for name in points}
    optimizer = optimizer_class(list(params.values()), **hyperparameters)
    open_paths = [path for path in (points, or_points) if path]
    for step in range(1, len(next(iter(points.values()))) + 1):
        for name, param in params.items():
            param.grad = SLOPES[name] * float(param.value)
        optimizer.step()
        _expect_numbers(optimizer_class, params, step)
        agreeing = [p for p in open_paths if all(_near(params[n].value, p[n][step - 1], tolerance) for n in p)]
        if not agreeing:
            _say_where(optimizer, params, open_paths[0], step, tolerance, hints, hyperparameters)
        open_paths = agreeing


def expect_still(optimizer_class, **hyperparameters):
    """A gradient that is zero from the start must leave the parameter where it is."""
    on_any_base(optimizer_class, lambda: _stay(optimizer_class, hyperparameters))


def _stay(optimizer_class, hyperparameters):
    name, param = name_of(optimizer_class), Tensor(3.0)
    optimizer = optimizer_class([param], **hyperparameters)
    for _ in range(2):
        param.grad = 0.0
        try:
            optimizer.step()
        except ZeroDivisionError:
            raise NotYet(f"{name} divides by zero when a gradient is 0. That is what eps is for.") from None
        expect(
            not (isinstance(param.value, float) and math.isnan(param.value)),
            f"{name}: a gradient of 0 makes the parameter NaN (0 divided by 0). That is what eps is for.",
        )
        _expect_numbers(optimizer_class, {"the parameter": param}, 1)
        value = float(param.value)
        expect(
            value == 3.0,
            f"{name}: a gradient that is 0 from the start must not move the parameter; yours moves it from 3 to {shown(value)}.",
        )


def expect_steps(optimizer_class, gradients, points, hint, or_points=None, **hyperparameters):
    """One parameter that starts at -5, given gradients, and the values after each step."""
    on_any_base(optimizer_class, lambda: _step(optimizer_class, gradients, points, hint, or_points, hyperparameters))


def _step(optimizer_class, gradients, points, hint, or_points, hyperparameters):
    param = Tensor(-5.0)
    optimizer = optimizer_class([param], **hyperparameters)
    open_paths = [path for path in (points, or_points) if path]
    for step, gradient in enumerate(gradients, start=1):
        param.grad = gradient
        optimizer.step()
        _expect_numbers(optimizer_class, {"x1": param}, step)
        agreeing = [path for path in open_paths if _near(param.value, path[step - 1], 1e-6)]
        wanted = " or ".join(shown(path[step - 1]) for path in open_paths)
        expect(
            agreeing,
            f"{name_of(optimizer_class)}, step {step}: x1 should be {wanted} ({_listed(hyperparameters)}, from x1=-5, "
            f"gradients {', '.join(shown(g) for g in gradients[:step])}), yours is {shown(param.value)}. {hint}",
        )
        open_paths = agreeing


def expect_pairs(path, points, what, hints, tolerance=1e-6):
    """The path that a training loop returned, point by point; `hints` is like that of `expect_path`."""
    expect(path is not None, f"{what} should return the path; yours returns None. Is a `return` missing?")
    steps = len(points) - 1
    expect(
        isinstance(path, (list, tuple, np.ndarray)), f"{what} should return a list of points; yours is {shown(path)}."
    )
    expect(
        len(path) == len(points),
        f"{what}: with {steps} steps there should be {steps + 1} points, the start included; yours has {len(path)}.",
    )
    for step, (point, expected) in enumerate(zip(path, points)):
        expect(
            hasattr(point, "__len__") and len(point) == 2,
            f"{what}: each point should be a pair (x1, x2); point {step} is {shown(point)}.",
        )
        where = f"{what}, after step {step}" if step else f"{what}, at the start"
        for name, yours, right in zip(("x1", "x2"), point, expected):
            expect(not hasattr(yours, "detach"), f"{where}: {name} is a tensor. Take the number out with `.item()`.")
            expect_number(yours, right, f"{where}: {name}", hints.get(step, hints[max(hints)]), tolerance)


def _expect_numbers(optimizer_class, params, step):
    """Each value must be a number in double precision."""
    for name, param in params.items():
        where = f"{name_of(optimizer_class)}, step {step}: {name}"
        value = getattr(param, "value", None)
        expect(value is not None, f"{where} has the value None. Assign a number to `param.value`.")
        expect(
            not isinstance(value, Tensor),
            f"{where}: its value is a Tensor, but it should be a number. Compute with `param.value` and `param.grad`, not with `param`.",
        )
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise NotYet(
                f"{where} should have a number as its value, yours is {shown(value)}. Look at what you assign to `param.value`."
            ) from None
        expect(
            not math.isnan(number),
            f"{where} should be a number, yours is NaN: look for 0/0, or for the root of a negative number.",
        )
        precise = "32" not in str(getattr(value, "dtype", ""))
        expect(
            precise,
            f"{where} has only 7 digits (float32); the hidden tests compare 10. Compute with Python numbers and `math`, not with torch.",
        )


def _moved(number):
    """Whether something that an optimizer keeps is no longer the number 0."""
    return not isinstance(number, (int, float)) or number != 0


def _near(yours, expected, tolerance):
    return abs(float(yours) - expected) <= tolerance * max(1.0, abs(expected))


def _listed(hyperparameters):
    return ", ".join(f"{name}={value:g}" for name, value in hyperparameters.items())


def _say_where(optimizer, params, points, step, tolerance, hints, hyperparameters):
    """Raise with the first parameter that differs, and what to look at."""
    name = next(n for n in points if not _near(params[n].value, points[n][step - 1], tolerance))
    yours = params[name].value
    text = (
        f"{name_of(type(optimizer))}, step {step}: {name} should be {shown(points[name][step - 1])} "
        f"({_listed(hyperparameters)}, from {name}={shown(STARTS[name])}), yours is {shown(yours)}. "
    )
    if step == 1 and float(yours) == STARTS[name]:
        zero = [
            key
            for key, part in vars(optimizer).items()
            if isinstance(part, list) and part and not any(map(_moved, part))
        ]
        if zero:
            raise NotYet(
                f"{text}Your `step` left it as it was, and `self.{zero[0]}` is still 0: is the new number stored in "
                f"`self.{zero[0]}[i]`?"
            )
        raise NotYet(f"{text}Your `step` left it as it was: assign the new number to `param.value`.")
    hint = hints.get(step, hints[max(hints)])
    if step > 1:
        steps = "one step" if step == 2 else f"{step - 1} steps"
        text += f"After {steps} you agree" + (", " if hint[0].islower() else ". ")
    raise NotYet(text + hint)


class HalfStep:
    """An optimizer for the self-checks of `train`: it notes the gradients that it sees, then halves x1 and x2."""

    def __init__(self, in_place=False):
        self.params, self.seen, self.in_place = [x1, x2], [], in_place

    def zero_grad(self):
        x1.grad, x2.grad = 0.0, 0.0

    def step(self):
        self.seen.append((float(x1.grad), float(x2.grad)))
        for param in self.params:
            if self.in_place:
                param.value = np.asarray(param.value, dtype=float)  # the same array again, if it is one
                param.value *= 0.5
            else:
                param.value = 0.5 * param.value
