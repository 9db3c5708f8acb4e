import numpy as np

from given.optimizers.plots import landmarks, level_lines, lines, signs, slider
from given.optimizers.tensor import Tensor, f_2d
from given.plotly_pictures import show_plotly

# ---- The notebook's cell begins here. ----

"""The three hills of the race. You need not read this cell."""

# Each with its height, its gradient, where to start, where the mark is, the window, and how level lines are spaced.
RACES = {
    "the quadratic": (f_2d, lambda x, y: (0.2 * x, 4 * y), (-5.0, -2.0), (0.0, 0.0), (-6, 4, -3, 3), np.sqrt),
    "a saddle": (
        lambda x, y: x**2 - y**2,
        lambda x, y: (2 * x, -2 * y),
        (-2.0, 0.01),
        (0.0, 0.0),
        (-2.5, 2.5, -3, 3),
        np.array,
    ),
    "Rosenbrock's valley": (
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        lambda x, y: (2 * (x - 1) - 400 * x * (y - x**2), 200 * (y - x**2)),
        (-1.2, 1.0),
        (1.0, 1.0),
        (-2, 2, -1, 3),
        lambda z: np.log10(z + 0.1),
    ),
}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def run_race(name, optimizer_class, eta, num_steps):
    """The path of an optimizer on one of the hills; it ends where the optimizer leaves the picture by far."""
    _, gradient, start, *_ = RACES[name]
    params = [Tensor(number) for number in start]
    optimizer, path = optimizer_class(params, eta=eta), [start]
    while len(path) <= num_steps and max(map(abs, path[-1])) < 20:
        for param, slope in zip(params, gradient(*path[-1])):
            param.grad = slope
        optimizer.step()
        path.append(tuple(float(param.value) for param in params))
    return path


def show_race(name, optimizers, num_steps=60):
    """All optimizers on one hill, with a slider for eta: the paths, and how high they are after each step."""
    height, _, origin, mark, window, spacing = RACES[name]
    goal = "saddle point" if name == "a saddle" else "minimum"
    frames, moving = [], list(range(1, 2 * len(optimizers) + 1))
    for eta in RATES:
        paths = {label: run_race(name, optimizer, eta, num_steps) for label, optimizer in optimizers.items()}
        heights = {label: [(k, height(*point)) for k, point in enumerate(path)] for label, path in paths.items()}
        right = lines(heights, bottom=-9.0, top=200.0, xaxis="x2", yaxis="y2", showlegend=False)
        frames.append({"name": f"{eta:g}", "traces": moving, "data": lines(paths, *window) + right})
    start = RATES.index(0.1)
    place = {"xref": "paper", "yref": "paper", "x": 0.81, "y": 1, "xanchor": "center", "yanchor": "bottom"}
    above = {"text": "height f", "showarrow": False, "font": {"size": 14}, **place}
    layout = {
        "title": {"text": f"A race on {name}, {num_steps} steps"},
        "width": 760,
        "height": 600,
        "legend": {"orientation": "h", "x": 0, "y": 1.06, "yanchor": "bottom"},
        "margin": {"t": 140, "r": 20},
        "xaxis": {"domain": [0, 0.5], "title": {"text": "x₁"}, "range": window[:2]},
        "yaxis": {"title": {"text": "x₂"}, "range": window[2:]},
        "xaxis2": {"domain": [0.62, 1], "title": {"text": "step"}, "range": [0, num_steps]},
        "yaxis2": {"anchor": "x2", "tickfont": {"size": 11}},
        "annotations": [*signs(origin, mark, goal), above],
        "sliders": [slider([f"{eta:g}" for eta in RATES], "η = ", start)],
    }
    if name != "a saddle":
        layout["yaxis2"].update(type="log", range=[-6, 2.4], exponentformat="power")
    hill = level_lines(lambda x, y: spacing(height(x, y)), window)
    marks = landmarks(origin, mark)
    text = (
        f"A race on {name}: on the left the paths of {', '.join(optimizers)}, on the right the height after each step, "
    )
    text += "with a slider for eta. The cell says in words how it ends."
    show_plotly([hill, *frames[start]["data"], marks], layout, frames, text)
