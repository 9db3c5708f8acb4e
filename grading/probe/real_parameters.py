"""Follow an optimizer of the student's over real parameters of torch, and clip their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grading.probe import core
from grading.probe.optimizers import torch_optim_use

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import torch


def follow(namespace: dict, name: str, runs: list) -> dict:
    """Step one optimizer, or several in turn, through given gradients.

    Args:
        name: the class, `AdamW`.
        runs: one dict for each optimizer. `start`: one array for each parameter. `gradients`: for each step a list with
            an array, or None, for each parameter. Optional: `positional` and `hyperparameters`; `dtype` of the
            parameters, "float64" unless given; `iterator`: hand over an iterator in place of a list; `rates`: for each
            step what `lr` is set to before it; `zero_grad`: call it before each step's gradients are there.
            All optimizers are made first and then stepped in turn, so that state they share by mistake shows.

    Returns:
        `{"paths": [run][step][parameter], "changed": [step, parameter] of the first gradient that a step changed, or
        None, "tracking": whether torch tracks gradients of all parameters after each step, "torch_optim": where torch's
        own optimizer was used, or None}`. A path begins at the start.
    """
    import torch

    cls = core.lookup(namespace, name)
    changed, tracking = None, True
    with torch_optim_use() as used, torch.enable_grad():
        running = []
        for run in runs:
            params = _parameters(run["start"], run.get("dtype", "float64"))
            _use_once(cls, params, run)
            given = iter(params) if run.get("iterator") else params
            optimizer = cls(given, *run.get("positional", []), **run.get("hyperparameters", {}))
            running.append((optimizer, params, run, [_values(params)]))
        for step in range(max(len(run["gradients"]) for run in runs)):
            for optimizer, params, run, path in running:
                if step >= len(run["gradients"]):
                    continue
                if run.get("zero_grad"):
                    optimizer.zero_grad()
                before = _set_gradients(params, run["gradients"][step])
                if run.get("rates"):
                    optimizer.lr = run["rates"][step]
                optimizer.step()
                path.append(_values(params))
                tracking &= torch.is_grad_enabled() and all(param.requires_grad for param in params)
                torch.set_grad_enabled(True)
                for place, (param, gradient) in enumerate(zip(params, before)):
                    if changed is None and not _same(param.grad, gradient):
                        changed = [step + 1, place]
    paths = [path for *_, path in running]
    return {"paths": paths, "changed": changed, "tracking": tracking, "torch_optim": used["where"]}


def _use_once(cls: Callable[..., Any], params: list[torch.nn.Parameter], run: dict) -> None:
    """Take one step with an earlier optimizer on the same parameters and undo it: state left on them must not count."""
    import torch

    earlier = cls(params, *run.get("positional", []), **run.get("hyperparameters", {}))
    _set_gradients(params, run["gradients"][0])
    earlier.step()
    for param, value in zip(params, run["start"]):
        param.data.copy_(torch.as_tensor(value))
        param.grad = None


def zero_grad(namespace: dict, name: str, values: list, gradients: list, losses: list) -> dict:
    """What `zero_grad()` leaves, and what the gradients of losses come to that are computed afterward.

    Args:
        values, gradients: of the parameters, before.
        losses: for each loss an array for each parameter: the loss is the sum of their products.

    Returns:
        `{"gradients": an array or None for each parameter, right after `zero_grad()`, "sums": after the backward pass
        of all losses, "values", "torch_optim"}`.
    """
    import torch

    params = _parameters(values, "float64")
    with torch_optim_use() as used:
        optimizer = core.lookup(namespace, name)(params)
        _set_gradients(params, gradients)
        optimizer.zero_grad()
    left = _gradients(params)
    torch.set_grad_enabled(True)  # also if `step()` has left it off, which is another question
    for factors in losses:
        sum((param * torch.tensor(np.array(factor))).sum() for param, factor in zip(params, factors)).backward()
    return {"gradients": left, "sums": _gradients(params), "values": _values(params), "torch_optim": used["where"]}


def clip(namespace: dict, cases: list) -> dict:
    """Call `clip_gradients` for each case: `{"values", "gradients": an array or None each, "max_norm", "iterator"}`.

    Returns:
        `{"results": {"returned", "gradients", "values": after the call} for each, "torch_clip": where torch's own
        clipping was used, or None}`.
    """
    function, results = core.lookup(namespace, "clip_gradients"), []
    with torch_optim_use(also="/torch/nn/utils/clip_grad.py") as used:
        for case in cases:
            params = _parameters(case["values"], "float64")
            _set_gradients(params, case["gradients"])
            returned = function(iter(params) if case.get("iterator") else params, case["max_norm"])
            results.append({"returned": returned, "gradients": _gradients(params), "values": _values(params)})
    return {"results": results, "torch_clip": used["where"]}


def _gradients(params: list) -> list:
    return [None if param.grad is None else param.grad.detach().numpy().copy() for param in params]


def _parameters(start: list, dtype: str) -> list:
    import torch

    return [torch.nn.Parameter(torch.tensor(np.array(value), dtype=getattr(torch, dtype))) for value in start]


def _set_gradients(params: list, gradients: list) -> list:
    """Put these gradients on the parameters; copies of them, None where there is none."""
    import torch

    for param, gradient in zip(params, gradients):
        param.grad = None if gradient is None else torch.tensor(np.array(gradient), dtype=param.dtype)
    return [None if param.grad is None else param.grad.clone() for param in params]


def _same(mine: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if mine is None or other is None:
        return mine is other
    return bool((mine == other).all())


def _values(params: list) -> list:
    """Copies: a step in place must not change the past."""
    return [param.detach().numpy().copy() for param in params]
