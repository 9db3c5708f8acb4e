import matplotlib.pyplot as plt
import numpy as np

from given.pictures import BLUE, ORANGE, show_figure
from given.plotly_pictures import show_plotly

# ---- The notebook's cell begins here. ----

"""Pictures. You need not read this cell."""


def draw_graph(nodes, edges, title, size=(8, 4)):
    """Draw an expression: `nodes` maps a name to (x, y, label, tensor), `edges` lists (from, to, bend)."""
    _, ax = plt.subplots(figsize=size)
    for start, end, bend in edges:
        ax.annotate(
            "",
            xy=nodes[end][:2],
            xytext=nodes[start][:2],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "black",
                "shrinkA": 38,
                "shrinkB": 40,
                "connectionstyle": f"arc3,rad={bend}",
            },
        )
    for x, y, label, tensor in nodes.values():
        text = f"{label}\nvalue {float(tensor.value):.4g}\ngrad {float(tensor.grad):.4g}"
        style = {"boxstyle": "round,pad=0.4", "facecolor": "#EAF3F8", "edgecolor": BLUE, "linewidth": 1.5}
        ax.text(x, y, text, ha="center", va="center", family="monospace", fontsize=9, bbox=style)
    xs, ys = [n[0] for n in nodes.values()], [n[1] for n in nodes.values()]
    ax.set(xlim=(min(xs) - 0.6, max(xs) + 0.6), ylim=(min(ys) - 0.6, max(ys) + 0.6), title=title)
    ax.axis("off")
    values = [
        f"{name} has the value {float(tensor.value):.4g} and the gradient {float(tensor.grad):.4g}"
        for name, (*_, tensor) in nodes.items()
    ]
    show_figure(f"{title}: a drawing of {len(nodes)} boxes, from left to right, with arrows. {'; '.join(values)}.")


def draw_operation(symbol, left, right, result, title):
    """Draw one operation: two inputs on the left, the result on the right."""
    nodes = {
        "left": (0, 1.2, "left", left),
        "right": (0, 0, "right", right),
        "result": (1.6, 0.6, f"left {symbol} right", result),
    }
    draw_graph(nodes, [("left", "result", 0), ("right", "result", 0)], title, size=(6, 3))


def draw_order(made_from, places, title, order=()):
    """Draw what was made from what: `made_from` maps a name to its sources, `places` to (x, y).

    With an `order`, a list of the names, each box says when it comes.
    """
    _, ax = plt.subplots(figsize=(7, 3))
    for name, sources in made_from.items():
        for source in sources:
            arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 26, "shrinkB": 28}
            ax.annotate("", xy=places[name], xytext=places[source], arrowprops=arrow)
    style = {"boxstyle": "round,pad=0.5", "facecolor": "#EAF3F8", "edgecolor": BLUE, "linewidth": 1.5}
    for name, (x, y) in places.items():
        number = f"\n{order.index(name) + 1}." if name in order else ""
        ax.text(x, y, f"{name}{number}", ha="center", va="center", family="monospace", bbox=style)
    xs, ys = zip(*places.values())
    ax.set(xlim=(min(xs) - 0.5, max(xs) + 0.5), ylim=(min(ys) - 0.5, max(ys) + 0.5), title=title)
    ax.axis("off")
    links = "; ".join(f"{name} was made from {' and '.join(s)}" for name, s in made_from.items() if s)
    show_figure(f"{title}: boxes with arrows. {links}." + (f" In order: {', '.join(order)}." if order else ""))


def contours(ax, f, x1_range, x2_range, levels):
    """Level lines of f in the plane of x1 and x2."""
    x1, x2 = np.meshgrid(np.linspace(*x1_range, 200), np.linspace(*x2_range, 200))
    ax.contour(x1, x2, f(x1, x2), levels=levels, colors="0.6", linewidths=0.9)
    ax.set(xlabel="$x_1$", ylabel="$x_2$")


def play_backward(nodes, edges, loss, title):
    """Draw an expression whose backward pass can be played, one operation at a time.

    `nodes` and `edges` are those of `draw_graph`; `loss` is the result, whose operations run here, the last one first.
    """
    tensors = [tensor for *_, tensor in nodes.values()]
    for operation in loss.operations:
        for name in ("left", "right", "base", "result"):
            if hasattr(operation, name):
                getattr(operation, name).grad = 0.0
    loss.grad = 1.0
    states = [("the start", [tensor.grad for tensor in tensors], loss)]
    for operation in reversed(loss.operations):
        operation.backward()
        done = f"{type(operation).__name__}.backward()"
        states.append((done, [tensor.grad for tensor in tensors], operation.result))
    x, y, labels = [n[0] for n in nodes.values()], [n[1] for n in nodes.values()], [n[2] for n in nodes.values()]

    def boxes(gradients, active):
        """The nodes as text; the one that passes its gradient on has a thick frame and a mark."""
        text, colors, widths = [], [], []
        for label, tensor, gradient in zip(labels, tensors, gradients):
            mark = "▶ " if tensor is active else ""
            text.append(f"{mark}<b>{label}</b><br>value {float(tensor.value):.4g}<br>grad {float(gradient):.4g}")
            colors.append(ORANGE if tensor is active else BLUE)
            widths.append(4 if tensor is active else 1.5)
        look = {"symbol": "square", "size": 88, "color": "#EAF3F8", "line": {"color": colors, "width": widths}}
        quiet = {"hoverinfo": "skip", "showlegend": False, "textfont": {"color": "black", "size": 12}}
        return {"type": "scatter", "mode": "markers+text", "x": x, "y": y, "text": text, "marker": look, **quiet}

    now = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    names = [f"{k}: {done}" for k, (done, *_) in enumerate(states)]
    steps = [{"label": name, "method": "animate", "args": [[name], now]} for name in names]
    arrows = [
        {"x": nodes[b][0], "y": nodes[b][1], "ax": nodes[a][0], "ay": nodes[a][1], "axref": "x", "ayref": "y"}
        | {"text": "", "standoff": 48, "startstandoff": 48, "arrowhead": 2, "arrowwidth": 1.2}
        for a, b, _ in edges
    ]
    hidden = {"visible": False}
    layout = {
        "title": {"text": title},
        "width": 760,
        "height": 440,
        "margin": {"l": 20, "r": 20, "t": 60, "b": 20},
        "xaxis": {**hidden, "range": [min(x) - 0.6, max(x) + 0.6]},
        "yaxis": {**hidden, "range": [min(y) - 0.6, max(y) + 0.6]},
        "annotations": arrows,
        "sliders": [
            {
                "steps": steps,
                "currentvalue": {"prefix": "step "},
                "ticklen": 4,
                "font": {"size": 10},
                "x": 0.06,
                "len": 0.88,
            }
        ],
    }
    frames = [{"name": name, "data": [boxes(*state[1:])]} for name, state in zip(names, states)]
    text = f"{title}: boxes with values and gradients, with a slider for the step. The lines below say it in words."
    show_plotly([boxes(*states[0][1:])], layout, frames, text)
    for name, (_, gradients, _) in zip(names, states):
        found = [f"{label} {float(gradient):.4g}" for label, gradient in zip(labels, gradients) if gradient]
        print(f"In words, {name:28} gradients: {', '.join(found)}")
