"""The references for `optimizers`: torch.optim in float64, fed with given gradients.

The functions at the end hold a student's optimizer against them. Hidden tests are written with these, so that each
says in a line or two what it looks at.
"""

import contextlib
import math
from collections.abc import Callable
from functools import wraps

import numpy as np
import torch

from grading.oracle import compare

Row = list[float]
Path = list[Row]

# For Adagrad and its descendants: gradients times this are so large that eps, whatever its value or place, changes
# no digit, and the path is the same as without the factor. So eps is tested alone, by `heeds_eps`.
HUGE = 1e8

F_2D = (0.1, 2.0)  # f_2d(x1, x2) = 0.1 * x1**2 + 2 * x2**2, on which the course's paths run


def gradients(n_params: int, n_steps: int = 12, seed: int = 0, scale: float = 1.0) -> list[Row]:
    """Gradients that hide no bug: signs that change, sizes from 0.01 to 30 (times `scale`), never zero.

    Returns:
        `n_steps` rows of `n_params` floats.
    """
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-2.0, 1.5, size=(n_steps, n_params))
    signs = rng.choice([-1.0, 1.0], size=(n_steps, n_params))
    return (scale * sizes * signs).tolist()


def with_zeros(rows: list[Row], param: int = 0, first: int = 0, last: int = 4) -> list[Row]:
    """The same gradients, but one parameter's are zero from step `first` up to, but not including, step `last`."""
    return [
        [0.0 if i == param and first <= step < last else g for i, g in enumerate(row)] for step, row in enumerate(rows)
    ]


def starting_point(n_params: int) -> list[float]:
    """Where `student.follow` starts by default: 1, -2, 3, ..."""
    return [(-1.0) ** i * (i + 1.0) for i in range(n_params)]


def remembered(function: Callable[..., Path]) -> Callable[..., Path]:
    """Let a path be worked out once for the same arguments: a whole class is asked the same."""
    known: dict[str, Path] = {}

    @wraps(function)
    def path(*args, **kwargs) -> Path:
        key = repr((args, sorted(kwargs.items())))
        if key not in known:
            known[key] = function(*args, **kwargs)
        return [list(row) for row in known[key]]

    return path


@remembered
def torch_path(
    optimizer_class: type[torch.optim.Optimizer],
    rows: list[Row],
    start: Row | None = None,
    before_step: Callable[[int, dict], None] | None = None,
    **hyperparameters,
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
    params = [
        torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for value in (start or starting_point(len(rows[0])))
    ]
    optimizer = optimizer_class(params, **hyperparameters)
    path = [[param.item() for param in params]]
    for step, row in enumerate(rows, start=1):
        for param, gradient in zip(params, row):
            param.grad = torch.tensor(gradient, dtype=torch.float64)
        if before_step is not None:
            before_step(step, optimizer.param_groups[0])
        optimizer.step()
        path.append([param.item() for param in params])
    return path


@remembered
def torch_amsgrad_path(rows, start=None, *, eta: float, beta1: float, beta2: float, eps: float) -> Path:
    """AMSGrad as in the paper (Reddi, Kale and Kumar 2018, algorithm 2): without bias correction.

    torch divides by the corrections (`torch.optim.Adam(amsgrad=True)`); a step-dependent `lr` and `eps` undo that
    exactly.
    """

    def undo_correction(step: int, group: dict) -> None:
        root = math.sqrt(1.0 - beta2**step)
        group["lr"] = eta * (1.0 - beta1**step) / root
        group["eps"] = eps / root

    return torch_path.__wrapped__(
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


def _gradient_descent(rows, start, eta):
    return [torch_path(torch.optim.SGD, rows, start, lr=eta)]


def _momentum(rows, start, eta, gamma):
    return [torch_path(torch.optim.SGD, rows, start, lr=eta, momentum=gamma)]


def _nesterov(rows, start, eta, gamma):
    return [torch_path(torch.optim.SGD, rows, start, lr=eta, momentum=gamma, nesterov=True)]


def _adagrad(rows, start, eta, eps):
    outside = torch_path(torch.optim.Adagrad, rows, start, lr=eta, eps=eps)
    return [outside, eps_inside_path(rows, start, eta=eta, eps=eps)]


def _rmsprop(rows, start, eta, gamma, eps):
    outside = torch_path(torch.optim.RMSprop, rows, start, lr=eta, alpha=gamma, eps=eps)
    return [outside, eps_inside_path(rows, start, eta=eta, gamma=gamma, eps=eps)]


def _adam(rows, start, eta, beta1, beta2, eps):
    return [torch_path(torch.optim.Adam, rows, start, lr=eta, betas=(beta1, beta2), eps=eps)]


def _amsgrad(rows, start, eta, beta1, beta2, eps):
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


def course_paths(name: str, rows: list[Row], start: Row | None = None, **hyperparameters) -> list[Path]:
    """The accepted paths of one of the course's optimizers; what is not given has its documented default."""
    paths, defaults = COURSE[name]
    return paths(rows, start, **(defaults | hyperparameters))


def first_fall(gradients: list[float], beta2: float) -> int:
    """The first step, counted from 1, at which Adam's average of squared gradients is below its largest so far.

    From there on AMSGrad divides by another number than Adam. 0 if the average never falls.
    """
    v = 0.0
    for step, gradient in enumerate(gradients, start=1):
        previous, v = v, beta2 * v + (1 - beta2) * gradient**2
        if v < previous:
            return step
    return 0


def agrees(student, name: str, rows: list[Row], *positional, **hyperparameters) -> None:
    """Follow the student's optimizer through these gradients and compare it with torch, step by step.

    Args:
        student: `grading.student`.
        name: the class.
        positional, hyperparameters: what the class is called with after the parameters.

    Raises:
        Mismatch: at the first step and parameter at which they part.
    """
    named = dict(zip(COURSE[name][1], positional)) | hyperparameters
    call = [f"{key}={value:g}" for key, value in hyperparameters.items()]
    if positional:
        call = ["params", *(f"{value:g}" for value in positional), *call]
    what = f"{name} ({', '.join(call) or 'no hyperparameters given, so the documented defaults'})"
    if len(rows[0]) > 1:
        what += f", {len(rows[0])} parameters"
    mine = student.follow(name, rows, None, *positional, **hyperparameters)
    references = course_paths(name, rows, **named)
    try:
        compare.same_path(mine, *references, what=what)
    except compare.Mismatch as mismatch:
        with contextlib.suppress(compare.Mismatch):
            compare.same_path(mine, *references, what=what, rtol=1e-6)
            text = f"{what}: you agree with the reference to 6 digits, but not to 10. Compute with Python numbers and "
            mismatch = compare.Mismatch(
                text + "`math`, or numpy in double precision: float32 is too coarse.", mismatch.rows
            )
        raise mismatch from None


def keeps_own_state(student, name: str, scale: float = 1.0, **hyperparameters) -> None:
    """Several parameters, one of them without a gradient for a while, and two optimizers stepped in turn."""
    for n_params in (2, 5):
        rows = gradients(n_params, seed=n_params, scale=scale)
        agrees(student, name, with_zeros(rows, param=n_params - 1, first=3, last=7), **hyperparameters)
    runs = [
        {"gradients": gradients(2, seed=seed, scale=scale), "start": start, "hyperparameters": hyperparameters}
        for seed, start in [(3, [0.5, -4.0]), (4, [7.0, 0.25])]
    ]
    for which, run, path in zip(("first", "second"), runs, student.follow_together(name, runs)):
        expected = course_paths(name, run["gradients"], run["start"], **hyperparameters)
        compare.same_path(path, *expected, what=f"{name}, the {which} of two optimizers that are stepped in turn")


def heeds_hyperparameters(student, name: str, named: dict, positional: list, scale: float = 1.0) -> None:
    """Other values than the defaults, by name and in the documented order; then the defaults."""
    agrees(student, name, gradients(1, seed=5, scale=scale), **named)
    agrees(student, name, gradients(1, seed=6, scale=scale), *positional)
    agrees(student, name, gradients(1, seed=7, scale=scale))


def heeds_eps(student, name: str, **hyperparameters) -> None:
    """A large eps, then a gradient that is zero from the start, then the default eps where it matters.

    Args:
        hyperparameters: all but eps, in the documented order.
    """
    agrees(student, name, gradients(1, seed=9), *hyperparameters.values(), 0.5)
    agrees(student, name, with_zeros(gradients(1, seed=8), last=4), eps=1e-6, **hyperparameters)
    agrees(student, name, gradients(1, seed=10, scale=1e-5), **hyperparameters)


def spied(student, x1_init: float, x2_init: float, in_place: bool = False, **kwargs) -> dict:
    """What the spy of `probe.optimizers.train` reports about the student's `train`, called with `kwargs`."""
    place = {"x1_init": x1_init, "x2_init": x2_init}
    return student.ask("optimizers.train", about="train", kwargs=kwargs, in_place=in_place, **place)


def spied_path(x1: float, x2: float, num_steps: int) -> Path:
    """What `train` returns for the spy of `probe.optimizers.train`, which halves both values at each step."""
    return [[x1 / 2**step, x2 / 2**step] for step in range(num_steps + 1)]


def finds_gradients(student, x1_init: float, x2_init: float, num_steps: int) -> None:
    """At each step of the student's `train` the spy finds the right values, and torch's gradients of f_2d there."""
    reply = spied(student, x1_init, x2_init, num_steps=num_steps)
    compare.that(
        len(reply["values"]) == num_steps,
        f"With num_steps={num_steps}, `train` should call the optimizer's step() {num_steps} times; "
        f"yours calls it {len(reply['values'])} times.",
    )
    for step, point in enumerate(spied_path(x1_init, x2_init, num_steps)[:-1], start=1):
        x1, x2 = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in point)
        (0.1 * x1**2 + 2 * x2**2).backward()
        for i, name in enumerate(("x1", "x2")):
            where = (
                f"`train`, step {step}, from ({x1_init:g}, {x2_init:g}): the {{}} of {name} that the optimizer finds"
            )
            compare.same_number(reply["values"][step - 1][i], point[i], where.format("value"))
            compare.same_number(reply["gradients"][step - 1][i], (x1, x2)[i].grad.item(), where.format("gradient"))


def torch_train_path(optimizer: str, x1_init: float, x2_init: float, num_steps: int = 20, **hyperparameters) -> Path:
    """The path of an optimizer of `torch.optim` on f_2d, in float64."""
    x1, x2 = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (x1_init, x2_init))
    optimizer = getattr(torch.optim, optimizer)([x1, x2], **hyperparameters)
    path = [[x1_init, x2_init]]
    for _ in range(num_steps):
        optimizer.zero_grad()
        (0.1 * x1**2 + 2 * x2**2).backward()
        optimizer.step()
        path.append([x1.item(), x2.item()])
    return path


def bridges(student, optimizer: str, x1_init: float, x2_init: float, num_steps: int | None = None, **hyperparameters):
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
    expected = torch_train_path(optimizer, x1_init, x2_init, **steps, **hyperparameters)
    compare.same_path(reply["path"], expected, what=what, rtol=1e-4, atol=1e-6, bowl=F_2D)
