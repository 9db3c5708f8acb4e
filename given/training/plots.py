import base64
import html
import io
import time

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

fit = None  # the notebook makes it

# ---- The notebook's cell begins here. ----

"""Colors that color-blind readers can tell apart (Okabe and Ito), and a line style and marker for each."""

BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
STYLES = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (PINK, ":", "D"), (BLACK, (0, (5, 1)), "v")]

plt.rcParams.update(
    {
        "figure.figsize": (7, 4.2),
        "figure.dpi": 90,
        "legend.fontsize": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "lines.linewidth": 1.8,
    }
)


def axes(n=1, size=None, **kwargs):
    """One figure with `n` pictures side by side."""
    _, drawn = plt.subplots(1, n, figsize=size or (5.2 * n if n > 1 else 7, 4.2), layout="constrained", **kwargs)
    return drawn


class Picture:
    """A drawn figure as an image, with a text for those who do not see it."""

    def __init__(self, figure, text):
        file = io.BytesIO()
        plt.imsave(file, np.asarray(figure.canvas.buffer_rgba()), format="png")
        self.text, self.data = text, base64.b64encode(file.getvalue()).decode()

    def __repr__(self):
        return f"[picture: {self.text}]"

    def _repr_html_(self):
        return f'<img alt="{html.escape(self.text)}" src="data:image/png;base64,{self.data}">'


def show_figure(text):
    """Show the figure that was drawn last."""
    figure = plt.gcf()
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high > 100 * low:  # then its minor ticks take half of the time of a picture
            axis.set_minor_locator(plt.NullLocator())
    figure.canvas.draw()
    display(Picture(figure, text))
    plt.close(figure)


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
            if handle is not None and (epoch == n_epochs or time.perf_counter() - shown > 0.3):
                shown = time.perf_counter()
                figure.canvas.restore_region(empty)
                for line in [line for pair in lines.values() for line in pair]:
                    line.axes.draw_artist(line)
                handle.update(Picture(figure, text))
    finally:
        plt.close(figure)
    return histories
