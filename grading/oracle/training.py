"""The references for `training`: torch's optimizers, schedulers and autograd, and a training loop written out.

`judge_...` functions hold what a probe of `grading.probe.training` reported against them.
"""

import warnings
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch

from grading.oracle.compare import Mismatch, both, close, same_list, same_number, same_value, show, that
from grading.oracle.inputs import draw
from grading.oracle.recent import remembered
from grading.oracle.student_code import Delegated, Student, StudentError
from grading.probe import training as fixtures
from grading.probe import wire

LOOP_RTOL = 1e-6  # float32 sums of float64 losses are fine


class StandInsUnused(Mismatch):
    """The student's function did not call the stand-ins for earlier exercises."""


def on_its_own(judge: Callable[[bool], None]) -> None:
    """Judge an exercise that may build on earlier ones, so that a slip in those neither counts twice nor hides another.

    Args:
        judge: asks and compares; it is called with `stand_ins=False` and with True. With stand-ins for the earlier
            functions the answer must be right. If it does not use them, or calls them in a way that they cannot answer,
            it must be right without. It raises `StandInsUnused` if the stand-ins were not called.
    """
    first: AssertionError | None = None
    try:
        judge(False)
    except Delegated:
        raise
    except AssertionError as error:
        first = error
    try:
        judge(True)
    except (StandInsUnused, StudentError):
        if first is not None:
            raise first from None


def used(reply: dict, stand_ins: bool) -> dict:
    """The reply, if it does not come from stand-ins that were never called."""
    if stand_ins and not reply["stand_ins_used"]:
        raise StandInsUnused("the stand-ins were not called")
    return reply


# Questions


def judge_answer(yours: object, expected: float, hint: str) -> None:
    """The answer to a question, a number; the message is `hint` alone, so that it does not tell the answer."""
    that(close(yours, expected, rtol=1e-6), hint)


def judge_choice(yours: object, right: str, name: str, hints: dict[str, str]) -> None:
    """The answer to a question with several choices; `hints` says of each wrong one what to think about."""
    hint = hints.get(yours) if isinstance(yours, str) else None
    that(yours == right, f"{name}: {hint or 'the answer is one of the letters above.'}")


# Stationary points


def hessians(rng: np.random.Generator, which: str) -> list[tuple[np.ndarray, str]]:
    """Symmetric matrices with the kind of their stationary point.

    Args:
        which: "definite", "semidefinite" or "scaled".
    """
    spectra = {
        "definite": [
            ([2.0], "minimum"),
            ([-0.3], "maximum"),
            ([0.5, 3.0], "minimum"),
            ([-0.5, -3.0], "maximum"),
            ([2.0, -1.0], "saddle"),
            ([4.0, 1.0, 0.01], "minimum"),
            ([-4.0, -1.0, -0.01], "maximum"),
            ([-1.0, -2.0, 3.0], "saddle"),
            ([5.0, 1.0, 2.0, -0.001], "saddle"),
            ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "minimum"),
        ],
        "semidefinite": [
            ([0.0], "undetermined"),
            ([0.0, 2.0], "undetermined"),
            ([0.0, -2.0], "undetermined"),
            ([0.0, 0.0], "undetermined"),
            ([0.0, 1.0, 3.0], "undetermined"),
            ([0.0, -1.0, -7.0, -2.0], "undetermined"),
            ([0.0, 1.0, -2.0], "saddle"),
            ([0.0, 0.0, 3.0, -1.0, 2.0], "saddle"),
        ],
        "scaled": [
            ([3e-12, 1e-12], "minimum"),
            ([-3e-12, -1e-12, -2e-12], "maximum"),
            ([3e-12, -1e-12], "saddle"),
            ([3e-20, 1e-20], "minimum"),
            ([1e12, 1e6], "minimum"),
            ([-1e12, -1e6], "maximum"),
            ([0.0, 1e12, 3e12, 2e12], "undetermined"),
            ([0.0, -1e13, -3e13], "undetermined"),
            ([0.0, 1e12, -3e12], "saddle"),
            ([1e-4, 1.0, 2.0], "minimum"),
            ([3e-8, 1.0, 1.0, 1.0, 1.0], "minimum"),
            ([-3e-8, 1.0, 1.0, 1.0, 1.0], "saddle"),
            ([8e-9, 1e-3, 1.0], "undetermined"),
            ([-8e-9, -1e-3, -1.0], "undetermined"),
            ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, -9.0], "saddle"),
            ([1.0, 1e-12], "undetermined"),
            ([1.0, -1e-12], "undetermined"),
        ],
    }[which]
    result = []
    for spectrum, kind in spectra:
        eigenvalues = rng.permutation(spectrum)
        for turned in (False, True):
            matrix = np.diag(eigenvalues)
            if turned:
                basis, _ = np.linalg.qr(rng.normal(size=matrix.shape))
                matrix = basis @ matrix @ basis.T
            result.append(((matrix + matrix.T) / 2.0, kind))
    if which == "scaled":  # the largest eigenvalue is four times as large as the largest entry
        equal = np.full((4, 4), 0.25)
        result.append((rng.uniform(0.5, 2.0) * (equal + 8e-9 * (np.eye(4) - equal)), "undetermined"))
        exact = 2.0 ** rng.integers(-3, 4)  # an eigenvalue exactly at the tolerance counts as zero
        result += [(sign * exact * np.diag([1.0, 1e-8]), "undetermined") for sign in (1, -1)]
    return result


def judge_kinds(reply: dict, cases: list[tuple[np.ndarray, str]]) -> None:
    """Compare the answers of `classify_stationary_point`."""
    for place, (yours, (matrix, kind)) in enumerate(zip(reply["values"], cases, strict=True)):
        eigenvalues = ", ".join(f"{value:.3g}" for value in _cleaned(np.linalg.eigvalsh(matrix)))
        same_value(yours, kind, f"the kind of stationary point whose Hessian has the eigenvalues {eigenvalues}")
        same = reply["arguments"][place][0] == matrix.tolist()
        that(same, "classify_stationary_point changed the Hessian of its caller: work on a copy.")


def _cleaned(eigenvalues: np.ndarray) -> np.ndarray:
    largest = np.abs(eigenvalues).max()
    return np.where(np.abs(eigenvalues) < 1e-14 * largest, 0.0, eigenvalues)


# Batches


def examples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` examples of three features that can be told apart; y[i] is the whole number 100 + 7 * X[i, 0]."""
    return draw("examples", _examples, n)


def _examples(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    names = rng.choice(50 * n + 1000, n, replace=False).astype(float)
    return np.stack([names, names**2, 1.0 / (1.0 + names)], axis=1), (100.0 + 7.0 * names).astype(int)


def orders(reply: dict, n: int) -> list[list[list[int]]]:
    """For each seed and call of `get_batches` the examples in the order in which X shows them.

    Raises:
        Mismatch: a batch of X does not hold rows of X.
    """
    X, _ = examples(n)
    places = {tuple(row): place for place, row in enumerate(X.tolist())}
    result: list[list[list[int]]] = []
    for run in reply["runs"]:
        result.append([])
        for epoch in run:
            that(len(epoch) > 0, "get_batches gave no batch at all.")
            order = []
            for number, (X_batch, _) in enumerate(epoch, start=1):
                that(
                    isinstance(X_batch, list) and all(isinstance(row, list) and row for row in X_batch),
                    f"batch {number}: X_batch should be an array of rows of X, yours is {show(X_batch)}.",
                )
                for row in X_batch:
                    known = all(map(wire.is_number, row)) and tuple(row) in places
                    that(known, f"batch {number}: {row} is no row of X.")
                    order.append(places[tuple(row)])
            result[-1].append(order)
    return result


def judge_complete(reply: dict, n: int, batch_size: int) -> None:
    """Each example once, and batches of the right size, the short one last."""
    what = f"{n} examples in batches of {batch_size}"
    sizes = [batch_size] * (n // batch_size) + [n % batch_size] * (n % batch_size > 0)
    for order, epoch in zip(chain(*orders(reply, n)), chain(*reply["runs"])):
        yours = [len(X_batch) for X_batch, _ in epoch]
        that(yours == sizes, f"{what}: the sizes of the batches should be {sizes}, yours are {yours}.")
        missing, twice = sorted(set(range(n)) - set(order)), sorted({i for i in order if order.count(i) > 1})
        that(not twice, f"{what}: example {twice[:1]} comes more than once in one call, example {missing[:1]} never.")


def judge_pairs(reply: dict, n: int) -> None:
    """Each row of X with its own entry of y, in arrays of the types of X and y."""
    orders(reply, n)
    for name, kinds, array in zip("Xy", reply["kinds"], examples(n)):
        wanted = f"array of {array.dtype}"
        that(kinds == [wanted], f"{name}_batch should be an {wanted}, as {name} is; yours is {' or '.join(kinds)}.")
    for epoch in chain(*reply["runs"]):
        for number, (X_batch, y_batch) in enumerate(epoch, start=1):
            expected = [100.0 + 7.0 * row[0] for row in X_batch]
            that(
                isinstance(y_batch, list) and len(y_batch) == len(expected),
                f"batch {number} holds {len(expected)} rows of X; y_batch should hold as many entries, "
                f"yours is {show(y_batch)}.",
            )
            for row, mine, right in zip(X_batch, y_batch, expected, strict=True):
                shown, wanted = both(mine, right)
                that(
                    mine == right,
                    f"batch {number}: row {row[0]:g} of X belongs to y = {wanted}, yours comes with {shown}.",
                )


def judge_shuffle(reply: dict, n: int) -> None:
    """Every call another order, and all examples mixed: not whole batches moved, not each batch stirred, none left."""
    for calls in orders(reply, n):
        for place, examples in enumerate(zip(*calls)):
            that(
                len(calls) < 8 or len(set(examples)) > 1,
                f"in each of {len(calls)} calls example {examples[0]} is at place {place} of the order. Shuffle all of "
                "the data.",
            )
        for number, order in enumerate(calls, start=1):
            that(
                order != sorted(order),
                f"call {number}: the examples come in the order of the data; they should be shuffled.",
            )
            that(
                calls.count(order) == 1,
                "two calls with the same generator should give different orders, yours give the same one.",
            )
            neighbors = sum(abs(a - b) == 1 for a, b in pairwise(order))
            that(
                neighbors < n / 3,
                f"call {number}: {neighbors} of {n - 1} examples are next to their neighbor in the data. "
                "Shuffle the examples one by one, not whole batches.",
            )
        firsts = [sum(order[: n // 4]) / (n // 4) / n for order in calls]
        that(
            max(firsts) - min(firsts) > 0.02,
            "the first quarter of each call always holds the same examples. Shuffle all of the data, not each batch.",
        )


def judge_generator(first: dict, second: dict, n: int) -> None:
    """The order comes from `rng` alone. Both replies are to the same question, with seeds a, a, b."""
    one, again = orders(first, n), orders(second, n)
    that(
        one[0] == one[1] and one == again,
        "two generators with the same seed should give the same batches, yours differ. Draw the order from `rng`.",
    )
    that(
        one[0] != one[2],
        "generators with different seeds should give different batches, yours are the same. Draw the order from `rng`.",
    )
    that(not first["global"], "the order should come from `rng`; yours changes the state of another random generator.")


def judge_untouched_arrays(reply: dict, n: int, batch_size: int) -> None:
    """X and y are what they were, after batches of their rows were given out."""
    X, y = examples(n)
    orders(reply, n)
    for epoch in chain(*reply["runs"]):
        sizes = [len(X_batch) for X_batch, _ in epoch]
        that(max(sizes) <= batch_size, f"a batch of {max(sizes)} rows, where batch_size is {batch_size}.")
        that(sum(sizes) > n - batch_size, f"the batches hold {sum(sizes)} of {n} examples.")
    for name, before in (("X", X.tolist()), ("y", y.tolist())):
        that(
            reply[name] == before,
            f"after get_batches the caller's {name} is in another order. Shuffle indices, not the arrays themselves.",
        )


# Linear regression


def regression(
    rng: np.random.Generator, n: int, n_features: int, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """w, X, y of random numbers, of different sizes in each column; w and y, and so the residuals, times `scale`."""
    X = rng.normal(size=(n, n_features)) * np.linspace(0.5, 2.0, n_features)
    return scale * rng.normal(size=n_features), X, scale * rng.normal(size=n) * 3.0


def mse(w: np.ndarray, X: np.ndarray, y: np.ndarray) -> float:
    """mean((X @ w - y)**2) by torch."""
    weights, features, targets = (torch.tensor(np.array(item, dtype=float)) for item in (w, X, y))
    return torch.nn.functional.mse_loss(features @ weights, targets).item()


def mse_gradient(w: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Its gradient by torch's autograd."""
    weights, features, targets = (torch.tensor(np.array(item, dtype=float)) for item in (w, X, y))
    weights.requires_grad_()
    (slope,) = torch.autograd.grad(torch.nn.functional.mse_loss(features @ weights, targets), weights)
    return slope.numpy().copy()


def judge_direction(yours: object, expected: np.ndarray, what: str) -> None:
    """The same direction as the gradient, whatever the length."""
    same_shape(yours, expected, what)
    mine = np.array(yours, dtype=float)
    lengths = np.linalg.norm(mine) * np.linalg.norm(expected)
    cosine = float(mine.ravel() @ expected.ravel() / lengths) if lengths > 0 and np.isfinite(lengths) else 0.0
    if cosine < -1.0 + 1e-9:
        raise Mismatch(f"{what}: yours points exactly the opposite way. The gradient is the direction of ascent.")
    if cosine < 1.0 - 1e-9:
        raise Mismatch(
            f"{what}: yours points elsewhere (the cosine of the angle between yours and autograd's is {cosine:.4f}, "
            "it should be 1)."
        )


def same_shape(yours: object, expected: np.ndarray, what: str) -> None:
    """An array of that shape, of numbers."""
    try:
        shape = np.array(yours, dtype=float).shape
    except (TypeError, ValueError):
        raise Mismatch(f"{what} should be an array of shape {expected.shape}, yours is {show(yours)}.") from None
    that(shape == expected.shape, f"{what} should be an array of shape {expected.shape}, yours has the shape {shape}.")


def descent(w: np.ndarray, X: np.ndarray, y: np.ndarray, lr: float, n_epochs: int) -> tuple[np.ndarray, list[float]]:
    """Gradient descent on all the data at once."""
    w, losses = np.array(w, dtype=float), [mse(w, X, y)]
    for _ in range(n_epochs):
        w = w - lr * mse_gradient(w, X, y)
        losses.append(mse(w, X, y))
    return w, losses


def one_pixel_each(n: int) -> dict:
    """A problem in which example i sees only weight i: whatever the shuffle, equal batches give equal weights."""
    return {"w": np.zeros(n), "X": np.eye(n), "y": np.ones(n)}


def equal_examples(rng: np.random.Generator, n: int) -> dict:
    """A problem of one feature in which all examples are equal: whatever the batches, each takes the same step."""
    slope, target, w = np.round(rng.uniform((0.5, 2.0, -3.0), (0.9, 4.0, -1.0)), 3)
    return {"w": np.array([w]), "X": np.full((n, 1), slope), "y": np.full(n, target)}


def known(rng: np.random.Generator, runs: list[dict]) -> list[dict]:
    """What the stand-ins of `sgd` look up for each run, see `grading.probe.training.Known`.

    Runs over as many examples choose among the same orders: with equal seeds they must take equal batches.
    """
    found, shuffled = [], {}
    for run in runs:
        X, y, size = (np.array(run["X"], dtype=float), np.array(run["y"], dtype=float), run["batch_size"])
        cuts = range(0, len(y), size)
        if len(y) not in shuffled:
            shuffled[len(y)] = [rng.permutation(len(y)).tolist() for _ in range(40)]
        orders = [[order[start : start + size] for start in cuts] for order in shuffled[len(y)]]
        pieces = {"twice": 2.0 * X, "offset": 2.0 * X * y[:, None], "constant": y**2}
        found.append({"orders": orders, **pieces})
    return found


def ask_sgd(student: Student, rng: np.random.Generator, runs: list[dict], stand_ins: bool) -> dict:
    """The reply of the probe `training.sgd`, if it does not come from stand-ins that were never called."""
    more = {"stand_ins": known(rng, runs)} if stand_ins else {}
    return used(student.ask("training.sgd", about="sgd", runs=runs, **more), stand_ins)


def judge_descent(reply: dict, runs: list[dict]) -> None:
    """Runs with one batch for all of the data."""
    for yours, run in zip(reply["results"], runs, strict=True):
        w, _ = descent(run["w"], run["X"], run["y"], run["lr"], run["n_epochs"])
        what = f"w after {run['n_epochs']} epochs (batch_size={run['batch_size']}, {len(run['y'])} examples)"
        what += f", y of about {np.abs(run['y']).mean():.1e}" if np.abs(run["y"]).max() < 1e-3 else ""
        same_shape(yours["w"], w, what)
        same_list(yours["w"], w.tolist(), what, rtol=0.0, atol=1e-10 * float(np.abs(w).max()))


def judge_losses(reply: dict, runs: list[dict]) -> None:
    """Runs that differ only in `n_epochs`, rising from 0 by ones: each loss is that of the w returned after it."""
    results = reply["results"]
    for yours, run in zip(results, runs, strict=True):
        count = run["n_epochs"]
        same_shape(yours["w"], np.array(run["w"]), "w")
        that(
            count == 0 or yours["w"] != np.array(run["w"]).tolist(),
            f"after {count} epochs w has not changed: a constant loss proves nothing.",
        )
        first = mse(run["w"], run["X"], run["y"])
        same_list(yours["losses"][:1], [first], "before the first epoch, losses", atol=0.0)
        that(
            len(yours["losses"]) == count + 1,
            f"after {count} epochs `losses` should hold {count + 1} numbers, the loss before the first epoch included; "
            f"yours holds {len(yours['losses'])}.",
        )
        for epoch, shorter in enumerate(results[: count + 1]):
            same_number(
                yours["losses"][epoch],
                mse(shorter["w"], run["X"], run["y"]),
                f"losses[{epoch}], the loss on all the data with the weights after epoch {epoch},",
                rtol=1e-9,
                atol=0.0,
            )


def judge_equal_batches(yours: dict, run: dict) -> None:
    """`one_pixel_each` with batches that come out even: any shuffle gives the same weights."""
    factor = (1.0 - 2.0 * run["lr"] / run["batch_size"]) ** run["n_epochs"]
    expected = (1.0 - factor) * np.array(run["y"])
    what = f"w after {run['n_epochs']} epochs (batch_size={run['batch_size']}, {len(expected)} examples)"
    same_shape(yours["w"], expected, what)
    same_list(yours["w"], expected.tolist(), what)


def judge_equal_examples(yours: dict, run: dict) -> None:
    """`equal_examples`: as many equal steps as there are batches, each from where the one before it led."""
    n_steps = run["n_epochs"] * -(-len(run["y"]) // run["batch_size"])
    expected, _ = descent(run["w"], run["X"], run["y"], run["lr"], n_steps)
    what = f"w after {run['n_epochs']} epochs (batch_size={run['batch_size']}, {len(run['y'])} equal examples)"
    same_shape(yours["w"], expected, what)
    same_list(yours["w"], expected.tolist(), what)


def judge_short_batch(yours: dict, run: dict) -> None:
    """`one_pixel_each`, one epoch, a short last batch: the weights up to their order."""
    n, size = len(run["y"]), run["batch_size"]
    short = n % size
    expected = sorted([2.0 * run["lr"] / size] * (n - short) + [2.0 * run["lr"] / short] * short)
    what = f"the sorted weights after one epoch (batch_size={size}, {n} examples, so a last batch of {short})"
    same_shape(yours["w"], np.array(expected), what)
    same_list(sorted(yours["w"]), expected, what)


def judge_new_orders(reply: dict, runs: list[dict]) -> None:
    """`one_pixel_each` with a short last batch, three seeds of which the first two are equal, several epochs."""
    for result, run in zip(reply["results"], runs, strict=True):
        same_shape(result["w"], run["w"], "w")
    first, again, other = (result["w"] for result in reply["results"])
    that(
        first == again,
        "two runs with the same seed should give the same weights, yours differ. Let all randomness come from `rng`.",
    )
    that(
        first != other,
        "runs with different seeds should take the examples in different orders, yours take the same one.",
    )
    # With the same order in every epoch an example is in the short batch each time, or never.
    epochs = runs[0]["n_epochs"]
    shorts = [_times_in_short_batch(weight, runs[0]) for weight in first]
    that(
        sum(shorts) == epochs * (len(first) % runs[0]["batch_size"]),
        f"over {epochs} epochs the short batch should hold {epochs * (len(first) % runs[0]['batch_size'])} examples; "
        f"by your weights it held {sum(shorts)}.",
    )
    that(
        not set(shorts) <= {0, epochs},
        f"over {epochs} epochs always the same examples share the short batch: shuffle again in every epoch.",
    )


def _times_in_short_batch(weight: float, run: dict) -> int:
    """How often an example of `one_pixel_each` was in the short batch, from its weight."""
    n, size, epochs = len(run["y"]), run["batch_size"], run["n_epochs"]
    long, short = (1.0 - 2.0 * run["lr"] / count for count in (size, n % size))
    possible = [1.0 - short**times * long ** (epochs - times) for times in range(epochs + 1)]
    for times, value in enumerate(possible):
        if close(weight, value, rtol=1e-9):
            return times
    raise Mismatch(f"a weight after {epochs} epochs is {weight!r}; possible are {', '.join(map(repr, possible))}.")


def judge_unchanged(reply: dict, runs: list[dict]) -> None:
    """No run changed its arrays. The first has one batch and one epoch, so its weights move along the gradient."""
    for result, run in zip(reply["results"], runs, strict=True):
        same_shape(result["w"], np.array(run["w"]), "w")
        that(
            not result["changed"],
            f"after the call the caller's {' and '.join(result['changed'])} is changed. Work on new arrays.",
        )
    run = runs[0]
    moved = np.array(reply["results"][0]["w"], dtype=float) - run["w"]
    gradient = mse_gradient(run["w"], run["X"], run["y"])
    length = np.linalg.norm(moved) * np.linalg.norm(gradient)
    that(
        bool(0 < length < np.inf and abs(moved @ gradient) >= (1 - 1e-9) * length),
        "after one step on all the data w should have moved along the gradient, yours has not.",
    )


# Update rules on arrays


def array_gradients(
    rng: np.random.Generator, n_steps: int, shape: tuple[int, ...], scale: float = 1.0
) -> list[np.ndarray]:
    """Gradients that hide no bug: signs that change, sizes from 0.01 to 30 (times `scale`), never zero."""
    sizes = 10.0 ** rng.uniform(-2.0, 1.5, size=(n_steps, *shape))
    return list(scale * sizes * rng.choice([-1.0, 1.0], size=(n_steps, *shape)))


# None is near 0.5, so that x and 1 - x cannot be confused.
RANGES = {"lr": (0.03, 0.4), "momentum": (0.62, 0.93), "alpha": (0.62, 0.93)}
RANGES |= {"beta1": (0.62, 0.85), "beta2": (0.9, 0.98)}


def settings(rng: np.random.Generator, *names: str) -> dict[str, float]:
    """Values for these hyperparameters of an update rule, with three digits."""
    return {name: round(float(rng.uniform(*RANGES[name])), 3) for name in names}


def starting_weights(shape: tuple[int, ...]) -> np.ndarray:
    """Different numbers of both signs."""
    return np.linspace(-2.0, 3.0, int(np.prod(shape))).reshape(shape)


@remembered
def torch_updates(
    optimizer_class: type[torch.optim.Optimizer],
    w: np.ndarray,
    rows: list[np.ndarray],
    *state: str,
    **hyperparameters: Any,
) -> tuple[list, list]:
    """The path of torch's optimizer through these gradients.

    Args:
        state: the names of torch's buffers to report after each step; before the first they are zero.

    Returns:
        `len(rows) + 1` arrays w, and as many lists of buffers, all as nested lists.
    """
    parameter = torch.tensor(np.array(w, dtype=float), requires_grad=True)
    optimizer = optimizer_class([parameter], **hyperparameters)
    path, states = [parameter.tolist()], [[np.zeros_like(w).tolist() for _ in state]]
    for row in rows:
        parameter.grad = torch.tensor(row)
        optimizer.step()
        path.append(parameter.tolist())
        states.append([optimizer.state[parameter][name].tolist() for name in state])
    return path, states


def torch_velocities(w: np.ndarray, rows: list[np.ndarray], lr: float, momentum: float) -> tuple[list, list]:
    """Like `torch_updates`, of momentum, with velocities in the sign of the notes: torch's times -lr."""
    if momentum == 0.0:  # torch keeps no buffer then
        path, _ = torch_updates(torch.optim.SGD, w, rows, lr=lr)
        return path, [[np.zeros_like(w).tolist()], *([(-lr * row).tolist()] for row in rows)]
    path, buffers = torch_updates(torch.optim.SGD, w, rows, "momentum_buffer", lr=lr, momentum=momentum)
    return path, [[(-lr * np.array(buffer)).tolist() for buffer in row] for row in buffers]


def torch_adam(
    w: np.ndarray, rows: list[np.ndarray], lr: float, beta1: float, beta2: float, delta: float
) -> tuple[list, list]:
    """Like `torch_updates`, of Adam, with both averages."""
    names, settings = ("exp_avg", "exp_avg_sq"), {"lr": lr, "betas": (beta1, beta2), "eps": delta}
    return torch_updates(torch.optim.Adam, w, rows, *names, **settings)


def named(settings: dict[str, float]) -> str:
    """Hyperparameters as in a call."""
    return ", ".join(f"{name}={value:g}" for name, value in settings.items())


def judge_path(reply: dict, path: list, what: str) -> None:
    """w after each step."""
    _require_own_steps(reply)
    _judge_steps(reply["path"], path, f"{what}: w")


def judge_path_if(condition: tuple[dict, list], reply: dict, path: list, what: str) -> None:
    """Like `judge_path`, but only for an answer that is right on another question, (reply, path)."""
    try:
        judge_path(*condition, what)
    except Mismatch:
        return
    judge_path(reply, path, what)


def judge_states(reply: dict, states: list, names: str, what: str) -> None:
    """The state arrays after each step; `names` are their letters, "sr"."""
    _require_own_steps(reply)
    for place, name in enumerate(names):
        _judge_steps([row[place] for row in reply["states"]], [row[place] for row in states], f"{what}: {name}")


def judge_arguments(reply: dict, names: list[str], path: list, states: list) -> None:
    """No argument was changed in place, and arrays of the same shape were returned.

    Args:
        names: of the arrays among the arguments, the gradient last.
        path, states: the right ones, of which the answer must have at least one: to return nothing of use while
            nothing is changed is no achievement.
    """
    _require_own_steps(reply)
    for name, item in zip(names[:-1], [reply["path"][-1], *reply["states"][-1]], strict=True):
        same_shape(item, np.array(reply["path"][0]), f"the returned {name}")
    mine = [reply["path"], *([row[place] for row in reply["states"]] for place in range(len(names) - 2))]
    right = [path, *([row[place] for row in states] for place in range(len(names) - 2))]
    faults = []
    for yours, expected, name in zip(mine, right, names):
        try:
            _judge_steps(yours, expected, name)
        except Mismatch as error:
            faults.append(error)
    if len(faults) == len(right):
        raise faults[0]
    if reply["changed"]:
        step, place = reply["changed"]
        raise Mismatch(
            f"step {step}: after the call the caller's array `{names[place]}` is changed. "
            "Make new arrays (`a = a + b`) where `a += b` would write into the argument."
        )
    words = "the arrays that one call returned are changed by the next one: make new arrays in each call."
    that(not reply["overwritten"], words)
    words = "a returned array is one of the caller's, or a part of it: make new arrays, also where nothing moves."
    that(reply["own"], words)


def _require_own_steps(reply: dict) -> None:
    if reply["torch_optim"]:
        raise Delegated(
            f"This calls torch's own optimizer (`torch.optim`, in `{reply['torch_optim']}`). "
            "Here the update rule itself is the exercise: write it with `w` and the gradient."
        )


def _judge_steps(yours: list, expected: list, what: str) -> None:
    for step, (mine, right) in enumerate(zip(yours, expected, strict=True)):
        right = np.array(right)
        where = f"{what} after step {step}"
        same_shape(mine, right, where)
        try:
            same_list(np.array(mine).ravel().tolist(), right.ravel().tolist(), where)
        except Mismatch as error:
            agree = f" You agree up to step {step - 1}." if step > 1 else ""
            raise Mismatch(str(error) + agree, error.rows) from None


# Schedules


def torch_schedule(make: Callable, lr: float, n_epochs: int) -> list[float]:
    """The learning rate of each epoch, when the scheduler steps after the optimizer at the end of each epoch."""
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=lr)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        rates = []
        for _ in range(n_epochs):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
    return rates


def torch_steps(lr: float, n_epochs: int, step_size: int, gamma: float) -> list[float]:
    return torch_schedule(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size, gamma), lr, n_epochs)


def torch_exponential(lr: float, n_epochs: int, gamma: float) -> list[float]:
    return torch_schedule(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma), lr, n_epochs)


def torch_cosine(lr: float, n_epochs: int, lr_min: float = 0.0, longer: int = 0) -> list[float]:
    """Epochs 0 ... n_epochs of `CosineAnnealingLR`, and `longer` more at the minimum (where torch's rises again)."""
    rates = torch_schedule(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, n_epochs, eta_min=lr_min), lr, n_epochs + 1
    )
    return rates + [lr_min] * longer


def torch_warmup_cosine(lr: float, n_warmup: int, n_epochs: int, lr_min: float = 0.0, longer: int = 0) -> list[float]:
    """`LinearLR`, which reaches lr at epoch n_warmup - 1, and from n_warmup on `CosineAnnealingLR`."""

    def make(optimizer: torch.optim.Optimizer) -> Any:
        stages = [
            torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0 / n_warmup, total_iters=n_warmup - 1),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs - n_warmup, eta_min=lr_min),
        ]
        return torch.optim.lr_scheduler.SequentialLR(optimizer, stages, milestones=[n_warmup])

    return torch_schedule(make, lr, n_epochs + 1) + [lr_min] * longer


def epochs(epochs: Sequence[int], *after: Any, lr: float, **kwargs: Any) -> list[dict]:
    """The calls of a schedule at these epochs: `(lr, epoch, *after)`."""
    return [{"args": [lr, epoch, *after], "kwargs": kwargs} for epoch in epochs]


def judge_rates(reply: dict, epochs: Sequence[int], expected: list[float], what: str) -> None:
    """The learning rate at each of the epochs; `expected` holds epoch 0, 1, 2, ..."""
    rounding = 1e-15 * max(map(abs, expected))  # of a cosine that should come to 0
    for yours, epoch in zip(reply["values"], epochs, strict=True):
        if not close(yours, expected[epoch], rtol=1e-9, atol=rounding):
            mine, wanted = both(yours, expected[epoch])
            raise Mismatch(
                f"{what}: epoch {epoch} (counted from 0) should have the learning rate {wanted}, yours is {mine}.",
                [(f"epoch {e}", mine, expected[e]) for mine, e in zip(reply["values"], epochs) if abs(e - epoch) <= 2],
            )


def judge_rates_if_first(reply: dict, epochs: Sequence[int], minimum: float, what: str) -> None:
    """The rate stays at its minimum, for an answer that has come down to it in the first of the epochs."""
    if close(reply["values"][0], minimum, rtol=1e-9):
        judge_rates(reply, epochs, [minimum] * (max(epochs) + 1), what)


def cosine_rows(lr: float, n_epochs: int, lr_min: float) -> list:
    """What a stand-in for `cosine_schedule` looks up, by torch: every epoch up to 30 after the end."""
    rates = torch_cosine(lr, n_epochs, lr_min, longer=30)
    rows = []
    for epoch, rate in enumerate(rates):
        full = {"lr": lr, "epoch": epoch, "n_epochs": n_epochs, "lr_min": lr_min}
        rows.append([full, rate])
        if lr_min == 0.0:
            rows.append([{key: value for key, value in full.items() if key != "lr_min"}, rate])
    return rows


def ask_warmup(student: Student, calls: list[dict], stand_ins: list | None) -> dict:
    """The replies of `warmup_cosine_schedule`, with rows of `cosine_rows` or without."""
    more = {} if stand_ins is None else {"stand_ins": stand_ins}
    asked = {"function": "warmup_cosine_schedule", "calls": calls, **more}
    return used(student.ask("training.calls", about="warmup_cosine_schedule", **asked), stand_ins is not None)


# The training loop


def reference_epoch(watch: fixtures.Watch) -> float:
    """One epoch, written out: the mean loss per example, each batch's loss taken before its update."""
    watch.model.train()
    total, count = 0.0, 0
    for X, y in watch.loader:
        watch.optimizer.zero_grad()
        loss = watch.loss_fn(watch.model(X), y)
        loss.backward()
        watch.optimizer.step()
        total, count = total + loss.item() * len(y), count + len(y)
    return total / count


def reference_evaluation(model: Any, loader: Any, loss_fn: Any) -> tuple[float, float]:
    """Mean loss per example and share of right answers, in evaluation mode."""
    before = model.training
    model.eval()
    with torch.no_grad():
        batches = [(model(X), y) for X, y in loader]
        logits, y = torch.cat([logits for logits, _ in batches]), torch.cat([y for _, y in batches])
        loss, accuracy = loss_fn(logits, y).item(), (logits.argmax(dim=1) == y).double().mean().item()
    model.train(before)
    return loss, accuracy


def judge_weights(reply: dict, fixture: dict, n_epochs: int = 1) -> None:
    """The weights after training, against the loop above."""
    expected = _trained(fixture, n_epochs)
    what = f"after {n_epochs} epoch{'s' * (n_epochs > 1)} ({_described(fixture)}) the model's parameters"
    try:
        same_list(reply["weights"], expected, what, rtol=1e-7, atol=1e-9)
    except Mismatch as error:
        raise Mismatch(f"{error}{_calls_of_first_batch(reply)}", error.rows) from None


@remembered
def _trained(fixture: dict, n_epochs: int) -> list:
    """The weights after training with the loop above."""
    watch = fixtures.Watch(fixture)
    for _ in range(n_epochs):
        reference_epoch(watch)
    return fixtures.weights(watch.model)


def judge_epoch_loss(reply: dict, fixture: dict) -> None:
    """The mean loss per example of the first epoch, of the losses that the student's own training met.

    Those are worked out here, from the weights with which each batch was met (the fixture says `look`): an answer that
    trains in a wrong way is not wrong about its mean.
    """
    watch = fixtures.Watch(fixture)
    first, batches = fixtures.weights(watch.model), list(watch.loader)
    met = [forward["weights"] for forward in reply["forwards"] if forward["tracked"]][: len(batches)]
    if len(met) < len(batches) or met[0] != first:
        reference_epoch(watch)
        losses = watch.losses
    else:
        losses = []
        for weights, (X, y) in zip(met, batches, strict=True):
            _load(watch.model, weights)
            losses.append({"value": watch.loss_fn(watch.model(X), y).item(), "examples": len(y)})
    _judge_mean(reply["returned"][0], losses, f"the mean loss per example over the epoch ({_described(fixture)})")


def _load(model: torch.nn.Module, weights: object) -> None:
    """Give a model these weights.

    Raises:
        Mismatch: they do not fit.
    """
    parameters = list(model.parameters())
    if not isinstance(weights, list) or len(weights) != len(parameters):
        raise Mismatch("the model has other weights.")
    for parameter, values in zip(parameters, weights, strict=True):
        same_shape(values, np.empty(tuple(parameter.shape)), "the weights of a layer")
        parameter.data = torch.tensor(values, dtype=parameter.dtype)


def judge_outputs(reply: dict, fixture: dict, *modes: str) -> None:
    """The model met each batch, in one of these modes: what it gave then is worked out here.

    Its weights must not have changed: in training the fixture's learning rate is 0. What the student's process says
    about modes and gradients earns nothing without that.
    """
    expected = []
    for mode in modes:
        watch = fixtures.Watch(fixture)
        watch.model.train(mode == "train")
        with torch.no_grad():
            expected.append([watch.model(X).tolist() for X, _ in watch.loader])
    mine = [forward["outputs"] for forward in reply["forwards"]]
    for number, batch in enumerate(zip(*expected, strict=True), start=1):
        that(
            any(_equal(yours, right) for right in batch for yours in mine),
            f"your function should run the model in {' or '.join(map(_mode, modes))} mode on every batch, "
            f"batch {number} included ({_described(fixture)}).",
        )


def _equal(yours: object, expected: list) -> bool:
    try:
        same_list(yours, expected, "outputs", rtol=1e-9)
    except Mismatch:
        return False
    return True


def judge_evaluated_loss(reply: dict, fixture: dict) -> None:
    """The mean loss per example of an evaluation."""
    watch = fixtures.Watch(fixture)
    batches = []
    watch.model.eval()
    for X, y in watch.loader:
        batches.append({"value": watch.loss_fn(watch.model(X), y).item(), "examples": len(y)})
    _judge_mean(_item(reply, 0), batches, f"the mean loss per example ({_described(fixture)})")


def judge_accuracy(reply: dict, fixture: dict) -> None:
    """The share of right answers."""
    watch = fixtures.Watch(fixture)
    _, expected = reference_evaluation(watch.model, watch.loader, watch.loss_fn)
    yours, what = _item(reply, 1), f"the accuracy ({_described(fixture)})"
    if close(yours, 100.0 * expected, rtol=1e-6) and expected > 0.0:
        raise Mismatch(f"{what} should be the share {show(expected)}, yours is in percent: {show(yours)}.")
    same_number(yours, expected, what, rtol=LOOP_RTOL)


def judge_modes(reply: dict, mode: str, fixture: dict) -> None:
    """Every run of the model in that mode, "train" or "eval"; see `judge_outputs` for the fixture."""
    that(bool(reply["forwards"]), "your function never ran the model.")
    for number, forward in enumerate(reply["forwards"], start=1):
        that(
            forward["mode"] == mode,
            f"run {number} of the model ({_described(fixture)}; it entered in "
            f"{'training' if fixture.get('training', True) else 'evaluation'} mode) should be in {_mode(mode)} mode, "
            f"yours is in {_mode(forward['mode'])} mode.",
        )
    if fixture["model"] != "dropout" or mode == "eval":  # what is dropped depends on what else draws random numbers
        judge_outputs(reply, fixture, mode)


def judge_restored(reply: dict, fixture: dict) -> None:
    """The modes of all parts, the gradients and `requires_grad` are those of before, and the model ran at all."""
    that(bool(reply["forwards"]), "your function never ran the model.")
    before = fixture.get("training", True)
    after = reply["modes"]
    that(
        all(mode == before for mode in after),
        f"the model entered in {_mode('train' if before else 'eval')} mode and should leave in it; after your evaluate "
        f"{'it' if len(set(after)) == 1 else 'a part of it'} is in {_mode('eval' if before else 'train')} mode.",
    )
    untouched = fixtures.Watch(fixture).report()
    that(
        len(after) == len(untouched["modes"]) and reply["requires_grad"] == untouched["requires_grad"],
        "after your evaluate the model's parameters should require gradients as before"
        + (", the first one not." if fixture.get("frozen") else "."),
    )
    that(
        reply["gradients"] == untouched["gradients"],
        "after your evaluate the gradients of the model's parameters should be those of before; yours changes them.",
    )
    if fixture["model"] != "dropout":
        judge_outputs(reply, fixture, "train", "eval")


def judge_untracked(reply: dict, fixture: dict) -> None:
    """No gradient tracked in evaluation, torch's switch as before, and plain numbers returned."""
    that(bool(reply["forwards"]), "your function never ran the model.")
    that(
        not any(forward["tracked"] for forward in reply["forwards"]),
        "in your evaluate the model's outputs require a gradient: torch keeps a graph for a backward pass that never "
        "comes. Switch gradients off around it.",
    )
    that(
        reply["grad_enabled"] and all(reply["requires_grad"]),
        "after your evaluate gradients are still switched off; training could not go on.",
    )
    for name, tensor in zip(("loss", "accuracy"), reply["tensors"]):
        that(not tensor, f"the {name} should be a plain number, yours is a torch tensor. `.item()` takes its number.")
    judge_outputs(reply, fixture, "train", "eval")


def judge_plain(reply: dict, fixture: dict) -> None:
    """A plain number, and no graph of an earlier batch kept alive; see `judge_outputs` for the fixture."""
    that(bool(reply["forwards"]), "your function never ran the model.")
    that(
        not any(reply["tensors"]),
        "train_epoch should return a plain number, yours is a torch tensor. `.item()` takes a tensor's number.",
    )
    for value in reply["returned"]:
        that(wire.is_number(value), f"train_epoch should return a plain number, yours is {show(value)}.")
    that(
        reply["kept"] <= 2,
        f"while a batch ran, the graphs of {reply['kept']} earlier losses were still in memory: you add up or collect "
        "loss tensors. Take the number of each with `.item()`.",
    )
    judge_outputs(reply, fixture, "train", "eval")


def made_up(rng: np.random.Generator, n_epochs: int) -> dict:
    """Numbers for the stand-ins of `fit`, see `grading.probe.training.Epochs`; they rise and fall in turn."""
    names = {"train_loss": 300.0, "valid_loss": 200.0, "valid_accuracy": 0.9}  # more than the weights add to them
    swing = np.arange(n_epochs) % 2 * 0.5
    numbers = {
        name: np.round(high * (rng.uniform(0.05, 0.4, n_epochs) + swing), 3).tolist() for name, high in names.items()
    }
    return {**numbers, "slope": round(float(rng.uniform(0.2, 0.9)), 3)}


def swinging_seeds(rng: np.random.Generator, fixture: dict, valid: dict, n_epochs: int) -> tuple[int, int]:
    """Seeds for a fixture of `fit` and its validation data with which all that is recorded also rises and falls.

    So a history of the best numbers so far, or a run that ends when a loss rises, differs from a right one.
    """
    for _ in range(500):
        one, other = rng.integers(10_000, size=2).tolist()
        history, _ = reference_fit({**fixture, "seed": one}, {**valid, "seed": other}, n_epochs)
        steps = [np.diff(history[name]) for name in ("train_loss", "valid_loss", "valid_accuracy")]
        if all(step.max() > 1e-3 and step.min() < -1e-3 for step in steps):
            return one, other
    raise RuntimeError("no seeds were found with which training swings: try another learning rate")


def ask_fit(student: Student, fixture: dict, made_up: dict, stand_ins: bool, **asked: object) -> dict:
    """The reply of the probe `training.fit`, if it does not come from stand-ins that were never called."""
    more = {"made_up": made_up} if stand_ins else {}
    return used(student.ask("training.fit", about="fit", fixture=fixture, **asked, **more), stand_ins)


def judge_history(reply: dict, fixture: dict, valid: dict, n_epochs: int, numbers: dict | None) -> None:
    """The three lists of losses and accuracies of `fit`; `numbers` are those of the stand-ins, if they took part."""
    history = reply["history"]
    names = ("train_loss", "valid_loss", "valid_accuracy")
    _judge_lists(history, (*names, "lr"), n_epochs)
    that(
        not reply["tensors"],
        f"the lists should hold plain numbers; {', '.join(reply['tensors'])} holds torch tensors.",
    )
    if numbers is not None:
        trained = reply["loaders"].count("train")
        that(
            reply["events"].count("train") == n_epochs,
            f"fit should call train_epoch {n_epochs} times for {n_epochs} epochs, yours calls it "
            f"{reply['events'].count('train')} times.",
        )
        that(
            reply["loaders"] == ["train", "valid"] * n_epochs,
            "each epoch should train on train_loader and then evaluate on valid_loader; yours runs through the loaders "
            f"in the order {', '.join(reply['loaders'][:4])}, ... ({trained} times through train_loader).",
        )
    expected, _ = reference_fit(fixture, valid, n_epochs, numbers=numbers)
    for name in names:
        same_list(history[name], expected[name], name, rtol=LOOP_RTOL)
    that(
        numbers is None or not reply["rounded"],
        f"{', '.join(reply['rounded'])} should hold the numbers that train_epoch and evaluate returned, with all their "
        "digits; yours are rounded. Round a number when you show it, not when you keep it.",
    )


@remembered
def reference_fit(
    fixture: dict, valid: dict, n_epochs: int, rates: list[float] | None = None, numbers: dict | None = None
) -> tuple[dict, list]:
    """`fit`, and the weights at its end.

    Args:
        rates: the learning rate of each epoch; by default that of the fixture.
        numbers: of the stand-ins, if they replace `train_epoch` and `evaluate`.
    """
    watch = fixtures.Watch(fixture)
    valid_loader = fixtures.loader(valid["loader"], *fixtures.data(valid["n"], valid["seed"]), valid["batch_size"])
    epochs = fixtures.Epochs(watch, valid_loader, numbers or {})
    history: dict[str, list] = {"train_loss": [], "valid_loss": [], "valid_accuracy": []}
    for epoch in range(n_epochs):
        for group in watch.optimizer.param_groups:
            group["lr"] = group["lr"] if rates is None else rates[epoch]
        if numbers is None:
            history["train_loss"].append(reference_epoch(watch))
            loss, accuracy = reference_evaluation(watch.model, valid_loader, watch.loss_fn)
        else:
            history["train_loss"].append(epochs.train_epoch(watch.model, watch.loader, watch.loss_fn, watch.optimizer))
            loss, accuracy = epochs.evaluate(watch.model, valid_loader, watch.loss_fn)
        history["valid_loss"].append(loss)
        history["valid_accuracy"].append(accuracy)
    return history, fixtures.weights(watch.model)


def judge_recorded_rates(reply: dict, fixture: dict, valid: dict, scheduled: list[float], numbers: dict | None) -> None:
    """The entry `lr` of each epoch is the learning rate that its optimizer steps used.

    Which rates those are the student's process says; it is believed only if the weights at the end are those to which
    such rates lead. Else the rates should be those of the scheduler.
    """
    history, n_epochs = reply["history"], len(scheduled)
    _judge_lists(history, ("lr",), n_epochs)
    that("lr" not in reply["tensors"], "lr should hold plain numbers, yours holds torch tensors.")
    claimed = _rates(reply, n_epochs)
    _, weights = reference_fit(fixture, valid, n_epochs, claimed, numbers)
    rates = claimed if _equal(reply["weights"], weights) else scheduled
    for epoch, (yours, expected) in enumerate(zip(history["lr"], rates, strict=True)):
        same_number(yours, expected, f"lr[{epoch}], the learning rate with which epoch {epoch} was trained,", rtol=1e-9)


def judge_scheduler_steps(
    reply: dict, fixture: dict, valid: dict, scheduled: list[float], numbers: dict | None
) -> None:
    """The scheduler steps once at the end of each epoch, and the weights at the end are those to which that leads."""
    count, n_epochs = reply["events"].count("schedule"), len(scheduled)
    that(
        count == n_epochs,
        f"in {n_epochs} epochs scheduler.step() should be called {n_epochs} times, once an epoch; "
        f"yours calls it {count} times.",
    )
    for epoch, (yours, rate) in enumerate(zip(_rates(reply, n_epochs), scheduled, strict=True)):
        same_number(yours, rate, f"epoch {epoch} should be trained with the scheduler's rate: it", rtol=1e-9)
    _judge_trained(reply, fixture, valid, n_epochs, scheduled, numbers)


def judge_no_epochs(reply: dict, fixture: dict) -> None:
    """`fit` with n_epochs=0 trains nothing and notes nothing; a list without numbers may be missing."""
    history = reply["history"]
    if not isinstance(history, dict) or "object" in history:
        raise Mismatch(f"fit should return a dictionary of lists, yours returns {show(history)}.")
    count = max((len(numbers) for numbers in history.values() if isinstance(numbers, list)), default=0)
    that(count == 0, f"with n_epochs=0 the lists should be empty, one of yours holds {count}.")
    same = reply["weights"] == fixtures.Watch(fixture).report()["weights"]
    that(same, "with n_epochs=0 the model's parameters should stay as they are.")


def judge_three_epochs(reply: dict, fixture: dict, valid: dict, numbers: dict | None) -> None:
    """`fit` came to its end without a scheduler."""
    _judge_lists(reply["history"], ("train_loss",), 3)
    _judge_trained(reply, fixture, valid, 3, None, numbers)


def _judge_trained(
    reply: dict, fixture: dict, valid: dict, n_epochs: int, rates: list[float] | None, numbers: dict | None
) -> None:
    _, weights = reference_fit(fixture, valid, n_epochs, rates, numbers)
    same_list(reply["weights"], weights, f"after {n_epochs} epochs the model's parameters", rtol=1e-7, atol=1e-9)


def _rates(reply: dict, n_epochs: int) -> list[float]:
    """The learning rate of the first optimizer step of each epoch, as the student's process says."""
    per_epoch = len(reply["lrs"]) // n_epochs
    that(per_epoch > 0, f"your fit takes {len(reply['lrs'])} optimizer steps in {n_epochs} epochs.")
    return reply["lrs"][::per_epoch][:n_epochs]


def _judge_lists(history: object, names: tuple[str, ...], n_epochs: int) -> None:
    if not isinstance(history, dict) or "object" in history:
        raise Mismatch(f"fit should return a dictionary of lists, yours returns {show(history)}.")
    for name in names:
        that(name in history, f"the dictionary lacks the key {name!r}; yours has {', '.join(map(repr, history))}.")
        count = len(history[name]) if isinstance(history[name], list) else None
        that(
            count == n_epochs,
            f"{name} should be a list with one number for each of the {n_epochs} epochs, yours "
            f"{'holds ' + str(count) if count is not None else 'is ' + show(history[name])}.",
        )


def _judge_mean(yours: object, batches: list[dict], what: str) -> None:
    values, sizes = [batch["value"] for batch in batches], [batch["examples"] for batch in batches]
    total = sum(value * size for value, size in zip(values, sizes))
    expected = total / sum(sizes)
    try:
        same_number(yours, expected, what, rtol=LOOP_RTOL)
    except Mismatch as error:
        hint = ""
        if close(yours, sum(values) / len(values), rtol=LOOP_RTOL):
            hint = (
                f" Yours is the mean over the batches; they have {_sizes(sizes)} examples, so they do not count alike."
            )
        elif close(yours, sum(values), rtol=LOOP_RTOL):
            hint = " Yours is the sum of the batches' losses."
        elif close(yours, total, rtol=LOOP_RTOL):
            hint = " Yours is the sum over the examples, not their mean."
        elif close(yours, values[-1], rtol=LOOP_RTOL):
            hint = " Yours is the loss of the last batch."
        raise Mismatch(str(error) + hint, error.rows) from None


def _item(reply: dict, place: int) -> object:
    returned = reply["returned"]
    that(isinstance(returned, list), f"evaluate should return the pair (loss, accuracy), yours is {show(returned)}.")
    that(len(returned) == 2, f"evaluate should return the pair (loss, accuracy), yours returns {len(returned)} values.")
    return returned[place]


def _sizes(sizes: list[int]) -> str:
    return f"{', '.join(map(str, sizes[:-1]))} and {sizes[-1]}" if len(sizes) > 1 else str(sizes[0])


def _calls_of_first_batch(reply: dict) -> str:
    events = reply["events"]
    first = events[: events.index("step") + 1] if "step" in events else events[:4]
    if first == ["zero_grad", "backward", "step"]:
        return ""
    return f" Your calls up to the first step: {', '.join(first) or 'none'}. Expected: zero_grad, backward, step."


def _mode(mode: str) -> str:
    return {"train": "training", "eval": "evaluation", "mixed": "a mixed"}.get(mode, "another")


def _described(fixture: dict) -> str:
    return f"{fixture['n']} examples in batches of {fixture['batch_size']}"
