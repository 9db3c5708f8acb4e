import matplotlib.pyplot as plt
import plotly.io

# ---- The notebook's cell begins here. ----

"""How pictures are shown: each with a text for those who do not see it. You need not read this cell."""

import base64
import io
import json
from html import escape

from IPython.display import display

# Okabe and Ito's colors, which color-blind people tell apart; each line has a dash pattern and a marker of its own, too.
BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"
STYLES = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"), (PINK, "-.", "D")]


class Picture:
    """A drawn figure as an image, with a text for those who do not see it."""

    def __init__(self, figure, text):
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=90)
        self.text, self.data = text, base64.b64encode(file.getvalue()).decode()

    def __repr__(self):
        return f"[picture: {self.text}]"

    def _repr_html_(self):
        return f'<img alt="{escape(self.text)}" src="data:image/png;base64,{self.data}">'


def show_figure(text):
    """Show the matplotlib figure that was drawn last; `text` says in words what is to be seen."""
    figure = plt.gcf()
    display(Picture(figure, text))
    plt.close(figure)


def show_plotly(data, layout, frames=(), text=""):
    """Show a picture that can be moved; `text` says in words what is to be seen.

    It needs no kernel. The first one of a notebook brings plotly's script along, so an exported page needs no network.
    """
    layout = {"margin": {"l": 50, "r": 20, "t": 60, "b": 40}, **layout}
    figure = {"data": data, "layout": layout, "frames": list(frames)}
    script = not getattr(show_plotly, "script_is_there", False)
    show_plotly.script_is_there = True
    page = plotly.io.to_html(figure, include_plotlyjs=script, full_html=False, auto_play=False, validate=False)
    spoken = f'<div role="img" aria-label="{escape(text)}">{page}</div>'
    live = json.loads(plotly.io.to_json(figure, validate=False))
    bundle = {"application/vnd.plotly.v1+json": live, "text/html": spoken, "text/plain": f"[picture: {text}]"}
    display(bundle, raw=True)
