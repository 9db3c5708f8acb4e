import numpy as np
import torch
from torch import nn

from given.training.plots import train_live

digits = None  # the notebook makes it
make_loader = None  # the notebook makes it
make_model = None  # the notebook makes it
pictures = None  # the notebook makes it
train = None  # the notebook makes it
valid = None  # the notebook makes it

# ---- The notebook's cell begins here. ----


def four_runs():
    """Four models, trained in different ways; what to expect from which is not said here."""
    recipes = {  # examples, width, batch size, seed, optimizer
        "A": (60, 128, 10, 0, lambda parameters: torch.optim.Adam(parameters, lr=0.02)),
        "B": (1000, 32, 64, 1, lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.9)),
        "C": (1000, 32, 64, 0, lambda parameters: torch.optim.Adam(parameters, lr=0.005)),
        "D": (1000, 2, 64, 0, lambda parameters: torch.optim.Adam(parameters, lr=0.01)),
    }
    runs = {}
    for name, (n_examples, width, batch_size, seed, make_optimizer) in recipes.items():
        rows = train[:n_examples]
        train_loader = make_loader(pictures[rows], digits[rows], batch_size, seed)
        valid_loader = make_loader(pictures[valid], digits[valid], 400)
        model = make_model(seed, width)
        optimizer = make_optimizer(model.parameters())
        runs[f"Model {name}"] = (model, train_loader, valid_loader, nn.CrossEntropyLoss(), optimizer), None
    text = "Training and validation loss of four models over 30 epochs. What they show is for you to say; in words: "
    text += "A, training falls to 0, validation turns at epoch 4 and rises; B, both jump about between 1.3 and 3; "
    text += "C, both fall and flatten out close together; D, both fall a little and stay near 1.7."
    histories = train_live(runs, 30, text, top=3, size=(11.5, 3.4))
    return {name.removeprefix("Model "): history for name, history in histories.items()}


def compare_reading(reading, histories):
    """Hold what you read off against the numbers of the curves."""
    for name, history in histories.items():
        training, validation = np.array(history["train_loss"]), np.array(history["valid_loss"])
        facts = f"training loss {training[0]:.2f} -> {training[-1]:.2f}, lowest {training.min():.2f}; "
        facts += f"validation loss lowest {validation.min():.2f} (epoch {validation.argmin() + 1}), at the end {validation[-1]:.2f}"
        if training[-1] > 1.3 * training.min():
            kind = "divergence"
        elif training[-1] > 0.5:
            kind = "under-fitting"
        else:
            kind = "over-fitting" if validation[-1] > 1.3 * validation.min() else "good fit"
        mine = (
            str(reading.get(name, ""))
            .strip()
            .lower()
            .replace("underfitting", "under-fitting")
            .replace("overfitting", "over-fitting")
        )
        if not mine or mine == "?":
            print(f"{name}: not read yet.")
        elif mine.removeprefix("a ") == kind:
            print(f"{name}: {kind}, yes. {facts}.")
        else:
            print(f"{name}: the numbers say something else than {mine!r}. {facts}.")
