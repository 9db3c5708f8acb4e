"""The references for `optimizers`: torch.optim in float64, fed with given gradients.

The functions at the end compare a student's optimizer with them. Hidden tests call these, so each test is a line or
two long.
"""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from grading.oracle import compare
from grading.oracle.recent import remembered
from grading.oracle.student_code import Student

Row = list[float]
Path = list[Row]

# For Adagrad and its descendants: with gradients times this factor, eps changes no digit, whatever its value or place,
# and the path is the same as without the factor. So only `heeds_eps` tests eps.
HUGE = 1e8

F_2D = (0.1, 2.0)  # f_2d(x1, x2) = 0.1 * x1**2 + 2 * x2**2, on which the course's paths run


def gradients(rng: np.random.Generator, n_params: int, n_steps: int = 12, scale: float = 1.0) -> list[Row]:
    """Gradients that hide no bug: signs that change, sizes from 0.01 to 30 (times `scale`), never zero.

    Returns:
        `n_steps` rows of `n_params` floats.
    """
    sizes = 10.0 ** rng.uniform(-2.0, 1.5, size=(n_steps, n_params))
    signs = rng.choice([-1.0, 1.0], size=(n_steps, n_params))
    return (scale * sizes * signs).tolist()


def with_zeros(rows: list[Row], param: int = 0, first: int = 0, last: int = 4) -> list[Row]:
    """The same gradients, but one parameter's are zero from step `first` up to, but not including, step `last`."""
    return [
        [0.0 if i == param and first <= step < last else g for i, g in enumerate(row)] for step, row in enumerate(rows)
    ]


def starting_point(n_params: int) -> list[float]:
    """The default start of a path: 1, -2, 3, ..."""
    return [(-1.0) ** i * (i + 1.0) for i in range(n_params)]


def _torch_path(
    optimizer_class: type[torch.optim.Optimizer],
    rows: list[Row],
    start: Row | None = None,
    before_step: Callable[[int, dict], None] | None = None,
    **hyperparameters: Any,
) -> Path:
    """The path of an optimizer of torch through given gradients, in float64.

    Args:
        optimizer_class: from `torch.optim`.
        rows: one row of gradients for each step.
        start: the first values; by default `starting_point`.
        before_step: called with the step (from 1) and the optimizer's parameter group, to change `lr` on the way.
        hyperparameters: torch's names: `lr`, `momentum`, ...

    Returns:
        `len(rows) + 1` rows, the start first.
    """
    # One vector instead of a tensor for each parameter: the methods work elementwise, and this is much faster.
    params = torch.tensor(start or starting_point(len(rows[0])), dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_class([params], **hyperparameters)
    path = [params.tolist()]
    for step, row in enumerate(torch.tensor(rows, dtype=torch.float64), start=1):
        params.grad = row
        if before_step is not None:
            before_step(step, optimizer.param_groups[0])
        optimizer.step()
        path.append(params.tolist())
    return path


torch_path = remembered(_torch_path)


@remembered
def torch_amsgrad_path(
    rows: list[Row], start: Row | None = None, *, eta: float, beta1: float, beta2: float, eps: float
) -> Path:
    """AMSGrad as in the paper (Reddi, Kale and Kumar 2018, algorithm 2): without bias correction.

    torch divides by the corrections (`torch.optim.Adam(amsgrad=True)`); a step-dependent `lr` and `eps` undo that
    exactly.
    """

    def undo_correction(step: int, group: dict) -> None:
        root = math.sqrt(1.0 - beta2**step)
        group["lr"] = eta * (1.0 - beta1**step) / root
        group["eps"] = eps / root

    return _torch_path(
        torch.optim.Adam, rows, start, undo_correction, lr=eta, betas=(beta1, beta2), eps=eps, amsgrad=True
    )


def eps_inside_path(
    rows: list[Row], start: Row | None = None, *, eta: float, eps: float, gamma: float | None = None
) -> Path:
    """Adagrad, or with `gamma` RMSProp, with eps inside the root as the course writes it: g / sqrt(s + eps).

    torch has eps outside, g / (sqrt(s) + eps). With eps = 0 both are equal, which the tests hold to 1e-14.
    """
    values = list(start or starting_point(len(rows[0])))
    sums = [0.0] * len(values)
    path = [list(values)]
    for row in rows:
        for i, g in enumerate(row):
            sums[i] = sums[i] + g * g if gamma is None else gamma * sums[i] + (1.0 - gamma) * g * g
            if g != 0.0:
                values[i] -= eta * g / math.sqrt(sums[i] + eps)
        path.append(list(values))
    return path


# The course's optimizers: the documented hyperparameters, in order and with their defaults, and the accepted paths.
# Where the course accepts two places for eps there are two paths: outside the root (torch's), and inside.


def _gradient_descent(rows: list[Row], start: Row | None, eta: float) -> Any:
    return [torch_path(torch.optim.SGD, rows, start, lr=eta)]


def _momentum(rows: list[Row], start: Row | None, eta: float, gamma: float) -> Any:
    return [torch_path(torch.optim.SGD, rows, start, lr=eta, momentum=gamma)]


def _nesterov(rows: list[Row], start: Row | None, eta: float, gamma: float) -> Any:
    return [torch_path(torch.optim.SGD, rows, start, lr=eta, momentum=gamma, nesterov=gamma > 0)]  # torch refuses 0


def _adagrad(rows: list[Row], start: Row | None, eta: float, eps: float) -> Any:
    outside = torch_path(torch.optim.Adagrad, rows, start, lr=eta, eps=eps)
    return [outside, eps_inside_path(rows, start, eta=eta, eps=eps)]


def _rmsprop(rows: list[Row], start: Row | None, eta: float, gamma: float, eps: float) -> Any:
    outside = torch_path(torch.optim.RMSprop, rows, start, lr=eta, alpha=gamma, eps=eps)
    return [outside, eps_inside_path(rows, start, eta=eta, gamma=gamma, eps=eps)]


def _adam(rows: list[Row], start: Row | None, eta: float, beta1: float, beta2: float, eps: float) -> Any:
    return [torch_path(torch.optim.Adam, rows, start, lr=eta, betas=(beta1, beta2), eps=eps)]


def _amsgrad(rows: list[Row], start: Row | None, eta: float, beta1: float, beta2: float, eps: float) -> Any:
    return [torch_amsgrad_path(rows, start, eta=eta, beta1=beta1, beta2=beta2, eps=eps)]


COURSE: dict[str, tuple[Callable[..., list[Path]], dict[str, float]]] = {
    "GradientDescent": (_gradient_descent, {"eta": 0.4}),
    "Momentum": (_momentum, {"eta": 0.4, "gamma": 0.5}),
    "Nesterov": (_nesterov, {"eta": 0.05, "gamma": 0.9}),
    "Adagrad": (_adagrad, {"eta": 0.4, "eps": 1e-6}),
    "RMSProp": (_rmsprop, {"eta": 0.4, "gamma": 0.9, "eps": 1e-6}),
    "Adam": (_adam, {"eta": 0.8, "beta1": 0.9, "beta2": 0.99, "eps": 1e-6}),
    "AMSGrad": (_amsgrad, {"eta": 1.0, "beta1": 0.9, "beta2": 0.99, "eps": 1e-6}),
}


def course_paths(name: str, rows: list[Row], start: Row | None = None, **hyperparameters: Any) -> list[Path]:
    """The accepted paths of one of the course's optimizers. Missing hyperparameters have their documented defaults."""
    paths, defaults = COURSE[name]
    return paths(rows, start, **(defaults | hyperparameters))


def first_fall(gradients: list[float], beta2: float) -> int:
    """The first step, counted from 1, at which Adam's average of squared gradients is below its largest so far.

    From this step on, AMSGrad and Adam divide by different numbers. 0 if the average never falls.
    """
    v = 0.0
    for step, gradient in enumerate(gradients, start=1):
        previous, v = v, beta2 * v + (1 - beta2) * gradient**2
        if v < previous:
            return step
    return 0


# The values that hidden tests try besides the defaults. None is near 0.5, so that x and 1 - x cannot be confused.
RANGES = {"eta": (0.03, 1.5), "gamma": (0.62, 0.93), "beta1": (0.62, 0.85), "beta2": (0.92, 0.985)}


def settings(rng: np.random.Generator, name: str) -> dict[str, float]:
    """Hyperparameters other than the defaults, in the documented order, without eps."""
    drawn = {key: float(rng.uniform(*RANGES[key])) for key in COURSE[name][1] if key != "eps"}
    return {key: round(value, 3) for key, value in drawn.items()}


def agrees(student: Student, name: str, rows: list[Row], *positional: float, **hyperparameters: float) -> None:
    """Follow the student's optimizer through these gradients and compare it with torch, step by step.

    Args:
        student: `grading.student`.
        name: the class.
        positional, hyperparameters: what the class is called with after the parameters.

    Raises:
        Mismatch: at the first step and parameter at which they differ.
    """
    run = {"start": starting_point(len(rows[0])), "gradients": rows}
    run |= {"positional": list(positional), "hyperparameters": hyperparameters}
    agree(student, name, [run], lambda place: _called(name, positional, hyperparameters, len(rows[0])))


def agree(student: Student, name: str, runs: list[dict], what: Callable[[int], str]) -> None:
    """Compare several runs, see `probe.optimizers.follow`; `what` describes the run at a place."""

    def judge(reply: dict) -> None:
        for place, (path, run) in enumerate(zip(reply["paths"], runs, strict=True)):
            asked = {**run, "changes": {}} if reply["ignored"] else run
            _judge_path(path, _references(name, asked), what(place), run["gradients"])
        compare.that(not reply["returned"], f"{what(0)}: `step()` should return nothing, yours returns something.")
        why = "`step()` should read `param.grad` and leave it as it is; after yours a gradient is another."
        compare.that(not reply["gradients_changed"], f"{what(0)}: {why}")

    student.judge_followed(name, runs, judge)


def _references(name: str, run: dict) -> list[Path]:
    """The accepted paths of a run, in pieces from one change from outside to the next."""
    named = dict(zip(COURSE[name][1], run.get("positional", []))) | run.get("hyperparameters", {})
    if not run.get("moves") and not run.get("changes"):
        return course_paths(name, run["gradients"], run["start"], **named)
    return moved_paths(name, run, named)


def moved_paths(name: str, run: dict, named: dict) -> list[Path]:
    """The accepted paths where values, or hyperparameters, are changed between steps.

    An optimizer's state does not depend on the values, so a change of values shifts the rest of the path. If the state
    depends on the gradients alone, the steps after a change of `eta` are those that the new `eta` would have taken from
    the start. This is so for torch's form of momentum, with `eta` outside the velocity. The course's velocity contains
    `eta`: `v = gamma * v + eta * g`. Both are accepted. After a change of `gamma` alone they are the same.
    """
    changes = {int(step): change for step, change in run.get("changes", {}).items()}
    moves = {int(step): values for step, values in run.get("moves", {}).items()}
    stages = [(0, named), *((step, named | change) for step, change in sorted(changes.items()))]
    whole = [course_paths(name, run["gradients"], run["start"], **now) for _, now in stages]
    plain = [_joined([(stages[i][0], paths[kind]) for i, paths in enumerate(whole)]) for kind in range(len(whole[0]))]
    if changes and name in ("Momentum", "Nesterov"):
        by_step = _velocity_path(name, run, COURSE[name][1] | named, changes)
        # The state depends on gamma: after a change, the steps are not those of the new gamma from the start.
        plain = [by_step] if any("gamma" in change for change in changes.values()) else [by_step, *plain]
    return [_shifted(path, moves) for path in plain]


def _velocity_path(name: str, run: dict, named: dict, changes: dict[int, dict]) -> Path:
    values = list(run["start"])
    velocities, path, now = [0.0] * len(values), [list(values)], dict(named)
    for step, row in enumerate(run["gradients"]):
        now |= changes.get(step, {})
        for i, g in enumerate(row):
            velocities[i] = now["gamma"] * velocities[i] + now["eta"] * g
            ahead = now["gamma"] * velocities[i] + now["eta"] * g
            values[i] -= ahead if name == "Nesterov" else velocities[i]
        path.append(list(values))
    return path


def _joined(stages: list[tuple[int, Path]]) -> Path:
    """One path whose steps come from several paths, from each one beginning at a given step."""
    path = [list(stages[0][1][0])]
    for step in range(len(stages[0][1]) - 1):
        source = [other for first, other in stages if first <= step][-1]
        path.append([x + (after - before) for x, before, after in zip(path[-1], source[step], source[step + 1])])
    return path


def _shifted(path: Path, moves: dict[int, Row]) -> Path:
    """The path whose values are set to new ones before some steps."""
    result = [list(path[0])]
    for step in range(len(path) - 1):
        base = moves.get(step, result[-1])
        result.append([x + (after - before) for x, before, after in zip(base, path[step], path[step + 1])])
    return result


def _called(name: str, positional: tuple, hyperparameters: dict, n_params: int) -> str:
    call = [_named(hyperparameters)] if hyperparameters else []
    if positional:
        call = ["params", *(f"{value:g}" for value in positional), *call]
    what = f"{name} ({', '.join(call) or 'no hyperparameters given, so the documented defaults'})"
    return f"{what}, {n_params} parameters" if n_params > 1 else what


def _judge_path(mine: list, references: list[Path], what: str, rows: list[Row]) -> None:
    try:
        compare.same_path(mine, *references, what=what)
    except compare.Mismatch as mismatch:
        with contextlib.suppress(compare.Mismatch):
            compare.same_path(mine, *references, what=what, rtol=1e-6)
            text = f"{what}: you agree with the reference to 6 digits, but not to 10. Compute with Python numbers and "
            mismatch = compare.Mismatch(
                text + "`math`, or numpy in double precision: float32 is too coarse.", mismatch.rows
            )
        if mismatch.paths is not None:
            *_, parameter, place, step = mismatch.paths
            if step and rows[step - 1][place] == 0.0:
                text = f"{mismatch} The gradient of {parameter} was 0 in that step."
                mismatch = compare.Mismatch(text, mismatch.rows, mismatch.paths, mismatch.bowl)
        raise mismatch from None


def keeps_own_state(
    student: Student, name: str, rng: np.random.Generator, scale: float = 1.0, **hyperparameters: float
) -> None:
    """Several parameters, one of them without a gradient for a while; two optimizers stepped in turn, and others later.

    The third optimizer continues with the parameters of the first, and the values of one run are changed from outside
    between its steps. Then 2000 steps and 40 more without a gradient, the same for all students, because torch takes
    long for them.
    """
    for n_params in (2, 5):
        rows = gradients(rng, n_params, scale=scale)
        agrees(student, name, with_zeros(rows, param=n_params - 1, first=3, last=7), **hyperparameters)
    starts = [[0.5, -4.0], [7.0, 0.25], [0.5, -4.0]]
    runs: list[dict] = [
        {"gradients": gradients(rng, 2, scale=scale), "start": start, "hyperparameters": hyperparameters}
        for start in starts
    ]
    runs[0]["moves"] = {"4": [3.0, 1.0], "9": [-6.0, 0.0]}
    runs[2]["after"] = 0
    words = ["first of two optimizers that are stepped in turn (its values are set to new ones before steps 5 and 10)"]
    words += [
        "second of two optimizers that are stepped in turn",
        "optimizer made later for the first one's parameters",
    ]
    agree(student, name, runs, lambda place: f"{name}, the {words[place]}")
    long = gradients(np.random.default_rng(2000), 1, n_steps=2000, scale=scale)
    agrees(student, name, long + [[0.0]] * 40, **hyperparameters)


def heeds_hyperparameters(student: Student, name: str, rng: np.random.Generator, scale: float = 1.0) -> None:
    """Compare with other values than the defaults, by name and in the documented order; with the defaults; with one
    value changed at a time, also to 0; with gradients of any size; and with two optimizers that have different values,
    one of which gets a new `eta` on the way.
    """
    agrees(student, name, gradients(rng, 1, scale=scale), **settings(rng, name))
    agrees(student, name, gradients(rng, 1, scale=scale), *settings(rng, name).values())
    agrees(student, name, gradients(rng, 1, scale=scale))
    for key, value in settings(rng, name).items():
        agrees(student, name, gradients(rng, 1, scale=scale), **{key: value})
        agrees(student, name, gradients(rng, 1, scale=scale), **{key: 0.0})
    if "eps" in COURSE[name][1]:  # a gradient that is divided by its own size gives steps of size eta
        _sized(student, name, rng, [(1e12, 0.3), (1e12, 1e-6), (1e12, 1e9)])
    else:
        _sized(student, name, rng, [(1e-12, 3e11), (1e12, 3e-13), (1.0, 1e-6), (1e-2, 1e-9), (1e12, 0.3)])
    both = [settings(rng, name) for _ in range(2)]
    runs = [{"start": [1.0], "gradients": gradients(rng, 1, scale=scale), "hyperparameters": one} for one in both]
    eta = round(float(rng.uniform(0.02, 0.9)), 3)
    runs[0] |= {"changes": {"5": {"eta": eta}}}
    words = [f", whose eta is set to {eta:g} before step 6,", ""]
    agree(
        student,
        name,
        runs,
        lambda place: (
            f"{_called(name, (), both[place], 1)}{words[place]} beside another with {_named(both[1 - place])}"
        ),
    )
    if name in ("Momentum", "Nesterov"):
        gamma = round(float(rng.uniform(*RANGES["gamma"])), 3)
        first = {**both[1], "gamma": 0.3}
        changed = {**runs[1], "hyperparameters": first, "changes": {"6": {"gamma": gamma}}}
        text = f"{name} ({_named(first)}), whose gamma is set to {gamma:g} before step 7"
        agree(student, name, [changed], lambda place: text)


def _sized(
    student: Student, name: str, rng: np.random.Generator, sizes: list[tuple[float, float]], **also: float
) -> None:
    """Gradients of these sizes, each with its eta, from 0."""

    def agrees_at(size: float, eta: float) -> None:
        given = {"eta": eta, **also}
        run = {"start": [0.0], "gradients": gradients(rng, 1, scale=size), "hyperparameters": given}
        what = f"{name} ({_named(given)}) from 0, with gradients from {size / 100:g} to {size * 30:g}"
        agree(student, name, [run], lambda place: what)

    for size, eta in sizes:
        agrees_at(size, eta)


def _named(hyperparameters: dict[str, float]) -> str:
    return ", ".join(f"{key}={value:g}" for key, value in hyperparameters.items())


def heeds_eps(student: Student, name: str, rng: np.random.Generator, **hyperparameters: float) -> None:
    """Compare with a large eps, with a gradient that is zero from the start, with the default eps where it matters,
    with two optimizers that have different eps, and with eps = 0.

    Args:
        hyperparameters: all but eps, in the documented order.
    """
    agrees(student, name, gradients(rng, 1), *hyperparameters.values(), 0.5)
    agrees(student, name, with_zeros(gradients(rng, 1), last=4), eps=1e-6, **hyperparameters)
    agrees(student, name, gradients(rng, 1, scale=1e-5), **hyperparameters)
    both = [{**hyperparameters, "eps": eps} for eps in (0.5, 0.02)]
    runs = [{"start": [1.0], "gradients": gradients(rng, 1), "hyperparameters": one} for one in both]
    agree(student, name, runs, lambda place: f"{_called(name, (), both[place], 1)} beside another with another eps")
    eta = COURSE[name][1]["eta"]
    _sized(student, name, rng, [(1e-12, eta), (1.0, eta)], eps=0.0)


def judge_zero_grad(student: Student, rng: np.random.Generator) -> None:
    """The optimizer keeps the parameter objects. Each `zero_grad()` sets their gradients, and no others, to 0."""
    n = int(rng.integers(6, 12))
    values, before = (np.round(rng.normal(size=n) * 3, 3).tolist() for _ in range(2))
    values[1] = values[0]  # two parameters may have equal values
    before[0] = 0.0  # nothing to do for the first one
    places = 1 + rng.permutation(n - 1)
    for place, gradient in zip(places, (3e12, math.nan, math.inf)):  # after a run that has diverged
        before[place] = gradient
    rounds = [np.round(rng.uniform(0.2, 4, size=(m, n)) * rng.choice([-1, 1], (m, n)), 3).tolist() for m in (2, 3)]
    rounds.insert(0, [[0.0] * n])  # then there is nothing to clear
    others = np.round(rng.uniform(0.2, 4, size=(2, 2)), 3).tolist()
    asked = {"values": values, "gradients": before, "rounds": rounds, "others": others}
    reply = student.ask("optimizers.zero_grad", about="Optimizer", **asked)
    compare.that(not reply["returned"], "`zero_grad()` should return nothing, yours returns something.")
    compare.that(
        reply["kept"], "`Optimizer(params).params` should hold the very parameters that it was given, in order."
    )
    for cleared in reply["cleared"]:
        compare.same_list(cleared, [0.0] * n, "The gradients after `zero_grad()`")
    compare.same_list(reply["values"], values, "The values after `zero_grad()`")
    for sums, rows in zip(reply["sums"], rounds, strict=True):
        expected = np.sum(rows, axis=0).tolist()
        compare.same_list(sums, expected, f"The gradients after `zero_grad()` and after {len(rows)} numbers were added")
    compare.same_list(reply["others"], others, "The gradients of other optimizers' parameters after `zero_grad()`")


def judge_step_raises(student: Student, rng: np.random.Generator) -> None:
    """`step()` raises NotImplementedError, in a subclass without one, too."""
    values, gradients, rate = rng.uniform(1, 3, 2).tolist(), rng.uniform(1, 3, 2).tolist(), float(rng.uniform(0.1, 0.4))
    asked = {"values": values, "gradients": gradients, "rate": rate}
    reply = student.ask("optimizers.step_raises", about="Optimizer", **asked)
    for raised, what in zip(reply["raised"], ("What `Optimizer.step()` raises", "What `step()` of a subclass raises")):
        compare.that(
            raised == "NotImplementedError",
            f"{what} should be NotImplementedError, yours raises {raised or 'nothing'}.",
        )
    expected = [value - rate * gradient for value, gradient in zip(values, gradients)]
    compare.same_list(reply["values"], expected, "The values that a subclass moves when `super().step()` has raised")


def spied(student: Student, x1_init: float, x2_init: float, in_place: bool = False, **kwargs: Any) -> dict:
    """What the spy of `probe.optimizers.train` reports about the student's `train`, called with `kwargs`."""
    place = {"x1_init": x1_init, "x2_init": x2_init}
    return student.ask("optimizers.train", about="train", kwargs=kwargs, in_place=in_place, **place)


def spied_path(x1: float, x2: float, num_steps: int) -> Path:
    """What `train` returns for the spy of `probe.optimizers.train`, which halves both values at each step."""
    return [[x1 / 2**step, x2 / 2**step] for step in range(num_steps + 1)]


def starts(rng: np.random.Generator, n: int = 2) -> list[tuple[float, float]]:
    """Points of both signs, from 0.5 to 4 in size."""
    pairs = rng.uniform(0.5, 4.0, (n, 2)) * rng.choice([-1.0, 1.0], (n, 2))
    return [(float(x1), float(x2)) for x1, x2 in np.round(pairs, 3)]


def returns_path(
    student: Student, x1_init: float, x2_init: float, in_place: bool = False, num_steps: int | None = None
) -> None:
    """Compare what the student's `train` returns; 20 steps where `num_steps` is not given."""
    steps = {} if num_steps is None else {"num_steps": num_steps}
    path = spied(student, x1_init, x2_init, in_place, **steps)["path"]
    what = f"train from ({x1_init:g}, {x2_init:g})"
    what += ", 20 steps by default" if num_steps is None else f", num_steps={num_steps}"
    what += ", with an optimizer that works in place" if in_place else ""
    compare.same_path(path, spied_path(x1_init, x2_init, 20 if num_steps is None else num_steps), what=what)


def finds_gradients(student: Student, x1_init: float, x2_init: float, num_steps: int) -> None:
    """At each step of the student's `train`, the spy finds the right values and torch's gradients of f_2d."""
    reply = spied(student, x1_init, x2_init, num_steps=num_steps)
    compare.that(
        reply["cleared"] >= num_steps,
        f"With num_steps={num_steps}, `train` should call the optimizer's zero_grad() at least {num_steps} times; "
        f"yours calls it {reply['cleared']} times.",
    )
    for pairs in (reply["values"], reply["gradients"]):
        compare.that(
            len(pairs) == num_steps,
            f"With num_steps={num_steps}, `train` should call the optimizer's step() {num_steps} times; "
            f"yours calls it {len(pairs)} times.",
        )
    for step, point in enumerate(spied_path(x1_init, x2_init, num_steps)[:-1], start=1):
        x1, x2 = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in point)
        slopes = torch.autograd.grad(0.1 * x1**2 + 2 * x2**2, (x1, x2))
        for i, name in enumerate(("x1", "x2")):
            where = (
                f"`train`, step {step}, from ({x1_init:g}, {x2_init:g}): the {{}} of {name} that the optimizer finds"
            )
            compare.same_number(reply["values"][step - 1][i], point[i], where.format("value"))
            compare.same_number(reply["gradients"][step - 1][i], slopes[i].item(), where.format("gradient"))


@remembered
def torch_train_path(
    optimizer: str, x1_init: float, x2_init: float, num_steps: int = 20, **hyperparameters: Any
) -> Path:
    """The path of an optimizer of `torch.optim` on f_2d, in float64."""
    x1, x2 = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (x1_init, x2_init))
    stepper = getattr(torch.optim, optimizer)([x1, x2], **hyperparameters)
    path = [[x1_init, x2_init]]
    for _ in range(num_steps):
        stepper.zero_grad()
        (0.1 * x1**2 + 2 * x2**2).backward()
        stepper.step()
        path.append([x1.item(), x2.item()])
    return path


def bridges(
    student: Student,
    optimizer: str,
    x1_init: float,
    x2_init: float,
    num_steps: int | None = None,
    **hyperparameters: Any,
) -> None:
    """Run the student's `torch_train` with a class of `torch.optim` and compare; float32 is precise enough."""
    steps = {} if num_steps is None else {"num_steps": num_steps}
    reply = student.ask(
        "optimizers.torch_train",
        about="torch_train",
        optimizer=optimizer,
        x1_init=x1_init,
        x2_init=x2_init,
        kwargs=steps | hyperparameters,
    )
    given = [str(x1_init), str(x2_init), *(f"{key}={value}" for key, value in (steps | hyperparameters).items())]
    what = f"torch_train(torch.optim.{optimizer}, {', '.join(given)})"
    compare.that(reply["made"] > 0, f"{what} made no optimizer of the class that it was given.")
    compare.that(reply["made"] == 1, f"{what} made {reply['made']} optimizers; one should hold both tensors.")
    expected = torch_train_path(optimizer, x1_init, x2_init, **steps, **hyperparameters)
    compare.same_path(reply["path"], expected, what=what, rtol=1e-4, atol=1e-6, bowl=F_2D)
