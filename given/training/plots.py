import time

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from given.pictures import BLUE, ORANGE, Picture

fit = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

"""Pictures. You need not read this cell."""

plt.rcParams.update(
    {
        "figure.figsize": (7, 4.2),
        "axes.grid": True,
        "grid.alpha": 0.3,
        "lines.linewidth": 1.8,
    }
)


def axes(n=1, size=None, **kwargs):
    """One figure with `n` pictures side by side."""
    _, drawn = plt.subplots(1, n, figsize=size or (5.2 * n if n > 1 else 7, 4.2), **kwargs)
    return drawn


def train_live(runs, n_epochs, text, top, size):
    """Train with your `fit`, one epoch at a time, and draw the losses meanwhile.

    runs: for each name what `fit` is called with: the arguments before n_epochs, and the scheduler or None.
    The picture is replaced in place, so a saved page shows its last state only. All takes at least three seconds: else
    there is nothing to watch. Returns the histories.
    """
    drawn = np.atleast_1d(axes(len(runs), size, sharey=True))
    figure, histories, lines = drawn[0].figure, {name: {} for name in runs}, {}
    for ax, name in zip(drawn, runs):
        lines[name] = ax.plot([], [], color=BLUE, label="training") + ax.plot(
            [], [], "--", color=ORANGE, label="validation"
        )
        ax.set(title=name, xlabel="epoch", xlim=(0.5, n_epochs + 0.5), ylim=(0, top))
    drawn[0].set_ylabel("loss per example")
    drawn[0].legend(loc="upper right")
    figure.canvas.draw()
    empty = figure.canvas.copy_from_bbox(figure.bbox)  # to draw the lines alone is much faster
    handle = display(Picture(figure, text), display_id=True)
    begin = shown = time.perf_counter()
    try:
        for epoch in range(1, n_epochs + 1):
            for name, (arguments, scheduler) in runs.items():
                for key, values in fit(*arguments, 1, scheduler).items():
                    histories[name].setdefault(key, []).extend(values)
                for line, key in zip(lines[name], ("train_loss", "valid_loss")):
                    line.set_data(np.arange(1, epoch + 1), histories[name][key])
            time.sleep(max(0.0, begin + 3.0 * epoch / n_epochs - time.perf_counter()))
            if handle is not None and (epoch == n_epochs or time.perf_counter() - shown > 0.6):
                shown = time.perf_counter()
                figure.canvas.restore_region(empty)
                for line in [line for pair in lines.values() for line in pair]:
                    line.axes.draw_artist(line)
                handle.update(Picture(figure, text))
    finally:
        plt.close(figure)
    return histories
