"""The references for `optimizers`: torch.optim in float64, fed with given gradients."""

import math
from collections.abc import Callable

import numpy as np
import torch


def gradients(n_params: int, n_steps: int = 12, seed: int = 0) -> list[list[float]]:
    """Gradients that hide no bug: signs that change, sizes from 0.01 to 30, never zero.

    Returns:
        `n_steps` rows of `n_params` floats.
    """
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-2.0, 1.5, size=(n_steps, n_params))
    signs = rng.choice([-1.0, 1.0], size=(n_steps, n_params))
    return (sizes * signs).tolist()


def with_zeros(rows: list[list[float]], param: int = 0, first: int = 0, last: int = 4) -> list[list[float]]:
    """The same gradients, but one parameter's are zero from step `first` up to, but not including, step `last`."""
    return [
        [0.0 if i == param and first <= step < last else g for i, g in enumerate(row)] for step, row in enumerate(rows)
    ]


def starting_point(n_params: int) -> list[float]:
    """Where `student.follow` starts by default: 1, -2, 3, ..."""
    return [(-1.0) ** i * (i + 1.0) for i in range(n_params)]


def torch_path(
    optimizer_class: type[torch.optim.Optimizer],
    rows: list[list[float]],
    start: list[float] | None = None,
    before_step: Callable[[int, dict], None] | None = None,
    **hyperparameters,
) -> list[list[float]]:
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


def torch_amsgrad_path(rows, start=None, *, eta: float, beta1: float, beta2: float, eps: float) -> list[list[float]]:
    """AMSGrad as in the paper (Reddi, Kale and Kumar 2018, algorithm 2): without bias correction.

    torch divides by the corrections (`torch.optim.Adam(amsgrad=True)`); a step-dependent `lr` and `eps` undo that
    exactly.
    """

    def undo_correction(step: int, group: dict) -> None:
        root = math.sqrt(1.0 - beta2**step)
        group["lr"] = eta * (1.0 - beta1**step) / root
        group["eps"] = eps / root

    return torch_path(
        torch.optim.Adam, rows, start, undo_correction, lr=eta, betas=(beta1, beta2), eps=eps, amsgrad=True
    )


def eps_inside_path(
    rows: list[list[float]], start: list[float] | None = None, *, eta: float, eps: float, gamma: float | None = None
) -> list[list[float]]:
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


def adagrad_paths(rows, start=None, *, eta: float, eps: float) -> list[list[list[float]]]:
    """Both accepted paths of Adagrad: eps outside the root (torch's), and inside."""
    outside = torch_path(torch.optim.Adagrad, rows, start, lr=eta, eps=eps)
    return [outside, eps_inside_path(rows, start, eta=eta, eps=eps)]


def rmsprop_paths(rows, start=None, *, eta: float, gamma: float, eps: float) -> list[list[list[float]]]:
    """Both accepted paths of RMSProp: eps outside the root (torch's), and inside."""
    outside = torch_path(torch.optim.RMSprop, rows, start, lr=eta, alpha=gamma, eps=eps)
    return [outside, eps_inside_path(rows, start, eta=eta, gamma=gamma, eps=eps)]
