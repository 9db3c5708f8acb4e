import matplotlib.pyplot as plt
import numpy as np

from given.optimizers.tensor import f_2d
from given.pictures import STYLES, show_figure
from given.plotly_pictures import show_plotly

# ---- The notebook's cell begins here. ----

"""Pictures. You need not read this cell."""

LEVELS = [0.05, 0.5, 2, 5, 10, 18, 28, 45]
LIMITS = (-7.0, 7.0, -4.0, 4.0)  # no picture shows more than this


def show_paths(*panels, title=""):
    """Draw paths on the level lines of f_2d, side by side: each panel is a dict {label: list of (x1, x2)}."""
    panels = [{label: np.array(path, dtype=float) for label, path in panel.items()} for panel in panels]
    everything = np.concatenate([path for panel in panels for path in panel.values()])
    with np.errstate(invalid="ignore"):
        low, high = np.nanmin(everything, axis=0) - 0.4, np.nanmax(everything, axis=0) + 0.4
    left, right = max(LIMITS[0], min(low[0], -5.6)), min(LIMITS[1], max(high[0], 1.0))
    bottom, top = max(LIMITS[2], min(low[1], -2.6)), min(LIMITS[3], max(high[1], 1.6))
    width = {1: 7.5, 2: 5.2}.get(len(panels), 4.2)
    size = (width * len(panels), width * (top - bottom) / (right - left) + 0.8)
    fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True)
    x1_grid, x2_grid = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    for ax, panel in zip(axes[0], panels):
        ax.contour(x1_grid, x2_grid, f_2d(x1_grid, x2_grid), levels=LEVELS, colors="0.75", linewidths=0.8)
        notes = []
        for (label, path), (color, line, marker) in zip(panel.items(), STYLES):
            inside = [left <= a <= right and bottom <= b <= top for a, b in path]
            last = (
                max((i for i, here in enumerate(inside) if here), default=0) + 1
            )  # no farther than the first step outside
            x, y = path[: last + 1].T
            ax.plot(x, y, line, color=color, marker=marker, markersize=4.5, linewidth=1.5, label=label, zorder=3)
            if not inside[-1]:
                end = ", ".join(f"{number:.3g}" for number in path[-1])
                notes.append(
                    f"{label}: leaves the picture at step {last};\nafter {len(path) - 1} steps it is at ({end})"
                )
        ax.plot(*next(iter(panel.values()))[0], "D", color="black", markersize=7, label="start", zorder=4)
        ax.plot(0, 0, "*", color="black", markersize=13, label="minimum", zorder=4)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
        place = {"transform": ax.transAxes, "ha": "right", "va": "bottom"}
        ax.text(0.99, 0.01, "\n".join(notes), fontsize=8, bbox=box, **place)
        ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="$x_1$")
        ax.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
            fontsize=8,
            frameon=False,
            columnspacing=1.0,
            handletextpad=0.4,
        )
    axes[0][0].set_ylabel("$x_2$")
    fig.suptitle(title)
    ends = [
        f"{label} ends at ({path[-1][0]:.2g}, {path[-1][1]:.2g})" for panel in panels for label, path in panel.items()
    ]
    show_figure(f"{title}. Paths on the level lines of f, from (-5, -2): {'; '.join(ends)}.")


def show_surface(x, y, z, title, labels, marked=None):
    """A surface in three dimensions that you can turn with the mouse; `marked` is (x, y, z, name) of one point."""
    data = [{"type": "surface", "x": x, "y": y, "z": z, "colorscale": "Cividis", "showscale": False, "opacity": 0.9}]
    if marked:
        *point, name = marked
        marker = {"size": 7, "color": "#D55E00", "symbol": "diamond"}
        text = {"mode": "markers+text", "text": [name], "textposition": "top center", "marker": marker}
        data.append({"type": "scatter3d", "x": point[:1], "y": point[1:2], "z": point[2:], **text})
    axes = {f"{axis}axis": {"title": {"text": label}} for axis, label in zip("xyz", labels)}
    scene = {**axes, "aspectmode": "cube", "camera": {"eye": {"x": 1.5, "y": 1.5, "z": 1.2}}}
    text = f"A surface that can be turned: {title}." + (f" A mark: {marked[3]}." if marked else "")
    show_plotly(data, {"title": {"text": title}, "width": 620, "height": 520, "scene": scene}, text=text)


DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x", "cross", "star")
# Okabe and Ito's colors; orange and sky blue are darkened, to stand out from white by 3 to 1.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#BD8000", "#3596CF", "#000000")


def lines(curves, left=-1e9, right=1e9, bottom=-1e9, top=1e9, **more):
    """Plotly lines for {label: list of (x, y)}, each with its own color, dashes and marker; cut at the window."""
    traces = []
    for (label, curve), color, dash, symbol in zip(curves.items(), COLORS, DASHES, SYMBOLS):
        inside = [left <= x <= right and bottom <= y <= top for x, y in curve]
        points = [(float(f"{x:.4g}"), float(f"{y:.4g}")) if ok else (None, None) for (x, y), ok in zip(curve, inside)]
        look = {
            "line": {"color": color, "dash": dash, "width": 2},
            "marker": {"size": 6, "symbol": symbol, "color": color, "maxdisplayed": 45},
        }
        x, y = ([point[axis] for point in points] for axis in (0, 1))
        traces.append({"type": "scatter", "mode": "lines+markers", "name": label, "x": x, "y": y, **look, **more})
    return traces


def level_lines(height, window):
    """Gray level lines of `height` in the window, for a plotly picture."""
    x, y = np.linspace(*window[:2], 61), np.linspace(*window[2:], 61)
    z = np.round(height(x[None, :], y[:, None]), 3)
    look = {"contours": {"coloring": "lines"}, "ncontours": 14, "colorscale": [[0, "#BBBBBB"], [1, "#BBBBBB"]]}
    quiet = {"showscale": False, "hoverinfo": "skip", "line": {"width": 1}}
    return {"type": "contour", "x": x, "y": y, "z": z, **look, **quiet}


def landmarks(start, goal):
    """Where the paths start and where they should, or should not, end."""
    marker = {"size": 13, "symbol": ["diamond", "star"], "color": "#000000"}
    place = {"x": [start[0], goal[0]], "y": [start[1], goal[1]]}
    return {"type": "scatter", "mode": "markers", "marker": marker, "showlegend": False, **place}


def signs(start, goal, name):
    """The names of the landmarks, above whatever path runs there, each with a line to its landmark."""
    look = {"bgcolor": "rgba(255, 255, 255, 0.85)", "arrowcolor": "#777777", "arrowhead": 0, "standoff": 7}
    places = ((start, "start", 34, 26), (goal, name, 46, 40))
    return [{"x": x, "y": y, "text": text, "ax": ax, "ay": ay, **look} for (x, y), text, ax, ay in places]


def slider(names, prefix, start=0, left=0.0):
    """A slider that shows one frame for each name; `left` of it is room for buttons, as a share of the width."""
    now = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": name, "method": "animate", "args": [[name], now]} for name in names]
    return {
        "steps": steps,
        "active": start,
        "currentvalue": {"prefix": prefix},
        "x": left,
        "len": 1 - left,
        "pad": {"t": 40},
    }


def buttons():
    """Play and Pause, at the left of the slider."""
    frame = {"frame": {"duration": 300, "redraw": True}, "transition": {"duration": 0}, "fromcurrent": True}
    play = {"label": "▶ Play", "method": "animate", "args": [None, frame]}
    pause = {"label": "❚❚ Pause", "method": "animate", "args": [[None], {**frame, "mode": "immediate"}]}
    place = {"x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "pad": {"t": 45}}
    return {"type": "buttons", "direction": "down", "showactive": False, "buttons": [play, pause], **place}


def play_paths(paths, title, window=(-6.0, 5.0, -3.0, 3.0)):
    """Paths on the level lines of f_2d that can be played step by step: {label: list of (x1, x2)}."""
    count = max(len(path) for path in paths.values())
    data = [level_lines(lambda x, y: np.sqrt(f_2d(x, y)), window), *lines(paths, *window)]
    moving = list(range(1, len(data)))
    origin = next(iter(paths.values()))[0]
    data.append(landmarks(origin, (0.0, 0.0)))
    frames = [
        {
            "name": str(k),
            "traces": moving,
            "data": lines({label: path[: k + 1] for label, path in paths.items()}, *window),
        }
        for k in range(count)
    ]
    layout = {
        "title": {"text": title},
        "width": 760,
        "height": 560,
        "xaxis": {"title": {"text": "x₁"}, "range": window[:2]},
        "yaxis": {"title": {"text": "x₂"}, "range": window[2:]},
        "annotations": signs(origin, (0.0, 0.0), "minimum"),
        "sliders": [slider([str(k) for k in range(count)], "step ", count - 1, 0.22)],
        "updatemenus": [buttons()],
    }
    ends = [f"{label} ends at ({path[-1][0]:.2g}, {path[-1][1]:.2g})" for label, path in paths.items()]
    show_plotly(data, layout, frames, f"{title}: paths on level lines, with a slider for the step. {'; '.join(ends)}.")


def show_learning_rates(rates=(0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.64, 0.66, 0.67, 0.68, 0.7), num_steps=25):
    """Gradient descent for many learning rates, with a slider; not on f_2d, whose border is a question further down."""
    window, frames = (-6.0, 5.0, -4.0, 4.0), []
    for rate in rates:
        path = [(-5 * (1 - 0.2 * rate) ** k, -2 * (1 - 3 * rate) ** k) for k in range(num_steps + 1)]
        curves = lines({f"{num_steps} steps": path}, *window)
        frames.append({"name": f"{rate:g}", "traces": [1], "data": curves})
    start = rates.index(0.1)
    hill = level_lines(lambda x, y: np.sqrt(0.1 * x**2 + 1.5 * y**2), window)
    layout = {
        "title": {"text": "Walking downhill with one learning rate"},
        "width": 760,
        "height": 520,
        "showlegend": False,
        "xaxis": {"title": {"text": "x₁"}, "range": window[:2]},
        "yaxis": {"title": {"text": "x₂"}, "range": window[2:]},
        "annotations": signs((-5.0, -2.0), (0.0, 0.0), "minimum"),
        "sliders": [slider([f"{rate:g}" for rate in rates], "learning rate η = ", start)],
    }
    text = "A path down a long, narrow valley, with a slider for the learning rate. With 0.02 it hardly moves; with 0.5 it "
    text += "jumps from wall to wall; beyond 0.66 every jump is longer than the last."
    show_plotly([hill, *frames[start]["data"], landmarks((-5.0, -2.0), (0.0, 0.0))], layout, frames, text)
