import numpy as np

# ---- The notebook's cell begins here. ----

"""The optimizers of the last notebook, for many learning rates at once. You need not read this cell."""

HILL, START = np.diag([0.2, 4.0]), np.array([-5.0, -2.0])  # f_2d of the last notebook, and where its walks began
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)  # the rotation by 45°
EPS = 1e-12  # inside the root, and so small that it matters only where a gradient is 0


def inverse_root(G):
    """G to the power -1/2, for symmetric matrices with eigenvalues that are not negative."""
    values, vectors = np.linalg.eigh(np.nan_to_num(G))
    return vectors / np.sqrt(np.abs(values) + EPS)[..., None, :] @ np.swapaxes(vectors, -1, -2)


def walk(method, A, start, eta, num_steps, gamma=0.9, beta1=0.9, beta2=0.99):
    """The path of an optimizer on 0.5 * x @ A @ x; eta may be an array, then there is a path for each.

    Returns an array of shape (num_steps + 1, n), or (num_steps + 1, number of etas, n).
    """
    eta = np.asarray(eta, dtype=float)[..., None]
    x = np.zeros((*eta.shape[:-1], len(start))) + start
    v, s, G = 0 * x, 0 * x, 0.0
    path = [x]
    with np.errstate(all="ignore"):  # where it diverges, numbers become infinite
        for t in range(1, num_steps + 1):
            g = x @ A
            if method == "gradient descent":
                step = eta * g
            elif method == "Momentum":
                v = gamma * v + eta * g
                step = v
            elif method == "Adagrad":
                s = s + g**2
                step = eta * g / np.sqrt(s + EPS)
            elif method == "RMSProp":
                s = gamma * s + (1 - gamma) * g**2
                step = eta * g / np.sqrt(s + EPS)
            elif method == "Adam":
                v, s = beta1 * v + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
                step = eta * v / (1 - beta1**t) / np.sqrt(s / (1 - beta2**t) + EPS)
            elif method == "Adagrad, full matrix":
                G = G + g[..., :, None] * g[..., None, :]
                step = eta * (inverse_root(G) @ g[..., None])[..., 0]
            elif method == "Newton":
                step = eta * np.linalg.solve(A, g[..., None])[..., 0]
            x = x - step
            path.append(x)
    return np.array(path)


def arrivals(paths, tolerance):
    """For each path the first step at which it is within `tolerance` of the origin; infinity if there is none."""
    with np.errstate(all="ignore"):
        inside = np.linalg.norm(paths, axis=-1) <= tolerance
    return np.where(inside.any(axis=0), inside.argmax(axis=0), np.inf)


RATES = np.geomspace(0.001, 10, 121)  # learning rates to try
ADAPTIVE = ("Adagrad", "RMSProp", "Adam")
FIVE = ("gradient descent", "Momentum", *ADAPTIVE)


def steps_to_arrive(method, A, start, tolerance, formulas=None, num_steps=1000):
    """The steps to a point within `tolerance`, with the method's own best settings; and these settings.

    formulas: best_learning_rate and best_momentum, from which gradient descent and Momentum have their settings; the
    others have theirs from a search.
    """
    if method == "gradient descent":
        settings = {"eta": formulas[0](np.linalg.eigvalsh(A))[0]}
    elif method == "Momentum":
        settings = dict(zip(("eta", "gamma"), formulas[1](np.linalg.eigvalsh(A))))
    else:
        found = arrivals(walk(method, A, start, RATES, num_steps), tolerance)
        settings = {"eta": RATES[found.argmin()]}
    limit = 10 * num_steps if method in ("gradient descent", "Momentum") else num_steps
    path = walk(method, A, start, num_steps=limit, **settings)
    return float(arrivals(path[:, None], tolerance)[0]), settings


def level_lines(ax, A, window):
    """Gray level lines of 0.5 * x @ A @ x in the window (left, right, bottom, top)."""
    x, y = np.meshgrid(np.linspace(*window[:2], 200), np.linspace(*window[2:], 200))
    height = (A[0, 0] * x**2 + 2 * A[0, 1] * x * y + A[1, 1] * y**2) / 2
    ax.contour(x, y, height, levels=[0.05, 0.3, 1, 2.5, 5, 8.5, 13], colors="0.75", linewidths=0.8)
    ax.grid(False)
