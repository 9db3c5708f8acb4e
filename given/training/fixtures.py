import weakref

import numpy as np
import torch
from torch import nn

from given.checks import expect, shown
from given.training.helpers import expect_items, standing_in

evaluate = None  # the notebook makes it
fit = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

"""A tiny model and tiny data for the self-checks. You need not read this cell."""


class Notes(nn.Module):
    """A layer that changes nothing, and notes the mode in which it runs and whether gradients are tracked."""

    def __init__(self):
        super().__init__()
        self.modes, self.tracked = [], []

    def forward(self, X):
        self.modes.append("training" if self.training else "evaluation")
        self.tracked.append(X.requires_grad)
        return X


def tiny_model():
    """Two inputs, two classes, fixed weights; the second layer takes notes."""
    torch.set_grad_enabled(True)  # an earlier try may have left it off
    linear = nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.5, -1.0], [0.25, 0.75]]))
        linear.bias.copy_(torch.tensor([0.1, -0.2]))
    return nn.Sequential(linear, Notes())


class TinyLoss(nn.CrossEntropyLoss):
    """The cross entropy, which says so when it is called with its arguments swapped."""

    def forward(self, logits, targets):
        swapped = getattr(logits, "ndim", 2) < 2 or torch.is_floating_point(targets)
        expect(
            not swapped,
            "the loss function should be called as loss_fn(logits, y_batch): the model's answers come first.",
        )
        return super().forward(logits, targets)


class WatchedLoss(TinyLoss):
    """A loss that counts how many earlier losses still have their graph when it is computed."""

    class Mark(torch.autograd.Function):
        @staticmethod
        def forward(ctx, loss, token):
            ctx.token = token
            return loss.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient, None

    def __init__(self):
        super().__init__()
        self.graphs, self.most = [], 0

    def forward(self, logits, targets):
        self.most = max(self.most, sum(graph() is not None for graph in self.graphs))
        token = type("Token", (), {})()
        self.graphs.append(weakref.ref(token))
        return self.Mark.apply(super().forward(logits, targets), token)


def tiny_batches(n=5):
    """Five examples in batches of 2, 2 and 1 (or the first n of them)."""
    X = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [3.0, -2.0], [0.5, 0.5], [2.0, 1.0]])[:n]
    y = torch.tensor([0, 1, 0, 1, 1])[:n]
    return list(zip(X.split(2), y.split(2)))


def expect_plain(value, what):
    """Fail unless it is a number, and no tensor."""
    expect(
        not isinstance(value, torch.Tensor),
        f"{what} should be a plain number, yours is a tensor. `.item()` takes its number.",
    )
    expect(isinstance(value, (int, float, np.number)), f"{what} should be a plain number, yours is {shown(value)}.")


def expect_mode(model, mode, function):
    """Fail unless the model ran, and each time in this mode."""
    modes = model[1].modes
    expect(modes, f"your {function} never ran the model. Each batch should go through `model(X_batch)`.")
    ran = " and ".join(sorted(set(modes)))
    expect(
        set(modes) == {mode},
        f"the model should run in {mode} mode, in yours it ran in {ran} mode. Set it before the loop, by a call with ( ).",
    )


def try_evaluate(model):
    """What `evaluate` returns on the tiny batches, and whether torch tracks gradients afterward (then it does again)."""
    try:
        result = evaluate(model, tiny_batches(), TinyLoss())
        loss, accuracy = expect_items(result, "evaluate", "loss", "accuracy")
        return loss, accuracy, torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


# What stand-ins for train_epoch and evaluate return: training losses, validation losses, accuracies.
MADE_UP = [0.900000012345, 0.5, 0.2], [1.000000012345, 0.6, 0.4], [0.3, 0.8, 0.55]


def try_fit(make_scheduler=None, **kwargs):
    """Run `fit` for three epochs with stand-ins for train_epoch and evaluate, which return made-up numbers.

    Returns the history, the names of the calls, the learning rate at each train_epoch, and whether the loaders were right.
    """
    losses, evaluations, calls, rates = MADE_UP[0], [*zip(*MADE_UP[1:])], [], []
    loaders = []  # whether each call got the right one
    model = tiny_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    train_loader, valid_loader = tiny_batches(5), tiny_batches(3)

    def train_epoch(model, loader, loss_fn, optimizer):
        calls.append("train_epoch")
        loaders.append(loader is train_loader)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        return losses[(calls.count("train_epoch") - 1) % 3]

    def evaluate(model, loader, loss_fn):
        calls.append("evaluate")
        loaders.append(loader is valid_loader)
        return evaluations[(calls.count("evaluate") - 1) % 3]

    if make_scheduler is not None:
        kwargs["scheduler"] = scheduler = make_scheduler(optimizer)
        step = scheduler.step
        scheduler.step = lambda *args: (calls.append("scheduler.step"), step(*args))
    else:
        optimizer.param_groups[0]["lr"] = 0.25  # another one than its default
    with standing_in(train_epoch=train_epoch, evaluate=evaluate):
        history = fit(model, train_loader, valid_loader, TinyLoss(), optimizer, 3, **kwargs)
    return history, calls, rates, all(loaders)


def expect_lists(history, *names):
    """Fail unless the history is a dictionary with these lists of three plain numbers."""
    expect(isinstance(history, dict), f"fit should return a dictionary, yours returns {shown(history)}.")
    for name in names:
        expect(name in history, f"the dictionary should have the key {name!r}; the keys of yours: {list(history)}.")
        expect(isinstance(history[name], list), f"{name!r} should be a list, yours is {shown(history[name])}.")
        expect(
            len(history[name]) == 3,
            f"after three epochs {name!r} should hold three numbers, yours holds {len(history[name])}. "
            "Each epoch appends one number to each list; the `return` comes after the loop.",
        )
        expect_plain(history[name][0], f"an entry of {name!r}")
