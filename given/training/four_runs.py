import numpy as np
import torch
from torch import nn

from given.training.plots import train_live

loaders = None  # the notebook makes it
make_model = None  # the notebook makes it
train = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

"""Four models to diagnose. You need not read this cell, and it would spoil the game."""


class Patient:
    """One of four trained models: its histories, and how it was trained."""

    def __init__(self, n_examples, width, batch_size, seed, optimizer, lr, leak=0.0, **settings):
        kind = "leaky ReLU" if leak else "ReLU"
        extra = "".join(f", {name} {value}" for name, value in settings.items())
        self.recipe = f"{n_examples} examples in batches of {batch_size}, {width} hidden units ({kind}), {optimizer.__name__} at lr {lr}{extra}"
        rows = train[:n_examples]
        model = make_model(seed, width)
        model[1] = nn.LeakyReLU(leak) if leak else model[1]
        steps = optimizer(model.parameters(), lr=lr, **settings)
        self.run = (model, *loaders(rows, batch_size, seed), nn.CrossEntropyLoss(), steps), None


def four_runs():
    """Four models, trained in different ways; what to expect from which is not said here."""
    patients = {
        "A": Patient(60, 128, 10, 0, torch.optim.Adam, 0.02),
        "B": Patient(1000, 32, 64, 1, torch.optim.SGD, 0.9, leak=0.2, momentum=0.9),
        "C": Patient(1000, 32, 64, 0, torch.optim.Adam, 0.005),
        "D": Patient(1000, 2, 64, 0, torch.optim.Adam, 0.01),
    }
    text = "Training and validation loss of four models over 20 epochs. What they show is for you to say; in words: "
    text += "A, training falls to 0, validation turns early and rises; B, both climb out of the picture within a few epochs; "
    text += "C, both fall and flatten out close together; D, both fall a little and stay high, close together."
    runs = {f"Model {name}": patient.run for name, patient in patients.items()}
    histories = train_live(runs, 20, text, top=3, size=(11.5, 3.4))
    for name, patient in patients.items():
        patient.history = histories[f"Model {name}"]
    return patients


def compare_reading(reading, patients):
    """Hold a diagnosis against the numbers of the curves, and tell the recipe of a model that was diagnosed."""
    for name, patient in patients.items():
        training, validation = np.array(patient.history["train_loss"]), np.array(patient.history["valid_loss"])
        facts = f"training loss {training[0]:.2g} -> {training[-1]:.2g}; "
        facts += f"validation loss lowest {np.nanmin(validation):.2g} (epoch {np.nanargmin(validation) + 1}), at the end {validation[-1]:.2g}"
        if not training[-1] < 10 * training[0]:
            kind = "divergence"
        elif training[-1] > 0.5:
            kind = "under-fitting"
        else:
            kind = "over-fitting" if validation[-1] > 1.3 * validation.min() else "good fit"
        mine = "".join(letter for letter in str(reading.get(name, "")).lower() if letter.isalpha())
        if not mine:
            print(f"{name}: no diagnosis yet. Write one, and you see how this model was trained.")
            continue
        verdict = (
            "yes"
            if mine.removeprefix("a")[:4] == kind[:4]
            else f"the numbers say something else than {reading[name]!r}"
        )
        print(f"{name}: {verdict}: {kind}. The {facts}.\n   Recipe: {patient.recipe}.")
