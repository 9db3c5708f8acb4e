import matplotlib.pyplot as plt
import numpy as np

# ---- The notebook's cell begins here. ----

"""How pictures are shown: each with a text for those who do not see it. You need not read this cell."""

import base64
import io
from html import escape

from IPython.display import display

# Okabe and Ito's colors, which color-blind people tell apart; each line has a dash pattern and a marker of its own, too.
BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"
YELLOW, SKY = "#E69F00", "#56B4E9"  # for areas; as lines they are too pale
STYLES = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (PINK, ":", "D"), (BLACK, (0, (5, 1)), "v")]
plt.rcParams.update({"figure.dpi": 90, "legend.fontsize": 9, "figure.constrained_layout.use": True})


class Picture:
    """A drawn figure as an image, with a text for those who do not see it."""

    def __init__(self, figure, text):
        file = io.BytesIO()
        plt.imsave(file, np.asarray(figure.canvas.buffer_rgba()), format="png")
        self.text, self.data = text, base64.b64encode(file.getvalue()).decode()

    def __repr__(self):
        return f"[picture: {self.text}]"

    def _repr_html_(self):
        return f'<img alt="{escape(self.text)}" src="data:image/png;base64,{self.data}">'


def show_figure(text):
    """Show the matplotlib figure that was drawn last; `text` says in words what is to be seen."""
    figure = plt.gcf()
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high > 100 * low:  # then its minor ticks take half of the time of a picture
            axis.set_minor_locator(plt.NullLocator())
    figure.canvas.draw()
    display(Picture(figure, text))
    plt.close(figure)
