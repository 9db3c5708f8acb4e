import math
import time
import warnings
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from torch import nn
from torch.utils.data import DataLoader

from given.checks import NOTEBOOK, NotYet, apart, by_hand, expect, self_check, shown

# ---- The notebook's cell begins here. ----

"""Helpers for the self-checks and the demonstrations. You need not read this cell."""


def expect_shape(yours, shape, what, hint=""):
    """Fail unless `yours` is an array of numbers of this shape; return it as a numpy array."""
    if isinstance(yours, torch.Tensor) and yours.requires_grad:
        raise NotYet(f"{what} should be a numpy array of shape {shape}, yours is a torch tensor that tracks gradients.")
    try:
        mine = np.asarray(math.nan if yours is None else yours, dtype=float)
    except (TypeError, ValueError):
        raise NotYet(f"{what} should be an array of shape {shape}, yours is {shown(yours)}. {hint}".rstrip()) from None
    if mine.shape != shape:
        came = f"has the shape {mine.shape}" if mine.shape else f"is {shown(yours)}"
        raise NotYet(f"{what} should be an array of shape {shape}, yours {came}. {hint}".rstrip())
    return mine


def expect_array(yours, expected, what, hint="", tolerance=1e-6, other=None):
    """Fail unless `yours` is an array like `expected`, number by number; `other` is what it may be mistaken for."""
    expected = np.asarray(expected, dtype=float)
    mine = expect_shape(yours, expected.shape, what, hint)
    if not np.allclose(mine, expected, rtol=tolerance, atol=tolerance):
        if np.shape(other) == expected.shape and np.allclose(other, expected, rtol=tolerance, atol=tolerance):
            hint = "These numbers came in another place: two things that are returned, or taken, are swapped."
        if np.isnan(mine).any():
            hint += " (nan comes from 0/0, from infinity minus infinity, or from the root of a negative number.)"
        right, came = apart(expected.tolist(), mine.tolist(), lambda numbers: str(np.round(numbers, 6).tolist()))
        raise NotYet(f"{what} should be {right}, yours is {came}. {hint}".rstrip())


def expect_items(yours, what, *names):
    """Fail unless the call returned as many things as there are names; return them as a list."""
    items = list(yours) if isinstance(yours, (tuple, list)) or np.ndim(yours) > 0 else []
    came = f"{len(items)}: {shown(yours)}" if items else shown(yours)
    expect(
        len(items) == len(names),
        f"{what} should return {len(names)} things, ({', '.join(names)}); yours returned {came}.",
    )
    return items


def expect_arrays(yours, shape, what, *names):
    """Fail unless the call returned an array of this shape for each name; return the arrays."""
    items = expect_items(yours, what, *names)
    if isinstance(yours, np.ndarray) and yours.shape == shape != (len(names), *shape):
        raise NotYet(f"{what} should return {len(names)} arrays, `return {', '.join(names)}`; yours returned one.")
    return [expect_shape(item, shape, f"{name}, which {what} returns,") for item, name in zip(items, names)]


def expect_untouched(after, before, name):
    """Fail if a call has changed the array that it was given."""
    message = f"your function changed the array `{name}` of its caller. Make a new array instead of writing into it."
    expect(np.array_equal(after, before), message)


@contextmanager
def standing_in(**names):
    """Inside the `with` block other functions stand in for earlier exercises, so that each check is about one only."""
    before = {name: NOTEBOOK[name] for name in names if name in NOTEBOOK}
    NOTEBOOK.update(names)
    try:
        yield
    finally:
        for name in names:
            del NOTEBOOK[name]
        NOTEBOOK.update(before)


def autograd_gradient(w, X, y):
    """The gradient of the mean squared error, by torch."""
    leaf = torch.tensor(np.asarray(w, dtype=float), requires_grad=True)
    nn.functional.mse_loss(torch.tensor(X) @ leaf, torch.tensor(y)).backward()
    return leaf.grad.numpy()


def expect_kind(yours, kind, of_what, hint):
    """Fail unless `classify_stationary_point` gave this answer."""
    words = ("minimum", "maximum", "saddle", "undetermined")
    expect(
        isinstance(yours, str) and yours in words,
        f"classify_stationary_point should return one of the texts {', '.join(map(repr, words))}; yours returned {shown(yours)}.",
    )
    expect(yours == kind, f"{of_what} should give {kind!r}, yours says {yours!r}. {hint}")


def read_batches(batches):
    """The batches that `get_batches` gave as a list of pairs of arrays; fail unless they are that."""
    form = "get_batches should yield pairs (X_batch, y_batch), or return a list of such pairs"
    try:
        each = iter(batches)
    except TypeError:
        raise NotYet(f"{form}; yours returned {shown(batches)}.") from None
    if isinstance(batches, tuple) and len(batches) == 2 and np.ndim(batches[0]) == 2:
        raise NotYet(f"{form}; yours returned one pair and ended there. Is `return` in the place of `yield`?")
    items = list(each)  # an error in here is one of the code that yields
    expect(items, f"{form}; yours gave no batch at all. Does the loop run, and `yield` or `append` in it?")
    pairs = []
    for item in items:
        expect(
            isinstance(item, (tuple, list)) and len(item) == 2, f"{form}; yours gave {shown(item)} in place of a pair."
        )
        X_batch, y_batch = np.asarray(item[0]), np.asarray(item[1])
        expect(
            X_batch.ndim == 2 and y_batch.shape == X_batch.shape[:1],
            f"X_batch should have some rows, and y_batch as many entries; yours have the shapes {X_batch.shape} and "
            f"{y_batch.shape}.",
        )
        pairs.append((X_batch, y_batch))
    return pairs


class Batches(list):
    """A list that `next` can read as well, as it reads a generator."""

    def __next__(self):
        if not self:
            raise StopIteration
        return self.pop(0)


def loader_batches(X, y, batch_size, rng):
    """Shuffled batches, by torch."""
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    rows = DataLoader(range(len(y)), batch_size=batch_size, shuffle=True, generator=generator)
    return Batches((X[row.numpy()], y[row.numpy()]) for row in rows)


def torch_lrs(make_scheduler, lr, n_epochs):
    """The learning rates that a scheduler of torch gives to the epochs 0, 1, ..., n_epochs - 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    lrs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make_scheduler(optimizer)
        for _ in range(n_epochs):
            lrs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return lrs


def torch_cosine(lr, epoch, n_epochs, lr_min=0.0):
    """One value of torch's cosine schedule."""
    make = lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs, eta_min=lr_min)  # noqa: E731
    return torch_lrs(make, lr, n_epochs + 1)[min(epoch, n_epochs)]


def descend(update, X, y, n_steps, n_state, count=False, **settings):
    """Take steps with an update rule on all the data; the losses before and after each, and the state arrays."""
    w, state = np.zeros(X.shape[1]), [np.zeros(X.shape[1]) for _ in range(n_state)]
    losses, states = [np.mean((X @ w - y) ** 2)], []
    with np.errstate(all="ignore"):
        for step in range(1, n_steps + 1):
            number = [step] if count else []
            w, *state = update(
                w.copy(), *(item.copy() for item in state), *number, autograd_gradient(w, X, y), **settings
            )
            losses.append(np.mean((X @ w - y) ** 2))
            states.append([item.copy() for item in state])
    return np.array(losses), np.array(states)


class Bar:
    """A line of text that shows how far a loop has come."""

    def __init__(self, label, done, total, seconds):
        full = round(24 * done / max(1, total))
        self.text = f"{label}: {'█' * full}{'░' * (24 - full)} {done}/{total}, {seconds:.1f} s"

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return f"<pre>{self.text}</pre>"


def progress(items, label):
    """Go through `items` and show a bar. It is updated in place, so a saved page shows its last state only."""
    items = list(items)
    begin = shown = time.perf_counter()
    handle = display(Bar(label, 0, len(items), 0.0), display_id=True)
    for done, item in enumerate(items, start=1):
        yield item
        now = time.perf_counter()
        if handle is not None and (done == len(items) or now - shown > 0.2):
            handle.update(Bar(label, done, len(items), now - begin))
            shown = now


def some_parameters(values, gradients):
    """Parameters of torch in double precision, with these gradients."""
    params = [nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in values]
    set_gradients(params, gradients)
    for param in params:
        param.start = param.detach().clone()  # to tell a step that changed nothing
    return params


def set_gradients(params, gradients):
    for param, gradient in zip(params, gradients):
        param.grad = None if gradient is None else torch.tensor(gradient, dtype=param.dtype)


def expect_values(params, expected, when, hint=""):
    """Fail unless the parameters have these values."""
    for number, (param, right) in enumerate(zip(params, expected), start=1):
        what = f"parameter {number} {when}" if hint else f"parameter {number}"
        more = hint or when
        if torch.equal(param.detach(), param.start):
            more += " Yours did not move: `param -= ...` changes the parameter itself, `param = ...` only what the name means."
        expect_array(param.detach().numpy(), right, what, more)


def expect_gradients(params, expected, hint="", tolerance=1e-9):
    """Fail unless the parameters have these gradients."""
    for number, (param, right) in enumerate(zip(params, expected), start=1):
        what, mine = f"afterward the gradient of parameter {number}", param.grad
        if right is None or mine is None:
            mine = None if mine is None else mine.tolist()
            expect(mine is None and right is None, f"{what} should be {right}, yours is {mine}. {hint}")
            continue
        mine = expect_shape(mine.detach().numpy(), np.shape(right), what, hint)
        near = np.allclose(mine, right, rtol=1e-6, atol=tolerance)
        expect(near, f"{what} should be {right}, yours is {[float(f'{x:.7g}') for x in mine]}. {hint}")


def without_torch_optim():
    """In the `with` block no code of torch.optim may run, nor torch's clipping: the steps themselves are the exercise."""
    words = "yours lets torch.optim or torch.nn.utils do the work"
    return by_hand("/torch/optim/", "/torch/nn/utils/clip_grad", words=words)


# If one of these names is overwritten, a check that fails says so.
self_check.given.update(np=np, torch=torch, nn=nn, plt=plt, warnings=warnings, time=time)
