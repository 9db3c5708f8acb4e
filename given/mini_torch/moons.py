import matplotlib.pyplot as plt
import numpy as np
import torch

from given.pictures import BLUE, ORANGE
from given.plotly_pictures import show_plotly

# ---- The notebook's cell begins here. ----

"""Two moons, and the picture of a network that learns them. You need not read this cell."""

SHOWN = (0, 1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80)  # the steps that the picture shows


def two_moons(n=40):
    """Points on two crescents, shape (n, 2), and their classes, 1 and -1, shape (n,)."""
    angle = np.linspace(0, np.pi, n // 2)
    upper, lower = np.c_[np.cos(angle), np.sin(angle)], np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]
    noise = np.random.default_rng(3).normal(0, 0.1, (n, 2))
    return np.round(np.r_[upper, lower] - [0.5, 0.25] + noise, 3), np.repeat([1.0, -1.0], n // 2)


def first_weights():
    """33 random numbers: for each of 8 neurons two weights and a bias; then the 8 weights and the bias of the sum."""
    rng = np.random.default_rng(0)
    return [round(float(weight), 3) for weight in [*rng.normal(0, 2, 24), *rng.normal(0, 0.5, 9)]]


def scores(weights, points):
    """What a network with these weights answers to points, shape (n, 2): its class is the sign."""
    hidden, last = np.reshape(weights[:24], (8, 3)), np.array(weights[24:])
    return np.tanh(points @ hidden[:, :2].T + hidden[:, 2]) @ last[:8] + last[8]


def learned_by_torch(points, classes, learning_rate=0.2, num_steps=80):
    """The weights before each step of gradient descent on the mean squared error, and after the last one."""
    X, y = torch.tensor(points), torch.tensor(classes)
    weights = torch.tensor(first_weights(), dtype=torch.float64, requires_grad=True)
    seen = [weights.tolist()]
    for _ in range(num_steps):
        hidden, last = weights[:24].view(8, 3), weights[24:]
        score = torch.tanh(X @ hidden[:, :2].T + hidden[:, 2]) @ last[:8] + last[8]
        weights.grad = None
        ((score - y) ** 2).mean().backward()
        with torch.no_grad():
            weights -= learning_rate * weights.grad
        seen.append(weights.tolist())
    return seen


def decision_line(weights, window):
    """The points where the network's answer is 0, as lists x and y; pieces are set apart by None."""
    x, y = np.linspace(*window[:2], 70), np.linspace(*window[2:], 50)
    grid = scores(weights, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).reshape(50, 70)
    figure, ax = plt.subplots()
    pieces = ax.contour(x, y, grid, levels=[0.0]).allsegs[0]
    plt.close(figure)
    places = [place for piece in pieces for place in [*np.round(piece, 3).tolist(), [None, None]]]
    return [place[0] for place in places], [place[1] for place in places]


def show_learning(seen, points, classes, title):
    """The decision line of a network that learns, with a slider; `seen` holds its weights after 0, 1, 2, ... steps."""
    window, frames, found = (-2.0, 2.0, -1.25, 1.25), [], []
    for step in [step for step in SHOWN if step < len(seen)]:
        x, y = decision_line(seen[step], window)
        right = int(np.sum(scores(seen[step], points) * classes > 0))
        head = {"title": {"text": f"{title}: {right} of {len(points)} points are on their side"}}
        frames.append({"name": str(step), "traces": [0], "data": [{"type": "scatter", "x": x, "y": y}], "layout": head})
        found.append(f"after {step} steps {right} points are on their side")
    line = {"type": "scatter", "mode": "lines", "line": {"color": "black", "width": 3}, "name": "the network's line"}
    data = [line | frames[0]["data"][0]]
    for sign, color, symbol, name in ((1, BLUE, "circle", "one moon"), (-1, ORANGE, "square", "the other moon")):
        x, y = points[classes == sign].T
        look = {"size": 10, "color": color, "symbol": symbol}
        data.append({"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": look, "name": name})
    now = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    stops = [frame["name"] for frame in frames]
    layout = {
        **frames[0]["layout"],
        "width": 760,
        "height": 450,
        "xaxis": {"range": window[:2], "title": {"text": "x₁"}},
        "yaxis": {"range": window[2:], "title": {"text": "x₂"}},
        "sliders": [
            {
                "steps": [{"label": stop, "method": "animate", "args": [[stop], now]} for stop in stops],
                "currentvalue": {"prefix": "training steps: "},
                "pad": {"t": 40},
            }
        ],
    }
    text = f"{title}. Forty points on two crescents that reach into each other, and the line between a network's two "
    text += f"answers, with a slider for the number of training steps: {', '.join(found[::4])}."
    show_plotly(data, layout, frames, text)


moons, moon_classes = two_moons()
