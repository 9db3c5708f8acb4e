"""Follow a student's optimizer through a given sequence of gradients."""

import contextlib
import io
import os
import stat
import sys

from grading.probe import core, wire

# Taken before any cell of the student's runs.
_setprofile, _getprofile = sys.setprofile, sys.getprofile
_fstat, _isfifo, _File = os.fstat, stat.S_ISFIFO, io.FileIO
_INNER = ((io.TextIOWrapper, "buffer"), (io.BufferedWriter, "raw"), (io.BufferedReader, "raw"))
_OUTSIDE = {"_thread", "_queue", "_socket", "_posixsubprocess", "_multiprocessing", "posix"}
_LEAVES = {"start_new_thread", "fork_exec", "fork", "forkpty", "posix_spawn", "connect", "sendall", "send", "put"}
# False where torch has no optimizers, so that nothing outside has any: `grading/kernels/follower.py`
follow_outside = True
_LOOKS = {"<module>", "__getattr__"}  # to import a module or to look for a name in it is not yet to use it


class Parameter:
    """The least that an optimizer needs of a parameter: a value and a gradient."""

    def __init__(self, value):
        self.value = value
        self.grad = 0.0


class PlainOptimizer:
    """Stands in for the student's base class when that one is missing or broken: it only keeps the parameters."""

    def __init__(self, params):
        self.params = list(params)

    def zero_grad(self):
        raise NotImplementedError

    def step(self):
        raise NotImplementedError


def follow(namespace: dict, name: str, runs: list, source: str | None = None) -> dict:
    """Step one optimizer, or several in turn, through given gradients.

    Args:
        name: the class, for example "Momentum".
        runs: one dict for each optimizer: `start` (list of floats), `gradients` (a list of steps, each a list
            with one float for each parameter), `hyperparameters` (dict) and `positional` (list). All are made
            first and then stepped in turn, so that state they share by mistake shows.
        source: if given, the class is made afresh from this text, on top of `PlainOptimizer`.

    Returns:
        `{"paths": [run][step][parameter], "torch_optim": where torch's own optimizer was used, or None}`.
        Each path has one more row than gradients: it begins at the start.
    """
    if source is not None:
        namespace = core.define(source, namespace, Optimizer=PlainOptimizer)
    cls = core.lookup(namespace, name)
    tensor = namespace.get("Tensor")
    with torch_optim_use() as used:
        running = []
        for run in runs:
            params = [_parameter(tensor, value) for value in run["start"]]
            optimizer = cls(params, *run.get("positional", []), **run.get("hyperparameters", {}))
            running.append((optimizer, params, run["gradients"], [_values(params)]))
        for step in range(max(len(run["gradients"]) for run in runs)):
            for optimizer, params, gradients, path in running:
                if step < len(gradients):
                    for param, gradient in zip(params, gradients[step]):
                        param.grad = gradient
                    optimizer.step()
                    path.append(_values(params))
    return {"paths": [path for *_, path in running], "torch_optim": used["where"]}


def zero_grad(namespace: dict, values: list, gradients: list) -> dict:
    """What `Optimizer(params)` keeps, what `zero_grad()` leaves, and what `step()` raises.

    Returns:
        `{"kept": params that are the very objects given, "gradients", "values": after zero_grad,
        "step_raised": the name of the exception or None}`; a subclass of NotImplementedError counts as that.
    """
    params = [Parameter(value) for value in values]
    for param, gradient in zip(params, gradients):
        param.grad = gradient
    optimizer = core.lookup(namespace, "Optimizer")(params)
    kept = sum(mine is theirs for mine, theirs in zip(params, list(optimizer.params)))
    optimizer.zero_grad()
    after = {"gradients": [param.grad for param in params], "values": [param.value for param in params]}
    try:
        optimizer.step()
        raised = None
    except NotImplementedError:
        raised = "NotImplementedError"
    except Exception as error:
        raised = type(error).__name__
    return {"kept": kept, "step_raised": raised, **after}


def train(namespace: dict, x1_init: float, x2_init: float, kwargs: dict, in_place: bool = False) -> dict:
    """Run the student's `train` with a spy of an optimizer.

    The spy notes the values and the gradients that it finds at each step, and then halves the values: it binds a new
    number, or (`in_place`) changes a numpy array of one number, as some optimizers do. Both gradients hold 7 when
    `train` begins, as if left over from an earlier run.

    Returns:
        `{"path": what train returned, "values", "gradients": what the spy found, one pair for each step}`.
    """
    import numpy as np

    x1, x2 = core.lookup(namespace, "x1"), core.lookup(namespace, "x2")
    values, gradients = [], []

    class Spy:
        def __init__(self):
            self.params = [x1, x2]

        def zero_grad(self):
            x1.grad, x2.grad = 0.0, 0.0

        def step(self):
            values.append(_values(self.params))
            gradients.append([_number(param.grad) for param in self.params])
            for param in self.params:
                half = 0.5 * float(param.value)
                if in_place and isinstance(param.value, np.ndarray):
                    param.value[...] = half
                else:
                    param.value = np.array(half) if in_place else half

    before = x1.value, x1.grad, x2.value, x2.grad
    x1.grad = x2.grad = 7.0
    try:
        path = core.lookup(namespace, "train")(Spy(), x1_init, x2_init, **kwargs)
        return {"path": _pairs(path), "values": values, "gradients": gradients}
    finally:
        x1.value, x1.grad, x2.value, x2.grad = before


def torch_train(namespace: dict, optimizer: str, x1_init: float, x2_init: float, kwargs: dict) -> dict:
    """Run the student's `torch_train` with a class of `torch.optim`, and note whether that class was used.

    Returns:
        `{"path": what torch_train returned, "made": how many optimizers of the class it made}`.
    """
    import torch

    made = []

    class Watched(getattr(torch.optim, optimizer)):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **kwargs)

    path = core.lookup(namespace, "torch_train")(Watched, x1_init, x2_init, **kwargs)
    return {"path": _pairs(path), "made": len(made)}


def _pairs(path: object) -> object:
    """A path as lists of numbers, also where its rows are arrays, or tensors that require a gradient."""
    try:
        return [[_number(value) for value in row] for row in path]
    except TypeError:
        return path


def _parameter(tensor: type | None, value: float):
    """A parameter of the notebook's own `Tensor` where that works, else the plain one."""
    try:
        param = tensor(value)
        param.grad = 0.0
        if float(param.value) == value:
            return param
    except Exception:
        pass
    return Parameter(value)


def _values(params: list) -> list:
    """Copies of the values: an optimizer that works in place must not change the past."""
    return [_number(param.value) for param in params]


def _number(value):
    try:
        return float(value)
    except Exception:  # no number: it is sent as it is, and the grader says so
        return wire.encode(value)  # here and now, so that what it takes to encode it is watched as well


@contextlib.contextmanager
def torch_optim_use(also: str = "/torch/optim/"):
    """Note the first time that code of `torch.optim`, or a fused optimizer kernel of torch, is called.

    Code whose path contains `also` counts as well.

    To leave this thread, or to touch the watch, counts as well: an update rule has no reason to. What it prints, draws
    or writes to a file does not.
    """
    used, over = {"where": None}, []

    def watch(frame, event, arg):
        if used["where"] is not None or over:
            return
        code, module = frame.f_code, str(frame.f_globals.get("__name__"))
        path = code.co_filename.replace("\\", "/")
        if event == "call":
            inside = "/torch/optim/" in path or also in path or module.startswith("torch.optim")
            if inside and code.co_name not in _LOOKS:
                used["where"] = code.co_qualname
            elif path.endswith("/torch/_ops.py") and "_fused_" in str(frame.f_locals.get("self")):
                used["where"] = str(frame.f_locals["self"])
        elif event == "c_call":
            called = getattr(arg, "__name__", None) or ""
            homes = {getattr(arg, "__module__", None), type(getattr(arg, "__self__", None)).__module__}
            if called.startswith("_fused_") or arg is _setprofile:
                used["where"] = called
            elif follow_outside and _leaves(arg, called, homes) and not core.importing(frame):
                used["where"] = f"{called}, outside of this thread"

    before = _getprofile()
    _setprofile(watch)
    try:
        yield used
    finally:
        over.append(True)
        if used["where"] is None and _getprofile() is not watch:
            used["where"] = "a replaced sys.setprofile"
        _setprofile(before)


def _leaves(function, name: str, homes: set) -> bool:
    """True for what starts a thread or a process, or writes to an open pipe, at the end of which may be another one."""
    if name in _LEAVES and homes & _OUTSIDE:
        return True
    owner = getattr(function, "__self__", None)
    try:
        for kind, inner in _INNER:
            if type(owner) is kind:
                owner = getattr(owner, inner)
        return type(owner) is _File and _isfifo(_fstat(owner.fileno()).st_mode)
    except (OSError, ValueError):  # it is closed
        return False
