import math

import matplotlib.pyplot as plt
import numpy as np

from given.conditioning.methods import FIVE, HILL, START, TURN, level_lines, steps_to_arrive, walk
from given.pictures import BLACK, BLUE, ORANGE, STYLES, show_figure
from given.predictions import how_near

# ---- The notebook's cell begins here. ----

"""The pictures and tables below. You need not read this cell."""


def show_envelope(gd_rate):
    """The factor of each of three eigenvalues over eta, and the rate."""
    etas = np.linspace(0, 0.55, 221)
    _, ax = plt.subplots(figsize=(7, 3.8))
    for lam, (color, line, _) in zip((0.2, 1.5, 4.0), STYLES[1:]):
        ax.plot(etas, abs(1 - etas * lam), line, color=color, label=f"|1 − η·{lam:g}|")
    ax.plot(
        etas,
        [gd_rate([0.2, 1.5, 4.0], eta) for eta in etas],
        color=BLUE,
        linewidth=4,
        alpha=0.6,
        label=("your gd_rate"),
    )
    ax.axhline(1, color="0.5", linewidth=0.8)
    ax.set(
        xlabel="learning rate η",
        ylabel="factor of one step, in size",
        ylim=(0, 1.3),
        title="Eigenvalues 0.2, 1.5 and 4",
    )
    ax.legend(loc="lower left")
    show_figure(
        "Three V-shaped lines over the learning rate, for the eigenvalues 0.2, 1.5 and 4, and their upper "
        "envelope. The envelope falls along the line of 0.2 and rises along that of 4; its lowest point, near "
        "η = 0.48, is where these two meet."
    )


def show_fifty_directions(best_learning_rate):
    """Gradient descent with 50 random curvatures, beside its predicted rate."""
    rng = np.random.default_rng(4)
    spectrum = 10 ** rng.uniform(-1.5, 0.5, 50)
    eta, rate = best_learning_rate(spectrum)
    far = [1.0]
    x = rng.normal(size=50)
    x /= np.linalg.norm(x)
    for _ in range(400):
        x = (1 - eta * spectrum) * x
        far.append(np.linalg.norm(x))
    _, ax = plt.subplots(figsize=(7, 3.6))
    ax.semilogy(far, "o", color=BLUE, markersize=4, markevery=10, label="measured")
    ax.semilogy(rate ** np.arange(401), "--", color=ORANGE, label=f"your rate, {rate:.4f}, to the power t")
    ax.set(
        xlabel="step t",
        ylabel="distance from the minimum",
        title=f"50 parameters, κ = {max(spectrum) / min(spectrum):.0f}",
    )
    ax.legend()
    show_figure(
        "The distance from the minimum over 400 steps, on a logarithmic scale. It falls quickly at first, "
        "then along a straight line, parallel to the predicted one and below it."
    )


def show_digit(best_learning_rate):
    """The steps after which a tenth of the distance is left in the flattest direction, measured."""
    eta, _ = best_learning_rate([1.0, 1000.0])
    x, steps = 1.0, 0
    while x > 0.1:
        x, steps = (1 - eta * 1.0) * x, steps + 1
    print(f"The flattest direction is below a tenth after {steps} steps.")
    return steps


def show_doubled_eta(momentum_rate):
    """The rate before and after eta is doubled, computed and measured; in which way it changes, in a word."""
    rates = []
    for eta in (0.5, 1.0):
        path = abs(walk("Momentum", np.eye(1), [1.0], eta, 200, gamma=0.81)[:, 0])
        measured = (path[160:200].max() / path[40:80].max()) ** (1 / 120)
        print(f"η = {eta:g}: your rate {momentum_rate(1.0, eta, 0.81):.4f}, measured over 120 steps {measured:.4f}")
        rates.append(measured)
    change = rates[1] / rates[0] - 1
    return "the same" if abs(change) < 0.01 else "smaller" if change < 0 else "larger"


def show_trough(best_momentum, momentum_rate):
    """The rate of the slower of two directions over eta, for several gammas."""
    eta, gamma, _ = best_momentum([0.2, 4.0])
    etas = np.linspace(0.01, 1.0, 199)
    _, ax = plt.subplots(figsize=(7.4, 4))
    for g, (color, line, _), label in zip(
        (0.0, 0.2, gamma, 0.8),
        STYLES[1:4] + STYLES[:1],
        ("gradient descent", "γ = 0.2", f"your best γ = {gamma:.3f}", "γ = 0.8"),
    ):
        rates = [max(momentum_rate(0.2, eta, g), momentum_rate(4.0, eta, g)) for eta in etas]
        ax.plot(etas, rates, color=color, linestyle=line, label=label)
    ax.plot(eta, gamma**0.5, "*", color=BLACK, markersize=14, label="your best pair")
    ax.axhline(1, color="0.5", linewidth=0.8)
    ax.set(
        xlabel="learning rate η",
        ylabel="rate of the slower direction",
        ylim=(0.5, 1.1),
        title=("Eigenvalues 0.2 and 4"),
    )
    ax.legend(loc="lower left", ncols=2)
    show_figure(
        "Four lines over the learning rate. Gradient descent has a sharp lowest point of 0.905 near η = 0.48. "
        "With more momentum the lowest point moves to the right and down, to 0.634 at the best pair; with γ = "
        "0.8 it is a flat floor at 0.894, from η = 0.06 to 0.9."
    )


def show_price_of_a_digit(best_learning_rate, best_momentum):
    """What a digit costs, over the condition number; how many times as much without momentum, at 10 000."""
    kappas = np.logspace(0.5, 6, 23)
    digits = {
        "gradient descent": [math.log(0.1) / math.log(best_learning_rate([1.0, k])[1]) for k in kappas],
        "momentum": [math.log(0.1) / math.log(best_momentum([1.0, k])[2]) for k in kappas],
    }
    _, ax = plt.subplots(figsize=(7, 3.8))
    for (label, steps), (color, line, marker) in zip(digits.items(), STYLES[1::-1]):
        ax.loglog(kappas, steps, color=color, linestyle=line, marker=marker, markersize=4, label=f"{label}, its best")
    ax.set(xlabel="condition number κ", ylabel="steps for a digit", title="What a digit costs")
    ax.legend()
    show_figure(
        "Steps for a digit over the condition number, both logarithmic: gradient descent rises with slope 1, "
        "from 4 to over a million steps, momentum with slope one half, from about 2 to over a thousand."
    )
    return math.log(best_momentum([1.0, 1e4])[2]) / math.log(best_learning_rate([1.0, 1e4])[1])


def show_race(best_learning_rate, best_momentum):
    """Gradient descent and momentum with their best settings on the valley."""
    eta_gd, _ = best_learning_rate([0.2, 4.0])
    eta, gamma, _ = best_momentum([0.2, 4.0])
    runs = {
        f"gradient descent, η = {eta_gd:.3f}": walk("gradient descent", HILL, START, eta_gd, 24),
        f"momentum, η = {eta:.3f}, γ = {gamma:.3f}": walk("Momentum", HILL, START, eta, 24, gamma=gamma),
    }
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(3, 2))
    level_lines(left, HILL, (-5.6, 1.6, -3.9, 3.9))
    for (label, path), (color, line, marker) in zip(runs.items(), STYLES[1::-1]):
        left.plot(*path.T, color=color, linestyle=line, marker=marker, markersize=4, label=label)
        right.semilogy(np.linalg.norm(path, axis=1), color=color, linestyle=line, marker=marker, markersize=4)
    left.plot(0, 0, "*", color=BLACK, markersize=13)
    left.set(xlabel="$x_1$", ylabel="$x_2$", title="The paths")
    left.legend(loc="upper right")
    right.set(xlabel="step", title="Distance from the minimum")
    show_figure(
        "Left, the paths in the valley: gradient descent jumps from wall to wall and creeps along the floor; "
        "momentum jumps across at every step, at first farther than it started, and slides along the floor "
        "straight into the minimum. Right, the distance after each step: after 24 steps that of gradient "
        "descent is about 0.5, that of momentum about 0.002."
    )
    print(
        ", ".join(f"{label.partition(',')[0]}: {np.linalg.norm(path[-1]):.2g}" for label, path in runs.items()),
        "from the minimum after 24 steps.",
    )


def show_experiment(formulas, turn_hurts, steepness_hurts, tolerance=0.01):
    """The steps of five methods on four hills; formulas: best_learning_rate and best_momentum."""
    print(f"Steps to a point within {tolerance:g} of the minimum:\n")
    print(f"{'curvatures':>31}: 0.2 and 4{'0.2 and 40':>25}")
    print(f"{'':20}{'aligned':>12}{'turned':>9}{'aligned':>15}{'turned':>9}")
    turned, steeper = [], []
    for method in FIVE:
        row = []
        for hill in (HILL, np.diag([0.2, 40.0])):
            row += [steps_to_arrive(method, hill, START, tolerance, formulas)[0]]
            row += [steps_to_arrive(method, TURN @ hill @ TURN.T, TURN @ START, tolerance, formulas)[0]]
        print(f"{method:20}{row[0]:12g}{row[1]:9g}{row[2]:15g}{row[3]:9g}")
        turned += [method] if row[3] >= 1.5 * row[2] else []
        steeper += [method] if row[2] >= 1.5 * row[0] else []
    groups = {(): "nobody", FIVE[:2]: "the two that are not adaptive", FIVE[2:]: "the adaptive three", FIVE: "all five"}
    print()
    for what, yours, who in (("the turn", turn_hurts, turned), ("a steeper wall", steepness_hurts, steeper)):
        print(f"Who notices {what}? {how_near(yours, groups.get(tuple(who), ', '.join(who)))}")


def show_staying(formulas, steps_needed):
    """Who arrives, and who stays."""
    for method in FIVE:
        arrives, settings = steps_to_arrive(method, HILL, START, 0.01, formulas)
        stays = steps_needed(walk(method, HILL, START, num_steps=300, **settings), 0.01)
        words = ", ".join(f"{name} = {value:.3g}" for name, value in settings.items())
        then = "does not stay" if stays is None else f"is there for good from step {stays} on"
        print(f"{method:18}{words:28} arrives at step {arrives:3g} and {then}")


def show_equivariance():
    """How far each path is from the old path, changed like the hill."""
    units, back = np.diag([1.0, 1000.0]), np.diag([1.0, 0.001])
    changes = {  # the new hill, the new start, and what the old path should become
        "turned by 45°": (TURN @ HILL @ TURN.T, TURN @ START, TURN),
        "x₂ ten times as steep": (np.diag([0.2, 40.0]), START, np.eye(2)),
        "x₂ in other units": (back @ HILL @ back, units @ START, units),
    }
    settings = {"gradient descent": {"eta": 0.04}, "Momentum": {"eta": 0.04, "gamma": 0.5}, "Newton": {"eta": 0.5}}
    print(f"{'':22}" + "".join(f"{name:>24}" for name in changes))
    for method in (*FIVE, "Newton"):
        chosen, words = settings.get(method, {"eta": 0.4}), ""
        old = walk(method, HILL, START, num_steps=30, **chosen)
        for A, start, change in changes.values():
            expected = old @ change.T
            gap = abs(walk(method, A, start, num_steps=30, **chosen) - expected).max() / abs(expected).max()
            words += f"{'0' if gap < 1e-6 else format(gap, '.2g'):>24}"
        print(f"{method:22}{words}")


PRECONDITIONERS = {
    "the identity": lambda A: np.eye(2),
    "1 / the diagonal": lambda A: np.diag(1 / np.diag(A)),
    "the inverse (Newton)": np.linalg.inv,
}


def show_preconditioners(best_learning_rate, preconditioned_gd, steps_needed):
    """Three preconditioners on the aligned and on the turned valley; the condition number after the cheap one."""
    kappas = {}
    print(f"{'':25}{'aligned':>19}{'turned by 45°':>24}")
    print(f"{'P':25}{'κ of PA':>9}{'steps':>10}{'κ of PA':>14}{'steps':>10}")
    for name, make in PRECONDITIONERS.items():
        row = []
        for A, start in ((HILL, START), (TURN @ HILL @ TURN.T, TURN @ START)):
            P = make(A)
            spectrum = np.sort(np.linalg.eigvals(P @ A).real)
            path = preconditioned_gd(A, np.zeros(2), start, P, best_learning_rate(spectrum)[0], 200)
            row += [spectrum[-1] / spectrum[0], steps_needed(path, 1e-4)]
        kappas[name] = row[2]
        print(f"{name:25}{row[0]:9.1f}{row[1]:10}{row[2]:14.1f}{row[3]:10}")
    return kappas["1 / the diagonal"]


def show_full_matrix():
    """Adagrad with the diagonal and with the whole matrix; returns whether the whole one notices the turn."""
    for method in ("Adagrad", "Adagrad, full matrix"):
        hills = ((HILL, START), (TURN @ HILL @ TURN.T, TURN @ START))
        row = [steps_to_arrive(method, A, start, 1e-4)[0] for A, start in hills]
        print(f"{method:22} aligned: {row[0]:3g} steps to 0.0001, turned by 45°: {row[1]:3g}")
    return "yes" if row[1] >= 1.5 * row[0] else "no"
