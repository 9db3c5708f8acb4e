"""Run the functions of `training`: on arrays, and on small torch models, loaders and optimizers made here by name.

The builders (`model`, `data`, `loader`, ...) say what a fixture is; the grader makes the same ones for its reference.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from grading.probe import core
from grading.probe.optimizers import torch_optim_use

if TYPE_CHECKING:
    import torch
    from torch import nn

N_FEATURES, N_CLASSES = 4, 3
MAX_BATCHES = 1_000


# Functions of arrays and numbers


def calls(namespace: dict, function: str, calls: list, stand_ins: list | None = None) -> dict:
    """What a function returns for each of several lists of arguments.

    Args:
        calls: `{"args": [...], "kwargs": {...}}` each.
        stand_ins: rows `[arguments, result]` of a `cosine_schedule` that takes the place of the student's own, see
            `core.looked_up`.

    Returns:
        `{"values": one for each call, "arguments": of each call, as they are afterward, "stand_ins_used"}`.
    """
    called = core.lookup(namespace, function)
    used: list[object] = []
    names = {} if stand_ins is None else {"cosine_schedule": core.looked_up(stand_ins, used)}
    with core.replaced(namespace, **names):
        values = [called(*call.get("args", []), **call.get("kwargs", {})) for call in calls]
    return {"values": values, "arguments": [call.get("args", []) for call in calls], "stand_ins_used": bool(used)}


def iterate(
    namespace: dict, function: str, w: np.ndarray, state: list, gradients: list, kwargs: dict, count: bool = False
) -> dict:
    """Take steps with an update function: `w, *state = function(w, *state, [t,] gradient, **kwargs)`.

    Args:
        w, state: the arrays before the first step.
        gradients: one array for each step.
        count: pass the number of the step (from 1, or from `kwargs["t"]`) before the gradient.

    Returns:
        `{"path": the values of w, the first included, "states": the state arrays likewise,
        "changed": [step, position of the argument] of the first argument that a call changed, or None,
        "overwritten": whether a call changed the arrays that the one before returned, "own": whether the results share
        no memory with the arguments, "torch_optim": where torch's own optimizer was used, or None}`.
    """
    update = core.lookup(namespace, function)
    kwargs = dict(kwargs)
    first = kwargs.pop("t", 1)
    arrays = [np.array(w), *(np.array(item) for item in state)]
    path, states, changed, delegated = [arrays[0].copy()], [[item.copy() for item in arrays[1:]]], None, None
    returned: list = []
    overwritten, own = False, True
    for step, gradient in enumerate(gradients, start=1):
        before = [item.copy() for item in arrays] + [np.array(gradient)]
        given = [item.copy() for item in before]
        number = [first + step - 1] if count else []
        with torch_optim_use() as used:
            result = update(*given[:-1], *number, given[-1], **kwargs)
        delegated = delegated or used["where"]
        overwritten |= not all(map(np.array_equal, returned, arrays))
        for place, (old, new) in enumerate(zip(before, given)):
            if changed is None and not np.array_equal(old, new):
                changed = [step, place]
        result = list(result)
        if len(result) != len(arrays):
            raise ValueError(f"it should return {len(arrays)} arrays, it returned {len(result)}")
        own &= not any(_share(one, other) for one in result for other in given)
        returned, arrays = result, [np.array(item) for item in result]
        path.append(arrays[0].copy())
        states.append([item.copy() for item in arrays[1:]])
    kept = {"changed": changed, "overwritten": overwritten, "own": own}
    return {"path": path, "states": states, **kept, "torch_optim": delegated}


def _share(one: object, other: object) -> bool:
    return isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and np.shares_memory(one, other)


def batches(namespace: dict, X: np.ndarray, y: np.ndarray, batch_size: int, seeds: list, n_calls: int = 1) -> dict:
    """Call `get_batches` several times with one generator, for each of several seeds.

    Returns:
        `{"runs": [seed][call][batch] = [X_batch, y_batch], "X", "y": the arrays after the last seed's calls,
        "kinds": of X_batch and of y_batch the types that they have, such as "array of float64",
        "global": whether the state of `np.random` or `random` was changed}`.
    """
    get_batches = core.lookup(namespace, "get_batches")
    np.random.seed(len(seeds))
    random.seed(len(seeds))
    before, runs = _global_generators(), []
    kinds: tuple[set[str], set[str]] = (set(), set())
    for seed in seeds:
        rng, given = np.random.default_rng(seed), (X.copy(), y.copy())
        calls = [get_batches(*given, batch_size, rng) for _ in range(n_calls)]
        runs.append([_collect(each, kinds) for each in calls])
    return {
        "runs": runs,
        "X": given[0],
        "y": given[1],
        "kinds": [sorted(each) for each in kinds],
        "global": before != _global_generators(),
    }


def _global_generators() -> tuple:
    """The states of `np.random` and of `random`."""
    state = np.random.get_state(legacy=False)["state"]
    return state["key"].tolist(), state["pos"], random.getstate()


def sgd(namespace: dict, runs: list, stand_ins: list | None = None) -> dict:
    """Run `sgd` several times.

    Args:
        runs: `{"w", "X", "y", "lr", "n_epochs", "batch_size", "seed"}` each.
        stand_ins: for each run what stand-ins for `get_batches`, `mse_gradient` and `mse` look up, see `Known`.

    Returns:
        `{"results": {"w", "losses", "changed": a list of the arrays that the call changed} for each,
        "stand_ins_used"}`.
    """
    function = core.lookup(namespace, "sgd")
    used: list[object] = []
    results = []
    for place, run in enumerate(runs):
        arrays = {name: np.array(run[name], dtype=float) for name in ("w", "X", "y")}
        given = {name: array.copy() for name, array in arrays.items()}
        rng = np.random.default_rng(run["seed"])
        names = Known(run, stand_ins[place], used).functions() if stand_ins else {}
        with core.replaced(namespace, **names):
            w, losses = function(given["w"], given["X"], given["y"], run["lr"], run["n_epochs"], run["batch_size"], rng)
        changed = [name for name in arrays if not np.array_equal(arrays[name], given[name])]
        results.append({"w": w, "losses": losses, "changed": changed})
    for result in results:  # only now, so that a later call that writes over an earlier result shows
        result |= {"w": np.array(result["w"]), "losses": list(result["losses"])}
    return {"results": results, "stand_ins_used": bool(used)}


class Known:
    """Stand-ins for the functions that `sgd` calls. All their data come with the question.

    Args:
        run: as in `sgd`.
        known: `orders`, several ways to cut the rows of the data into batches, of which `rng` chooses one at each call;
            and for each row i of the data, X[i], `twice[i]`, `offset[i]` and `constant[i]`: at w its squared error has
            the gradient `(X[i] @ w) * twice[i] - offset[i]` and the value `(X[i] @ w) * (twice[i] @ w) / 2 - offset[i]
            @ w + constant[i]`.
        used: every call appends an item to this list.
    """

    def __init__(self, run: dict, known: dict, used: list[object]):
        self.run, self.known, self.used = run, known, used
        self.last = -1

    def functions(self) -> dict:
        return {"get_batches": self.get_batches, "mse_gradient": self.mse_gradient, "mse": self.mse}

    def rows(self, X: np.ndarray, y: np.ndarray) -> list:
        """Which rows of the data these are."""
        rows = []
        for one, target in zip(np.atleast_2d(X), np.atleast_1d(y)):
            same = np.flatnonzero((self.run["X"] == one).all(axis=1) & (self.run["y"] == target))
            if len(same) == 0:
                raise ValueError("an earlier exercise is called with an example that is not among the data")
            rows.append(same[0])
        return rows

    def get_batches(self, X: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator) -> Batches:
        self.used.append("get_batches")
        if batch_size != self.run["batch_size"]:
            raise ValueError("get_batches is called with another batch_size than this exercise was given")
        orders, choice = self.known["orders"], int(rng.integers(len(self.known["orders"])))
        self.last = (choice + (choice == self.last)) % len(orders)  # two shuffles in a row are never the same
        order = orders[self.last]
        return Batches((X[rows], y[rows]) for rows in order)

    def mse_gradient(self, w: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        self.used.append("mse_gradient")
        rows = self.rows(X, y)
        slopes = (self.run["X"][rows] @ w)[:, None] * self.known["twice"][rows]
        return np.mean(slopes - self.known["offset"][rows], axis=0)

    def mse(self, w: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
        self.used.append("mse")
        rows = self.rows(X, y)
        squares = (self.run["X"][rows] @ w) * (self.known["twice"][rows] @ w) / 2
        return float(np.mean(squares - self.known["offset"][rows] @ w + self.known["constant"][rows]))


class Batches(list):
    """A list that also works with `next`, as a generator does."""

    def __next__(self) -> Any:
        if not self:
            raise StopIteration
        return self.pop(0)


def _collect(result: Iterable[Any], kinds: tuple[set[str], set[str]]) -> list:
    """Copies of the batches of a list or generator, taken when all of them are there."""
    batches = []
    for batch in list(itertools.islice(result, MAX_BATCHES)):
        X, y = batch
        batches.append([np.array(X), np.array(y)])
        for kind, item in zip(kinds, (X, y)):
            kind.add(f"array of {item.dtype}" if isinstance(item, np.ndarray) else type(item).__name__)
    return batches


# Functions of torch objects


def model(kind: str, seed: int) -> nn.Sequential:
    """A small float64 model: "linear"; "deep"; "batchnorm" and "dropout" answer differently in the two modes.

    Its weights are drawn in float32, also where another default dtype was set.
    """
    import torch
    from torch import nn

    def linear(n_in: int, n_out: int) -> nn.Linear:
        return nn.Linear(n_in, n_out, dtype=torch.float32)

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # a thousand times as fast as torch.manual_seed
        layers: dict[str, Callable[[], list[nn.Module]]] = {
            "linear": lambda: [linear(N_FEATURES, N_CLASSES)],
            "deep": lambda: [linear(N_FEATURES, 5), nn.Tanh(), linear(5, N_CLASSES)],
            "batchnorm": lambda: [
                linear(N_FEATURES, 5),
                nn.BatchNorm1d(5, dtype=torch.float32),
                nn.ReLU(),
                linear(5, N_CLASSES),
            ],
            "dropout": lambda: [linear(N_FEATURES, 8), nn.ReLU(), nn.Dropout(0.5), linear(8, N_CLASSES)],
        }
        return nn.Sequential(*layers[kind]()).double()


def data(n: int, seed: int, one_class: bool = False, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """`n` examples; the later ones lie further out, so that batches have very different losses."""
    import torch

    rng = np.random.default_rng(seed)
    X = scale * rng.normal(size=(n, N_FEATURES)) * np.linspace(0.3, 4.0, n)[:, None]
    y = np.ones(n, dtype=np.int64) if one_class else rng.integers(N_CLASSES, size=n)
    return torch.tensor(X), torch.tensor(y)


def loader(kind: str, X: torch.Tensor, y: torch.Tensor, batch_size: int) -> Iterable:
    """A list of batches, or a `DataLoader`; both keep the order and the last short batch."""
    from torch.utils.data import DataLoader, TensorDataset

    if kind == "list":
        return list(zip(X.split(batch_size), y.split(batch_size)))
    return DataLoader(TensorDataset(X, y), batch_size=batch_size)


def stale_gradients(model: nn.Module, size: float = 3.0) -> None:
    """Leave gradients on the parameters, as an earlier backward pass does."""
    import torch

    for number, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, size * (-1) ** number)


def scheduler(kind: str | None, optimizer: Any, arguments: dict) -> Any:
    """A scheduler of `torch.optim.lr_scheduler` by name, or None."""
    import torch

    return None if kind is None else getattr(torch.optim.lr_scheduler, kind)(optimizer, **arguments)


def weights(model: nn.Module) -> list:
    """All parameters as nested lists."""
    return [parameter.detach().tolist() for parameter in model.parameters()]


class Watch:
    """A fixture that records how the student's code uses it.

    Args:
        fixture: `model`, `seed`, `n`, `batch_size`, `loader`, and optionally `one_class`, `training` (the mode at the
            beginning), `stale`, `frozen` (the first parameter requires no gradient), `smoothing` (of the labels, in the
            loss), `scale` (of the data), `optimizer`, `hyperparameters`, `rates` (learning rates that are set after the
            optimizer is made; with several, each is that of a group of parameters), and `look` (report the weights at
            each run of the model).

    Attributes:
        forwards: for each run of the model its mode, whether its output is tracked, the number of examples, the
            outputs, and the weights if they are looked at.
        events: "zero_grad", "backward", "step", in order; others add to it.
        lrs: the learning rate at each step of the optimizer.
        losses: for each call of the loss function its value and whether it is tracked.
        kept: the most losses whose graph was alive when the model ran again.
    """

    def __init__(self, fixture: dict):
        import torch
        from torch import nn

        watch = self
        self.forwards: list[dict] = []
        self.events: list[str] = []
        self.lrs: list[float] = []
        self.losses: list[dict] = []
        self.kept, self._graphs = 0, list[weakref.ref]()

        class Watched(nn.Module):
            def __init__(self, inner: Any) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, X: np.ndarray) -> Any:
                modes = {module.training for module in self.modules()}
                before = weights(self) if fixture.get("look") else None
                watch.kept = max(watch.kept, sum(graph() is not None for graph in watch._graphs))
                output = self.inner(X)
                mode = "mixed" if len(modes) > 1 else "train" if modes.pop() else "eval"
                met = {"mode": mode, "tracked": output.requires_grad, "examples": len(X)}
                watch.forwards.append({**met, "outputs": output.detach().tolist(), "weights": before})
                return output

            def zero_grad(self, *args: Any, **kwargs: Any) -> Any:
                watch.events.append("zero_grad")
                return super().zero_grad(*args, **kwargs)

        class Token:
            pass

        class Mark(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, loss: Any) -> Any:
                ctx.token = Token()
                watch._graphs.append(weakref.ref(ctx.token))
                return loss.clone()

            @staticmethod
            def backward(ctx: Any, gradient: Any) -> Any:
                return gradient

        class Loss(nn.CrossEntropyLoss):
            def forward(self, logits: Any, targets: Any) -> Any:
                loss = super().forward(logits, targets)
                watch.losses.append({"value": loss.item(), "tracked": loss.requires_grad, "examples": len(targets)})
                return Mark.apply(loss) if loss.requires_grad else loss

        base = getattr(torch.optim, fixture.get("optimizer", "SGD"))

        class Optimizer(base):  # type: ignore[misc, valid-type]  # which class it is, is an argument
            def zero_grad(self, *args: Any, **kwargs: Any) -> Any:
                watch.events.append("zero_grad")
                return super().zero_grad(*args, **kwargs)

            def step(self, *args: Any, **kwargs: Any) -> Any:
                watch.events.append("step")
                watch.lrs.append(self.param_groups[0]["lr"])
                return super().step(*args, **kwargs)

        self.model = Watched(model(fixture["model"], fixture["seed"]))
        last = list(self.model.parameters())[-1]
        last.register_hook(lambda gradient: watch.events.append("backward"))
        self.model.train(fixture.get("training", True))
        if fixture.get("stale"):
            stale_gradients(self.model)
        if fixture.get("frozen"):
            next(self.model.parameters()).requires_grad_(False)
        self.loss_fn = Loss(label_smoothing=fixture.get("smoothing", 0.0))
        parameters, rates = list(self.model.parameters()), fixture.get("rates", [])
        groups = [{"params": parameters[place :: len(rates)]} for place in range(len(rates))] or parameters
        self.optimizer = Optimizer(groups, **fixture.get("hyperparameters", {"lr": 0.1}))
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        X, y = data(fixture["n"], fixture["seed"], fixture.get("one_class", False), fixture.get("scale", 1.0))
        self.loader = loader(fixture["loader"], X, y, fixture["batch_size"])

    def report(self) -> dict:
        """What was noted, as plain data."""
        return {
            "forwards": self.forwards,
            "events": self.events,
            "lrs": self.lrs,
            "losses": self.losses,
            "kept": self.kept,
            "weights": weights(self.model),
            "modes": [module.training for module in self.model.modules()],
            "gradients": [None if p.grad is None else p.grad.tolist() for p in self.model.parameters()],
            "requires_grad": [parameter.requires_grad for parameter in self.model.parameters()],
        }


def train_epoch(namespace: dict, fixture: dict, n_epochs: int = 1) -> dict:
    """Run `train_epoch` on a fixture, `n_epochs` times; `Watch.report` and `returned`, `tensors`."""
    function = core.lookup(namespace, "train_epoch")
    watch = Watch(fixture)
    with _torch_state():
        returned = [function(watch.model, watch.loader, watch.loss_fn, watch.optimizer) for _ in range(n_epochs)]
    return {"returned": returned, "tensors": [_is_tensor(value) for value in returned], **watch.report()}


def evaluate(namespace: dict, fixture: dict) -> dict:
    """Run `evaluate` on a fixture; `Watch.report`, `returned`, `tensors`, and `grad_enabled` afterward."""
    import torch

    function = core.lookup(namespace, "evaluate")
    watch = Watch(fixture)
    with _torch_state():
        returned = list(function(watch.model, watch.loader, watch.loss_fn))
        enabled = torch.is_grad_enabled()
    return {
        "returned": returned,
        "tensors": [_is_tensor(value) for value in returned],
        "grad_enabled": enabled,
        **watch.report(),
    }


def fit(
    namespace: dict,
    fixture: dict,
    valid: dict,
    n_epochs: int,
    schedule: str | None = None,
    schedule_arguments: dict | None = None,
    leave_out: bool = False,
    made_up: dict | None = None,
    again: bool = False,
) -> dict:
    """Run `fit` on a fixture.

    Args:
        fixture: the model, its training data and optimizer.
        valid: `n`, `seed`, `batch_size` and `loader` of the validation data.
        schedule, schedule_arguments: a scheduler of torch by name, or None.
        leave_out: do not pass `scheduler` at all.
        made_up: replace `train_epoch` and `evaluate` by stand-ins with these numbers, see `Epochs`.
        again: call it once more, for no epochs, before looking at the first result.

    Returns:
        `{"history", "tensors": names of the lists that hold a tensor, "stand_ins_used", "loaders": which loader each
        stand-in was called with, "rounded": the lists that do not hold exactly what the stand-ins returned}` and
        `Watch.report`, whose events contain also "train", "evaluate", "schedule".
    """
    function = core.lookup(namespace, "fit")
    watch = Watch(fixture)
    valid_loader = loader(valid["loader"], *data(valid["n"], valid["seed"]), valid["batch_size"])
    stepper = scheduler(schedule, watch.optimizer, schedule_arguments or {})
    _note_steps(stepper, watch.events)
    epochs = Epochs(watch, valid_loader, made_up or {})
    names = {"train_epoch": epochs.train_epoch, "evaluate": epochs.evaluate} if made_up else {}
    arguments = {} if leave_out else {"scheduler": stepper}
    with core.replaced(namespace, **names), _torch_state():
        history = function(
            watch.model, watch.loader, valid_loader, watch.loss_fn, watch.optimizer, n_epochs, **arguments
        )
        if again:
            function(watch.model, watch.loader, valid_loader, watch.loss_fn, watch.optimizer, 0)
    lists = history if isinstance(history, dict) else {}
    tensors = [str(key) for key, values in lists.items() if isinstance(values, list) and any(map(_is_tensor, values))]
    about = {"tensors": tensors, "stand_ins_used": "train" in watch.events, "loaders": epochs.loaders}
    rounded = [name for name, numbers in epochs.returned.items() if not _are(lists.get(name), numbers)]
    return {"history": history, **about, "rounded": rounded, **watch.report()}


def _are(values: object, numbers: list[float]) -> bool:
    """Whether values of whatever type are exactly these numbers."""
    try:
        return [float(value) for value in values] == numbers  # type: ignore[attr-defined]  # a student's, of any type
    except Exception:
        return False


class Epochs:
    """Stand-ins for `train_epoch` and `evaluate`: one step along made-up gradients, and made-up numbers.

    Args:
        made_up: three lists with a number for each epoch, "train_loss", "valid_loss" and "valid_accuracy"; to each the
            sum of the model's weights is added, times 1, 0.5 and 0.01. Then `slope`, the gradient of every weight.
    """

    def __init__(self, watch: Watch, valid_loader: object, made_up: dict):
        self.watch, self.valid_loader, self.made_up = watch, valid_loader, made_up
        self.loaders: list[str] = []
        self.epochs = {"train_loss": 0, "valid_loss": 0}
        self.returned: dict[str, list[float]] = {}

    def train_epoch(self, model: nn.Module, loader: object, loss_fn: object, optimizer: torch.optim.Optimizer) -> float:
        import torch

        self._check(model=model, loss_fn=loss_fn, optimizer=optimizer)
        self.watch.events.append("train")
        self.loaders.append(self._which(loader))
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, self.made_up["slope"])
        optimizer.step()
        return self._number("train_loss", self._next("train_loss"), 1.0)

    def evaluate(self, model: nn.Module, loader: object, loss_fn: object) -> tuple[float, float]:
        self._check(model=model, loss_fn=loss_fn)
        self.watch.events.append("evaluate")
        self.loaders.append(self._which(loader))
        epoch = self._next("valid_loss")
        return self._number("valid_loss", epoch, 0.5), self._number("valid_accuracy", epoch, 0.01)

    def _next(self, name: str) -> int:
        self.epochs[name] += 1
        return self.epochs[name] - 1

    def _number(self, name: str, epoch: int, factor: float) -> float:
        numbers = self.made_up[name]
        number = numbers[epoch % len(numbers)] + factor * sum(p.sum().item() for p in self.watch.model.parameters())
        self.returned.setdefault(name, []).append(number)
        return number

    def _which(self, loader: object) -> str:
        return "train" if loader is self.watch.loader else "valid" if loader is self.valid_loader else "another"

    def _check(self, **passed: object) -> None:
        for name, given in passed.items():
            if given is not getattr(self.watch, name):
                raise ValueError(f"`fit` should pass its own {name} on")


def _note_steps(stepper: Any, events: list) -> None:
    """Make a scheduler note its steps, except the one that its constructor takes."""
    if stepper is None:
        return
    original = stepper.step

    def step(*args: Any, **kwargs: Any) -> Any:
        events.append("schedule")
        return original(*args, **kwargs)

    stepper.step = step


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


@contextlib.contextmanager
def _torch_state() -> Iterator[None]:
    """Enable gradients at the start, and restore the state of torch's random generator at the end."""
    import torch

    torch.set_grad_enabled(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            yield
    finally:
        torch.set_grad_enabled(True)
