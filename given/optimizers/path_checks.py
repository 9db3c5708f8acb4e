import math

import numpy as np

from given.checks import NOTEBOOK, NotYet, by_hand, expect, expect_number, name_of, shown
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
ANEW = "It should start fresh: create what an optimizer remembers in `__init__`, and keep it in `self`, nowhere else."
SLOPES = {"x1": 0.2, "x2": 4.0}  # the gradient of f_2d is (0.2 * x1, 4 * x2)


def expect_path(
    optimizer_class, points, hints, or_points=None, tolerance=1e-6, again=False, settings=False, **hyperparameters
):
    """Run an optimizer on f_2d, with gradients made by hand, and compare it step by step.

    `points` maps "x1", "x2" or both to the values after steps 1, 2, ...; `or_points` is a second path that is right
    as well; `hints` says for a step where to look if the first difference is there.

    With `again`, other optimizers then take the same path with the same parameters, as a second training run does.
    With `settings`, the hyperparameters also arrive by position, beside another optimizer, and later from outside.
    """

    def test():
        follow = _Follower(optimizer_class, [path for path in (points, or_points) if path], tolerance, hyperparameters)
        params = follow.run(hints)
        if again:
            follow.again(params)
        if settings:
            follow.settings()

    on_any_base(optimizer_class, test)


class _Follower:
    """Runs optimizers of a class on f_2d, from STARTS, along the paths that are right."""

    def __init__(self, optimizer_class, paths, tolerance, hyperparameters):
        self.optimizer_class, self.paths = optimizer_class, paths
        self.tolerance, self.hyperparameters = tolerance, hyperparameters

    def make(self, params):
        return self.optimizer_class(list(params.values()), **self.hyperparameters)

    def run(self, hints):
        """One optimizer, then a second one with parameters of its own."""
        name = name_of(self.optimizer_class)
        params, others = self.start(), self.start()
        self.walk(self.make(params), params, name, hints)
        self.walk(self.make(others), others, f"a second {name}", {1: ANEW}, first=False)
        return params

    def start(self):
        return {name: Tensor(STARTS[name]) for name in self.paths[0]}

    def again(self, params):
        """Once more with the same parameters, put back to their start after, and then before, the optimizer is made."""
        name, listed = name_of(self.optimizer_class), " and ".join(params)
        for words, early, hint in (
            (
                f"a second {name} for the same parameters",
                False,
                ANEW,
            ),
            (
                f"{name}, made before {listed} {'are' if len(params) > 1 else 'is'} put to the start, as `train` does it",
                True,
                "Read `param.value` in each step: a copy that `__init__` keeps is out of date.",
            ),
        ):
            optimizer = self.make(params) if early else None
            for key, param in params.items():
                param.value = STARTS[key]
            self.walk(optimizer or self.make(params), params, words, {1: hint}, first=False)

    def settings(self):
        """The hyperparameters by position; beside an optimizer with others; set from outside."""
        name, given = name_of(self.optimizer_class), self.hyperparameters
        params = self.start()
        optimizer = self.optimizer_class(list(params.values()), *given.values())
        words = f"{name}(params, {', '.join(f'{value:g}' for value in given.values())})"
        self.walk(optimizer, params, words, {1: f"The order is {', '.join(given)}: keep it."}, first=False)

        params = self.start()
        optimizer = self.make(params)
        self.optimizer_class([Tensor(1.0)])
        hint = "Each optimizer keeps its own hyperparameters: `self.eta`, not a name of the class or of the notebook."
        self.walk(optimizer, params, f"{name}, after another {name} was made", {1: hint}, first=False)

        others = {"eta": 2 * given["eta"]} | ({"gamma": 0.3} if list(given) == ["eta", "gamma"] else {})
        for key, other in others.items():
            params = self.start()
            optimizer = self.optimizer_class(list(params.values()), **{**given, key: other})
            if not _changed(optimizer, key, other, given[key]):
                continue
            words = f"{name}, whose `.{key}` was changed to {given[key]:g} after it was made"
            hint = f"Read `self.{key}` in each step: it may change on the way, as with a schedule."
            self.walk(optimizer, params, words, {1: hint}, first=False)

    def walk(self, optimizer, params, what, hints, first=True):
        """Compare step by step; then, whether a step does what it should and nothing else."""
        open_paths, watch = self.paths, _Watch(what)
        for step in range(1, len(next(iter(self.paths[0].values()))) + 1):
            for name, param in params.items():
                param.grad = SLOPES[name] * float(param.value)
            watch.step(optimizer, params, step)
            agreeing = [p for p in open_paths if all(_near(params[n].value, p[n][step - 1], self.tolerance) for n in p)]
            if not agreeing:
                _say_where(
                    optimizer, params, open_paths[0], step, self.tolerance, hints, self.hyperparameters, what, first
                )
            open_paths = agreeing
        watch.judge()


def _changed(optimizer, name, before, value):
    """Set an attribute from outside, if it exists with this value and can be set."""
    try:
        if getattr(optimizer, name) != before:
            return False
        setattr(optimizer, name, value)
    except AttributeError:  # another name, a frozen class, a property
        return False
    return True


class _Watch:
    """Steps an optimizer, and looks whether the gradients stay, whether something comes back, how precise it is."""

    def __init__(self, what):
        self.what, self.values, self.faults = what, [], []

    def step(self, optimizer, params, step):
        before = {name: param.grad for name, param in params.items()}
        with by_hand("/torch/optim/", words="yours lets torch.optim make the step"):
            returned = optimizer.step()
        _expect_numbers(self.what, params, step)
        self.values += [float(param.value) for param in params.values()]
        if returned is not None:
            self.faults.append(f"`step()` should return nothing, yours returns {shown(returned)}.")
        for name, param in params.items():
            same = param.grad is before[name] or (isinstance(param.grad, float) and param.grad == before[name])
            if not same:
                self.faults.append(
                    f"`step()` should leave the gradient of {name} at {shown(before[name])}; after yours it is "
                    f"{shown(param.grad)}. Only `zero_grad()` clears gradients."
                )

    def judge(self):
        expect(not self.faults, f"{self.what}: {(self.faults or [''])[0]}")
        precise = [value for value in self.values if value != float(np.float32(value))]
        expect(
            precise,
            f"{self.what}: the values should have 16 digits, yours have only 7 (float32). Compute with Python numbers and `math`.",
        )


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
        _expect_numbers(name, {"the parameter": param}, 1)
        value = float(param.value)
        expect(
            value == 3.0,
            f"{name}: a gradient that is 0 from the start must not move the parameter; yours moves it from 3 to {shown(value)}.",
        )


def expect_steps(optimizer_class, gradients, points, hint, or_points=None, start=-5.0, **hyperparameters):
    """One parameter, given gradients, and the values after each step; once more after another optimizer was made."""
    paths = [path for path in (points, or_points) if path]

    def test():
        for another in (False, True):
            _step(optimizer_class, gradients, paths, hint, start, hyperparameters, another)

    on_any_base(optimizer_class, test)


def _step(optimizer_class, gradients, open_paths, hint, start, hyperparameters, another):
    param, what = Tensor(start), name_of(optimizer_class)
    optimizer = optimizer_class([param], **hyperparameters)
    if another:
        optimizer_class([Tensor(1.0)])
        what = f"{what}, after another {what} was made"
        hint = "Each optimizer keeps its own hyperparameters: `self.eps`, not a name of the class or of the notebook."
    watch, scale = _Watch(what), max(abs(start), *map(abs, open_paths[0]))
    for step, gradient in enumerate(gradients, start=1):
        param.grad = gradient
        watch.step(optimizer, {"x1": param}, step)
        agreeing = [path for path in open_paths if abs(float(param.value) - path[step - 1]) <= 1e-6 * scale]
        wanted = " or ".join(shown(path[step - 1]) for path in open_paths)
        expect(
            agreeing,
            f"{what}, step {step}: x1 should be {wanted} ({_listed(hyperparameters)}, from x1={shown(start)}, "
            f"gradients {', '.join(shown(g) for g in gradients[:step])}), yours is {shown(param.value)}. {hint}",
        )
        open_paths = agreeing
    watch.judge()


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


def _expect_numbers(what, params, step):
    """Each value must be a number in double precision."""
    for name, param in params.items():
        where = f"{what}, step {step}: {name}"
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
    return ", ".join(f"{name}={value:g}" for name, value in hyperparameters.items()) or "the documented defaults"


def _say_where(optimizer, params, points, step, tolerance, hints, hyperparameters, what, first):
    """Raise with the first parameter that differs, and what to look at."""
    name = next(n for n in points if not _near(params[n].value, points[n][step - 1], tolerance))
    yours = params[name].value
    text = (
        f"{what}, step {step}: {name} should be {shown(points[name][step - 1])} "
        f"({_listed(hyperparameters)}, from {name}={shown(STARTS[name])}), yours is {shown(yours)}. "
    )
    if first and step == 1 and float(yours) == STARTS[name]:
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
        optimizer.step()
        if _moved(float(params[name].value) - STARTS[name]):
            raise NotYet(
                f"{text}Yours moves it in the second step only: is it moved before the new number is computed from the gradient, or do two terms cancel in the first step?"
            )
        raise NotYet(f"{text}Your `step` left it as it was: assign the new number to `param.value`.")
    if first and step == 1:
        text += _said_of_the_way(float(yours), points[name][0], STARTS[name])
    hint = hints.get(step, hints[max(hints)])
    if first and step > 1:
        steps = "one step" if step == 2 else f"{step - 1} steps"
        text += f"After {steps} you agree" + (", " if hint[0].islower() else ". ")
    raise NotYet(text + hint)


def _said_of_the_way(yours, right, start):
    """What a first step has in common with the right one, in words."""
    if _near(yours, right - start, 1e-6):
        return "That is the way alone: `x -= way` subtracts it from x, but `x =- way` is `x = -way`. "
    if _near(yours, 2 * start - right, 1e-6):
        return "It moves as far as it should, but the other way: look at the sign. "
    return ""


class HalfStep:
    """An optimizer for the self-checks of `train`: it notes the gradients that it sees, then halves x1 and x2."""

    def __init__(self, in_place=False):
        self.params, self.seen, self.cleared, self.in_place = [x1, x2], [], 0, in_place

    def zero_grad(self):
        self.cleared += 1
        x1.grad, x2.grad = 0.0, 0.0

    def step(self):
        self.seen.append((float(x1.grad), float(x2.grad)))
        for param in self.params:
            if self.in_place:
                param.value = np.asarray(param.value, dtype=float)  # the same array again, if it is one
                param.value *= 0.5
            else:
                param.value = 0.5 * param.value
