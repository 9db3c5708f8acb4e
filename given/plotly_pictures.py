from html import escape

import plotly.io
from IPython.display import display

# ---- The notebook's cell begins here. ----

"""Pictures that move, drawn by plotly. You need not read this cell."""

import json


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
