"""Follow a student's optimizer through a given sequence of gradients."""

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from grading.probe import core, wire

# Taken before any cell of the student's runs.
_setprofile, _getprofile = sys.setprofile, sys.getprofile
_fstat, _isfifo, _File = os.fstat, stat.S_ISFIFO, io.FileIO
_INNER = ((io.TextIOWrapper, "buffer"), (io.BufferedWriter, "raw"), (io.BufferedReader, "raw"))
_OUTSIDE = {"_thread", "_queue", "_socket", "_posixsubprocess", "_multiprocessing", "posix"}
_LEAVES = {"start_new_thread", "fork_exec", "fork", "forkpty", "posix_spawn", "connect", "sendall", "send", "put"}
# False where torch has no optimizers, so that nothing outside has any: `grading/kernels/follower.py`
follow_outside = True
# False where there is no torch at all
follow_torch = True
_LOOKS = {"<module>", "__getattr__"}  # to import a module or to look for a name in it is not yet to use it


class Parameter:
    """A minimal parameter for an optimizer: a value and a gradient."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.grad = 0.0


class PlainOptimizer:
    """Replaces the student's base class when that is missing or broken: it only keeps the parameters."""

    def __init__(self, params: Any) -> None:
        self.params = list(params)

    def zero_grad(self) -> None:
        raise NotImplementedError

    def step(self) -> None:
        raise NotImplementedError


def follow(namespace: dict, name: str, runs: list, source: str | None = None) -> dict:
    """Step one optimizer, or several in turn, through given gradients.

    Args:
        name: the class, for example "Momentum".
        runs: one dict for each optimizer: `start` (list of floats) and `gradients` (a list of steps, each a list with
            one float for each parameter). Optional: `positional` (list) and `hyperparameters` (dict) of the class;
            `moves`: for some steps (a text, from "0") what the values are set to from outside before it; `changes`:
            for some steps what attributes of the optimizer are set to before it, where it has them; `after`: the number
            of an earlier run, on whose parameters this one goes on when that has come to its end, while
            the others are all made first and then stepped in turn, so that state which they share by mistake shows.
        source: if given, the class is made afresh from this text, on top of `PlainOptimizer`.

    Returns:
        `{"paths": [run][step][parameter], "gradients_changed": whether a step changed a gradient, "returned": whether
        a step returned something, "ignored": whether a change of an attribute found none, "torch_optim": where torch's
        own optimizer was used, or None}`. Each path has one more row than gradients: it begins at the start.
    """
    broken = namespace.get("Optimizer") if source is not None else None
    if source is not None:
        namespace = core.define(source, namespace, Optimizer=PlainOptimizer)
    cls = core.lookup(namespace, name)
    tensor = namespace.get("Tensor")
    claims = {"gradients_changed": False, "returned": False, "ignored": False}
    made: list = [None] * len(runs)

    def make(place: int, params: list) -> None:
        run = runs[place]
        for param in params:
            param.grad = 17.0  # left over from before
        optimizer = cls(params, *run.get("positional", []), **run.get("hyperparameters", {}))
        made[place] = (optimizer, params, run, [_values(params)])

    def step(place: int, number: int) -> None:
        optimizer, params, run, path = made[place]
        if number >= len(run["gradients"]):
            return
        for param, value in zip(params, run.get("moves", {}).get(str(number), [])):
            param.value = value
        for key, value in run.get("changes", {}).get(str(number), {}).items():
            if not _change(optimizer, key, run["hyperparameters"][key], value):
                claims["ignored"] = True
        for param, gradient in zip(params, run["gradients"][number]):
            param.grad = gradient
        claims["returned"] |= optimizer.step() is not None
        claims["gradients_changed"] |= [param.grad for param in params] != run["gradients"][number]
        path.append(_values(params))

    def use_once(run: dict) -> None:  # state that a class shares among its instances must show in later ones
        params = [_parameter(tensor, value) for value in run["start"]]
        optimizer = cls(params, *run.get("positional", []), **run.get("hyperparameters", {}))
        for param, gradient in zip(params, [row[0] for row in run["gradients"] if row] * len(params)):
            param.grad = gradient
        optimizer.step()

    with _made_plain(broken), torch_optim_use() as used:
        use_once(runs[0])
        together = [place for place, run in enumerate(runs) if "after" not in run]
        for place in together:
            make(place, [_parameter(tensor, value) for value in runs[place]["start"]])
        for number in range(max(len(runs[place]["gradients"]) for place in together)):
            for place in together:
                step(place, number)
        for place, run in enumerate(runs):
            if "after" in run:
                params = made[run["after"]][1]
                for param, value in zip(params, run["start"]):
                    param.value = value
                make(place, params)
                for number in range(len(run["gradients"])):
                    step(place, number)
    return {"paths": [path for *_, path in made], **claims, "torch_optim": used["where"]}


@contextlib.contextmanager
def _made_plain(base: type | None) -> Iterator[None]:
    """Reduce a broken base class to keeping the parameters, inside the block, for all classes that inherit from it.

    It removes the methods instead of replacing the class, which is impossible with `__slots__`.
    """
    if not isinstance(base, type):
        yield
        return
    before = {name: part for name, part in vars(base).items() if callable(part) or isinstance(part, property)}
    for name in before:
        delattr(base, name)
    base.__init__ = PlainOptimizer.__init__  # type: ignore[misc]  # `base` is a class, not an instance
    try:
        yield
    finally:
        del base.__init__  # type: ignore[misc]  # likewise
        for name, part in before.items():
            setattr(base, name, part)


def _change(optimizer: object, name: str, before: float, value: float) -> bool:
    """Set an attribute from outside, if it exists and holds the value that the class was called with."""
    try:
        if getattr(optimizer, name) != before:
            return False
        setattr(optimizer, name, value)
    except AttributeError:  # another name, a frozen class, or a property
        return False
    return True


def zero_grad(namespace: dict, values: list, gradients: list, rounds: list, others: list) -> dict:
    """What `zero_grad()` leaves, and what gradients that are added afterward come to.

    Args:
        values, gradients: of the parameters, at the beginning.
        rounds: in each `zero_grad()` is called, then each of its rows is added to the gradients.
        others: gradients of the parameters of two more optimizers, one made before and one made after.

    Returns:
        `{"cleared": for each round the gradients right after `zero_grad()`, "sums": at its end, "values": at the very
        end, "others": the gradients of the other parameters at the end, "kept": whether each `params` holds the very
        objects given, in order, "returned": whether `zero_grad()` returned something}`.
    """
    cls, groups = core.lookup(namespace, "Optimizer"), []
    for row in (others[0], gradients, others[1]):
        groups.append([Parameter(value) for value in (values if row is gradients else row)])
        for param, gradient in zip(groups[-1], row):
            param.grad = gradient
    optimizers = [cls(params) for params in groups]
    optimizer, params = optimizers[1], groups[1]
    kept = True
    for one, given in zip(optimizers, groups):
        held = list(one.params)
        kept &= len(held) == len(given) and all(mine is theirs for mine, theirs in zip(given, held))
    cleared, sums, returned = [], [], False
    for rows in rounds:
        returned |= optimizer.zero_grad() is not None
        cleared.append([_number(param.grad) for param in params])
        for row in rows:
            for param, more in zip(params, row):
                param.grad = param.grad + more if isinstance(param.grad, (int, float)) else more
        sums.append([_number(param.grad) for param in params])
    numbers = {"values": [_number(param.value) for param in params]}
    numbers["others"] = [[_number(param.grad) for param in group] for group in (groups[0], groups[2])]
    return {"cleared": cleared, "sums": sums, **numbers, "kept": kept, "returned": returned}


def step_raises(namespace: dict, values: list, gradients: list, rate: float) -> dict:
    """What `step()` raises: of an `Optimizer`, and of a subclass that has none.

    Returns:
        `{"raised": the names of both exceptions, or None where there is none, "values": of parameters that a subclass
        moves by `rate` times the gradients when its base class's `step()` raises NotImplementedError}`. A subclass of
        NotImplementedError counts as that.
    """
    base = core.lookup(namespace, "Optimizer")

    class WithoutStep(base):  # type: ignore[misc, valid-type]  # it is the student's class
        pass

    class Moving(base):  # type: ignore[misc, valid-type]  # likewise
        def step(self) -> None:
            try:
                super().step()
            except NotImplementedError:
                for param in params:
                    param.value = param.value - rate * param.grad

    raised: list[str | None] = []
    for cls in (base, WithoutStep):
        optimizer = cls([Parameter(1.0)])
        optimizer.zero_grad()  # where that is not written yet, NotImplementedError from step() says nothing
        try:
            optimizer.step()
            raised.append(None)
        except NotImplementedError:
            raised.append("NotImplementedError")
        except Exception as error:
            raised.append(type(error).__name__)
    params = [Parameter(value) for value in values]
    for param, gradient in zip(params, gradients):
        param.grad = gradient
    Moving(params).step()
    return {"raised": raised, "values": [_number(param.value) for param in params]}


def train(namespace: dict, x1_init: float, x2_init: float, kwargs: dict, in_place: bool = False) -> dict:
    """Run the student's `train` with a spy of an optimizer.

    The spy notes the values and the gradients that it finds at each step, and then halves the values: it binds a new
    number, or (`in_place`) changes a numpy array of one number, as some optimizers do. Both gradients hold 7 when
    `train` begins, as if left over from an earlier run.

    Returns:
        `{"path": what train returned, "values", "gradients": what the spy found, one pair for each step, "cleared": how
        often `zero_grad()` was called}`.
    """
    import numpy as np

    x1, x2 = core.lookup(namespace, "x1"), core.lookup(namespace, "x2")
    values, gradients, cleared = [], [], []

    class Spy:
        def __init__(self) -> None:
            self.params = [x1, x2]

        def zero_grad(self) -> None:
            cleared.append(True)
            x1.grad, x2.grad = 0.0, 0.0

        def step(self) -> None:
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
        seen = {"values": list(values), "gradients": list(gradients), "cleared": len(cleared)}
        if in_place:  # no later call changes the path, either
            core.lookup(namespace, "train")(Spy(), 1.0, 1.0, num_steps=0)
        return {"path": _pairs(path), **seen}
    finally:
        x1.value, x1.grad, x2.value, x2.grad = before


def torch_train(namespace: dict, optimizer: str, x1_init: float, x2_init: float, kwargs: dict) -> dict:
    """Run the student's `torch_train` with a class of `torch.optim`, and note whether that class was used.

    Returns:
        `{"path": what torch_train returned, "made": how many optimizers of the class it made}`.
    """
    import torch

    made: list[object] = []

    class Watched(getattr(torch.optim, optimizer)):  # type: ignore[misc]  # which class it is, is an argument
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(self)
            super().__init__(*args, **kwargs)

    path = core.lookup(namespace, "torch_train")(Watched, x1_init, x2_init, **kwargs)
    count = len(made)
    if "num_steps" not in kwargs:  # a later call leaves the path as it is
        core.lookup(namespace, "torch_train")(Watched, 1.0, 1.0, num_steps=0, **kwargs)
    return {"path": _pairs(path), "made": count}


def _pairs(path: Any) -> object:
    """A path as lists of numbers, also if its rows are arrays. A torch tensor is not a number: it is named instead."""
    try:
        return [[_number_or_name(value) for value in row] for row in path]
    except TypeError:
        return path


def _number_or_name(value: object) -> object:
    return {"object": "torch.Tensor"} if type(value).__module__ == "torch" else _number(value)


def _parameter(tensor: type | None, value: float) -> Any:
    """A parameter of the notebook's own `Tensor` where that works, else the plain one."""
    if tensor is not None:
        with contextlib.suppress(Exception):
            param = tensor(value)
            param.grad = 0.0
            if float(param.value) == value:
                return param
    return Parameter(value)


def _values(params: list) -> list:
    """Copies of the values: an optimizer that works in place must not change the past."""
    return [_number(param.value) for param in params]


def _number(value: Any) -> Any:
    try:
        return float(value)
    except Exception:  # not a number: send it as it is, and the grader reports it
        return wire.encode(value)  # inside the block, so that the code that encoding calls is watched as well


@contextlib.contextmanager
def torch_optim_use(also: str = "/torch/optim/") -> Iterator[dict[str, str | None]]:
    """Note the first call of code in `torch.optim`, or of a fused optimizer kernel of torch.

    Code whose path contains `also` counts as well. So does leaving this thread or removing the profile function: an
    update rule has no reason to do either. Printing, drawing and writing to files do not count.
    """
    used: dict[str, str | None] = {"where": None}
    if not follow_torch:
        yield used
        return
    over: list[bool] = []

    def watch(frame: FrameType, event: str, arg: Any) -> None:
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


def _leaves(function: object, name: str, homes: set) -> bool:
    """True for a function that starts a thread or a process, or writes to a pipe, which may lead to another process."""
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
