"""The references for `conditioning`: formulas in double precision, and the paths of torch.optim on quadratics.

Functions that take a generator draw the cases of a hidden test, `judge_...` functions ask the student's code and hold
its answers against the references. The formulas are those of B. Polyak (1964, "Some methods of speeding up the
convergence of iteration methods"); the course's momentum is `v = gamma * v + eta * g; x = x - v`.
"""

import cmath
import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from grading.oracle.compare import ATOL, Mismatch, close, same_list, same_number, same_path, same_value, show, that
from grading.oracle.student_code import Student
from grading.oracle.training import StandInsUnused, on_its_own
from grading.probe import wire

RTOL = 1e-9
ROUNDING = 5e-14  # of a residual: at most 1e-14 when the system is solved, more than 1e-13 after an inverse
CRITICAL_RTOL = 1e-6  # where two eigenvalues coincide, a computed one has half the digits

Spectrum = list[float] | np.ndarray
Setting = tuple[float, float, float]  # lam, eta, gamma


# References


def gd_rate(eigenvalues: Spectrum, eta: float) -> float:
    """The largest factor by which a step of torch's SGD multiplies the distance along an eigen-direction."""
    curvatures = torch.tensor(np.asarray(eigenvalues, dtype=float))
    x = torch.ones_like(curvatures, requires_grad=True)
    (curvatures * x**2 / 2).sum().backward()
    torch.optim.SGD([x], lr=abs(eta), maximize=eta < 0).step()  # torch refuses a negative lr
    return x.detach().abs().max().item()


def best_learning_rate(eigenvalues: Spectrum) -> dict[str, float]:
    """The best eta of gradient descent, 2 / (L + mu), and its rate, (kappa - 1) / (kappa + 1)."""
    low, high = float(min(eigenvalues)), float(max(eigenvalues))
    return {"eta": 2 / (high + low), "rate": (high - low) / (high + low)}


def momentum_matrix(lam: float, eta: float, gamma: float) -> list[list[float]]:
    """The matrix that maps (v, x) to the next (v, x)."""
    return [[gamma, eta * lam], [-gamma, 1 - eta * lam]]


def momentum_rate(lam: float, eta: float, gamma: float) -> float:
    """The spectral radius of `momentum_matrix`: the larger size of a root of z**2 - (1 + gamma - eta*lam)*z + gamma."""
    middle = (1 + gamma - eta * lam) / 2
    root = cmath.sqrt(middle**2 - gamma)
    return max(abs(middle + root), abs(middle - root))


def is_stable(lam: float, eta: float, gamma: float) -> bool:
    """Whether the spectral radius is below 1, for gamma from 0 on; exactly on the boundary it is not."""
    return 0 < eta * lam < 2 * (1 + gamma) and 0 <= gamma < 1


def best_momentum(eigenvalues: Spectrum) -> dict[str, float]:
    """Polyak's pair, and its rate (sqrt(kappa) - 1) / (sqrt(kappa) + 1)."""
    low, high = math.sqrt(min(eigenvalues)), math.sqrt(max(eigenvalues))
    rate = (high - low) / (high + low)
    return {"eta": (2 / (high + low)) ** 2, "gamma": rate**2, "rate": rate}


def rotated(A: np.ndarray, angle: float) -> np.ndarray:
    """The matrix of the quadratic turned by `angle`, counter-clockwise."""
    R = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return R @ A @ R.T


def steps_needed(path: list[list[float]], tolerance: float) -> int | None:
    """The first index from which on every point is within the tolerance; a NaN is not."""
    needed = None
    for k in reversed(range(len(path))):
        if not math.hypot(*path[k]) <= tolerance:
            break
        needed = k
    return needed


def preconditioned_gd(
    A: np.ndarray, b: np.ndarray, x0: np.ndarray, P: np.ndarray, eta: float, num_steps: int
) -> list[list[float]]:
    """The path of `x -= eta * P @ (A @ x - b)`, the start first."""
    path = [np.array(x0)]
    for _ in range(num_steps):
        path.append(path[-1] - eta * (P @ (A @ path[-1] - b)))
    return [row.tolist() for row in path]


def torch_path(
    A: ArrayLike, b: ArrayLike, x0: Iterable[float], num_steps: int, lr: float | list[float], momentum: float = 0.0
) -> list[list[float]]:
    """The path of torch's SGD on 0.5 * x @ A @ x - b @ x, the start first; `lr` may be one for each coordinate."""
    matrix, vector = torch.tensor(np.asarray(A, dtype=float)), torch.tensor(np.asarray(b, dtype=float))
    params = [torch.tensor(float(value), dtype=torch.float64, requires_grad=True) for value in x0]
    rates = lr if isinstance(lr, list) else [lr] * len(params)
    groups = [{"params": [param], "lr": rate} for param, rate in zip(params, rates)]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=momentum)
    path = [[param.item() for param in params]]
    for _ in range(num_steps):
        optimizer.zero_grad()
        x = torch.stack(params)
        (x @ matrix @ x / 2 - vector @ x).backward()
        optimizer.step()
        path.append([param.item() for param in params])
    return path


# Cases


def _shuffled(rng: np.random.Generator, cases: list) -> list:
    """The cases in any order: where there are few possible answers, their order must not be known."""
    return [cases[place] for place in rng.permutation(len(cases))]


def single_eigenvalues(rng: np.random.Generator) -> list[tuple[Spectrum, float]]:
    """One eigenvalue and an eta: factors between 0 and 1, between -1 and 0, below -1, 0 exactly, and 2**-35."""
    exact = float(2.0 ** rng.integers(-4, 5))
    cases: list[tuple[Spectrum, float]] = [([exact], 1 / exact), ([exact], (1 - 2.0**-35) / exact)]
    for low, high in ((0.05, 0.95), (1.05, 1.95), (2.1, 4.0), (1e8, 1e9)) * 2:
        lam = 10.0 ** rng.uniform(-3, 3)
        cases.append(([lam], float(rng.uniform(low, high) / lam)))
    return [(np.array(spectrum) if i % 2 else spectrum, eta) for i, (spectrum, eta) in enumerate(cases)]


def spectra_and_rates(rng: np.random.Generator) -> list[tuple[Spectrum, float]]:
    """Several eigenvalues in any order: the flattest, or the steepest, or a direction that goes down is the slowest.

    Also a rate of 0, a negative one, and eigenvalues that are whole numbers.
    """
    cases = []
    for n in (2, 3, 6):
        scale = 10.0 ** rng.uniform(-2, 2)
        wide = scale * _between(rng, 1e-3, 1.0, n)
        cases.append((wide, rng.uniform(0.3, 1.3) / max(wide)))  # the flattest
        narrow = scale * _between(rng, 0.4, 1.0, n)
        cases.append((narrow, rng.uniform(1.75, 1.95) / max(narrow)))  # the steepest
    falling = np.array([3.0, -0.5, 1.0]) * rng.uniform(0.5, 2)
    cases.append((falling, 0.4 / max(falling)))
    cases.append((np.array([0.7, 0.0, 0.2]), rng.uniform(0.5, 1.5)))  # flat ground: nothing happens
    cases.append((np.full(3, rng.uniform(0.5, 2)), rng.uniform(0.1, 0.4)))
    cases += [(scale * rng.uniform(0.5, 2, 2), eta) for eta in (0.0, -rng.uniform(0.1, 0.4) / scale)]
    cases += [(rng.permutation([1, 2, 3]) * sign, rng.uniform(0.05, 0.2)) for sign in (1, -1)]
    return [(spectrum.tolist() if i % 2 else spectrum, float(eta)) for i, (spectrum, eta) in enumerate(cases)]


def pairs(rng: np.random.Generator) -> list[Spectrum]:
    """Two eigenvalues, the smaller one first, with condition numbers over several decades."""
    scales = 10.0 ** rng.uniform(-3, 2, 5)
    kappas = 10.0 ** (np.array([0, 1, 2, 4, 6]) + rng.uniform(0.2, 0.8, 5))
    cases = [[scale, scale * kappa] for scale, kappa in zip(scales, kappas)]
    return [*cases, [1e-9 * scales[0], 1e-9 * scales[0] * kappas[1]]]  # small, but far from equal


def spectra(rng: np.random.Generator) -> list[Spectrum]:
    """Positive eigenvalues in any order, one alone, and equal ones; lists and arrays."""
    cases = [
        10.0 ** rng.uniform(-1, 1) * _between(rng, 10.0**-decades, 1.0, n) for n, decades in ((3, 1), (4, 2), (6, 4))
    ]
    cases.append(np.array([7.0, 2.0]) * rng.uniform(0.5, 2))
    cases.append(rng.uniform(0.5, 5, 1))
    cases.append(np.full(3, rng.uniform(0.5, 5)))
    cases += [np.array([7, 2, 3]), rng.permutation([2, 5, 11])]  # whole numbers, an array and a list
    return [spectrum.tolist() if i % 2 else spectrum for i, spectrum in enumerate(cases)]


def _between(rng: np.random.Generator, low: float, high: float, n: int) -> np.ndarray:
    """`n` numbers from `low` to `high`, both among them but neither first nor last if there are more than two."""
    inner = np.exp(
        rng.uniform(math.log(low) * 0.8 + math.log(high) * 0.2, math.log(low) * 0.2 + math.log(high) * 0.8, n - 2)
    )
    ends = rng.permutation([low, high])
    if n < 4:
        return np.array([high, *inner, low]) if n == 2 else np.array([inner[0], *ends])
    return np.array([inner[0], ends[0], *inner[2:], ends[1], inner[1]])


def settings(rng: np.random.Generator) -> list[Setting]:
    """(lam, eta, gamma) in every region of the map: no two of the numbers are alike."""
    cases = []
    for product, gamma in ((0.02, 0.3), (0.6, 0.85), (1.7, 0.35), (2.9, 0.6), (3.9, 0.15), (0.4, 0.0)):
        lam = 10.0 ** rng.uniform(-2, 2)
        cases.append((lam, product * rng.uniform(0.95, 1.05) / lam, gamma * rng.uniform(0.9, 1.1)))
    return [*((float(lam), float(eta), float(gamma)) for lam, eta, gamma in cases), (2, 0.25, 0)]


def _with_roots(rng: np.random.Generator, first: float, second: float) -> Setting:
    """The setting whose matrix has these two real eigenvalues: gamma is their product."""
    lam = 10.0 ** rng.uniform(-2, 2)
    return float(lam), float((1 - first) * (1 - second) / lam), float(first * second)


def sliding(rng: np.random.Generator) -> list[Setting]:
    """Two real eigenvalues, none negative; among them gamma = 0, flat ground, and one step that arrives."""
    cases = [_with_roots(rng, rng.uniform(0.6, 0.99), rng.uniform(0.05, 0.5)) for _ in range(4)]
    _, product, gamma = cases[0][0], cases[0][0] * cases[0][1], cases[0][2]
    cases.append((1e-14, product * 1e14, gamma))  # a flat direction with a large learning rate
    return [*cases, _with_roots(rng, rng.uniform(0.2, 0.8), 0.0), (0.0, 0.5, 0.3), (2.0, 0.5, 0.0)]


def swinging(rng: np.random.Generator) -> list[Setting]:
    """A complex pair of eigenvalues: on both sides of eta * lam = 1 + gamma, where the real part changes its sign."""
    cases = []
    for gamma, place in zip(rng.uniform(0.05, 0.98, 5), (0.1, 0.3, 0.5, 0.7, 0.9)):
        low, high, lam = (1 - math.sqrt(gamma)) ** 2, (1 + math.sqrt(gamma)) ** 2, 10.0 ** rng.uniform(-2, 2)
        cases.append((float(lam), float((low + place * (high - low)) / lam), float(gamma)))
    return cases


def jumping(rng: np.random.Generator) -> list[Setting]:
    """Negative eigenvalues, eigenvalues beyond -1, and beyond 1 along a negative curvature."""
    cases = [_with_roots(rng, -rng.uniform(0.6, 0.95), -rng.uniform(0.1, 0.5)) for _ in range(2)]
    cases += [_with_roots(rng, -rng.uniform(1.2, 3.0), -rng.uniform(0.05, 0.3)) for _ in range(2)]
    cases += [_with_roots(rng, -rng.uniform(1.2, 3.0), 0.0), _with_roots(rng, -rng.uniform(1e6, 1e7), -0.2)]
    lam, eta, gamma = _with_roots(rng, rng.uniform(1.1, 1.6), rng.uniform(0.1, 0.5))
    return [*cases, (-abs(lam), abs(eta), gamma)]


def around_the_boundary(rng: np.random.Generator) -> list[Setting]:
    """Well inside and outside of the region of stability, and a thousandth and hardly anything beside its boundary.

    A negative eta with a negative curvature is as good as two positive ones.
    """
    cases = []
    for gamma in rng.uniform(0.05, 0.95, 5):
        for part in (
            1e-4,
            1e-15,
            rng.uniform(0.2, 0.8),
            1 - 1e-3,
            1 - 1e-11,
            1 + 1e-11,
            1 + 1e-3,
            rng.uniform(1.2, 2.0),
            -1e-4,
            -rng.uniform(0.1, 1),
        ):
            lam = 10.0 ** rng.uniform(-2, 2) * math.copysign(1.0, part)
            sign = float(rng.choice([-1.0, 1.0]))
            cases.append((float(sign * lam), float(sign * abs(part) * 2 * (1 + gamma) / abs(lam)), float(gamma)))
    return _shuffled(rng, cases)


def on_the_boundary(rng: np.random.Generator) -> list[Setting]:
    """Exactly on the boundary and the smallest step beside it; and some inside.

    eta is a power of two and gamma so short that no product is rounded.
    """
    cases = [(0.5, 1.0, float(gamma)) for gamma in rng.uniform(0.1, 0.7, 5)]
    for gamma in rng.permutation(16) / 16:
        eta = float(2.0 ** rng.integers(-4, 4))
        edge = float(2 * (1 + gamma) / eta)
        beside = [math.nextafter(edge, 0), math.nextafter(edge, math.inf)] if gamma else []  # for 0: edges_of_gamma
        cases += [(lam, eta, float(gamma)) for lam in (edge, *beside)]
    flat = float(rng.uniform(0.1, 0.9))
    cases += [(0.0, 0.5, flat), (2.0, 0.0, flat), (0.0, 0.3, 0.0)]
    return _shuffled(rng, [*cases, (1e-300, 0.5, flat), (-1e-300, 0.5, flat)])


def edges_of_gamma(rng: np.random.Generator) -> list[Setting]:
    """gamma = 0 and 1, and beyond both, with an eta * lam that would be right."""
    gammas = (
        0.0,
        1.0,
        rng.uniform(1.05, 1.9),
        -rng.uniform(0.05, 0.5),
        rng.uniform(0.2, 0.6),
        -1e-3,
        1 - 1e-11,
        1 + 1e-11,
        1e-14,
        1e-300,
        -1e-300,
        math.nextafter(1, 0),
        math.nextafter(1, 2),
    )
    return _shuffled(
        rng, [(float(rng.uniform(0.5, 1)), float(rng.uniform(0.1, 0.4)), float(gamma)) for gamma in gammas]
    )


def aligned_hills(rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """Diagonal matrices and angles within the first half turn."""
    return [
        (np.diag(10.0 ** rng.uniform(-1, 1, 2)), float(angle))
        for angle in (*rng.uniform(0.2, 1.3, 3), rng.uniform(1.9, 2.1))
    ]


def any_matrices(rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """Matrices that are not symmetric, also of whole and of tiny numbers; angles below 0, 0, small, and
    beyond a full turn; one of them comes twice, with another matrix.
    """
    angles = (-rng.uniform(0.2, 1.3), -rng.uniform(7, 12), rng.uniform(7, 12), 0.0, rng.uniform(0.2, 1.3))
    cases: list[tuple[np.ndarray, float]] = [(rng.normal(size=(2, 2)) * 3, float(angle)) for angle in angles]
    cases.append((rng.integers(1, 9, (2, 2)), float(rng.uniform(0.2, 1.3))))
    cases += [(rng.normal(size=(2, 2)), angle) for angle in (angles[0], 2e-4, float(rng.uniform(60, 90)))]
    return [*cases, (rng.normal(size=(2, 2)) * 1e-12, float(rng.uniform(0.2, 1.3)))]


def arriving_paths(rng: np.random.Generator) -> list[tuple[list, float]]:
    """Paths that come nearer at every step, in one to four dimensions, and arrive."""
    cases = []
    for n in (1, 2, 2, 4):
        tolerance, last = 10.0 ** rng.uniform(-3, 1), int(rng.integers(3, 9))
        # a point whose largest coordinate is within, but not the point itself
        sizes = tolerance * np.array([*(1.2 + np.sort(rng.uniform(0.5, 30, last))[::-1]), 1.15, 0.9, 0.5, 0.1])
        directions = np.abs(rng.normal(size=(len(sizes), n))) + 1.0
        path = directions / np.linalg.norm(directions, axis=1)[:, None] * sizes[:, None]
        cases.append(((path * rng.choice([-1.0, 1.0], size=path.shape)).tolist(), float(tolerance)))
    return cases


def swinging_paths(rng: np.random.Generator) -> list[tuple[list, float]]:
    """Paths along an axis that come near and leave again, once, several times and a thousand times; two end outside."""
    cases, long = [], "oi" * int(rng.integers(1001, 1200)) + "iii"
    for i, pattern in enumerate(("oiioii", "oioioiii", "iooooi", "oiiiio", "ioi", "oio", long)):
        tolerance = 10.0 ** (rng.uniform(-2, -1.5) if i % 2 else rng.uniform(1, 1.5))
        sizes = np.array([rng.uniform(0.4, 0.9) if place == "i" else rng.uniform(1.1, 5.0) for place in pattern])
        path = np.zeros((len(pattern), 2))
        path[:, i % 2] = tolerance * sizes * rng.choice([-1.0, 1.0], len(pattern))
        cases.append((path.tolist(), float(tolerance)))
    return _shuffled(rng, cases)


def special_paths(rng: np.random.Generator) -> list[tuple[list, float]]:
    """Exactly at the tolerance, near from the start, one point alone, never, and NaN and infinity."""
    unit = 2.0 ** rng.integers(-3, 4)
    at, near, far = [3 * unit, -4 * unit], [unit, unit], [6 * unit, 6 * unit]
    nan, inf = math.nan, math.inf
    beside = [3 * unit, -4 * unit * (1 + 1e-12)]
    paths = [
        [far, at, near],
        [far, beside, near],
        [at, at],
        [near, near],
        [near],
        [far],
        [near, far],
        [far, near, [nan, 0.0]],
        [near, [inf, 0.0], [nan, nan]],
        [far, [nan, nan], near, at],
        [far, [-inf, unit], near],
    ]
    tiny = (np.array([far, at, near]) * 2.0**-40).tolist()
    return _shuffled(rng, [(tiny, float(5 * unit * 2.0**-40)), *((path, float(5 * unit)) for path in paths)])


def hessians(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Gradients with Hessians of minima and of saddles, turned any way, from nearly flat to very steep."""
    cases = []
    for n, signs, decades in ((1, 1, -3), (2, 1, -12), (3, 1, 0), (5, 1, 3), (3, -1, -8), (1, -1, 12)):
        spectrum = 10.0 ** (rng.uniform(-1, 1, n) + decades)
        spectrum[0] *= signs
        cases.append((rng.normal(size=n) * 10.0 ** rng.uniform(-2, 2), _turned(rng, spectrum)))
    return [*cases, (np.zeros(3), cases[2][1])]  # where the gradient is 0, so is the step


def bad_hessians(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Hessians with eigenvalues over nine decades and more, and gradients that a short step answers."""
    cases = []
    for n, decades in ((5, 9), (6, 10), (8, 11)):
        hessian = _turned(rng, 10.0 ** -np.linspace(0, decades, n))
        cases.append((hessian @ rng.uniform(0.5, 2, n), hessian))
    return cases


def _turned(rng: np.random.Generator, spectrum: np.ndarray) -> np.ndarray:
    basis, _ = np.linalg.qr(rng.normal(size=(len(spectrum), len(spectrum))))
    matrix = basis * spectrum @ basis.T
    return (matrix + matrix.T) / 2


def quadratic(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """A, b and x0 of a hill whose minimum is not at the origin, and a preconditioner P that is not symmetric."""
    A = _turned(rng, 10.0 ** rng.uniform(-0.7, 0.7, n))
    P = np.eye(n) + np.triu(rng.uniform(0.1, 0.5, (n, n)), 1) + np.diag(rng.uniform(-0.5, 0.5, n))
    return {"A": A, "b": rng.uniform(0.5, 2, n), "x0": rng.uniform(-3, 3, n), "P": P}


# Judges


def judge_gd_rate(student: Student, cases: list[tuple[Spectrum, float]]) -> None:
    """One number for each spectrum and eta."""
    reply = _reply(student, "gd_rate", cases)
    for yours, (eigenvalues, eta) in zip(reply["values"], cases, strict=True):
        what = f"gd_rate({_listed(eigenvalues)}, {eta:.6g})"
        same_number(yours, gd_rate(eigenvalues, eta), what, rtol=RTOL)
    _untouched("gd_rate", reply, cases)


def judge_best_learning_rate(student: Student, cases: list[Spectrum], part: str) -> None:
    """The pair (eta, rate); `part` is "eta", "rate" or "both"."""
    right = [best_learning_rate(spectrum) for spectrum in cases]
    stand_ins = [["gd_rate", {"eigenvalues": None, "eta": found["eta"]}, found["rate"]] for found in right]
    _judge_parts(student, "best_learning_rate", cases, right, part, stand_ins)


def judge_best_momentum(student: Student, cases: list[Spectrum], part: str) -> None:
    """The triple (eta, gamma, rate); `part` is one of them or "all"."""
    right = [best_momentum(spectrum) for spectrum in cases]
    stand_ins = [
        ["momentum_rate", {"lam": float(lam), "eta": found["eta"], "gamma": found["gamma"]}, found["rate"]]
        for spectrum, found in zip(cases, right)
        for lam in spectrum
    ]
    _judge_parts(student, "best_momentum", cases, right, part, stand_ins)


def _judge_parts(
    student: Student, function: str, cases: list[Spectrum], right: list[dict], part: str, stand_ins: list
) -> None:
    def judge(standing_in: bool) -> None:
        calls = [[spectrum] for spectrum in cases]
        reply = _reply(student, function, calls, stand_ins if standing_in else [])
        for yours, spectrum, expected in zip(reply["values"], cases, right, strict=True):
            names = ", ".join(expected)
            what = f"{function}({_listed(spectrum)})"
            that(
                isinstance(yours, list) and len(yours) == len(expected),
                f"{what} should return {len(expected)} numbers, ({names}); yours is {show(yours)}.",
            )
            for mine, (name, wanted) in zip(yours, expected.items(), strict=True):
                if part in (name, "both", "all"):
                    # A rate may come from computed eigenvalues, which coincide at the best pair.
                    rtol, atol = (CRITICAL_RTOL, 1e-7) if name == "rate" else (RTOL, 1e-12)
                    same_number(mine, wanted, f"{name} of {what}", rtol=rtol, atol=atol)
        _untouched(function, reply, calls)

    on_its_own(judge)


def judge_matrix(student: Student, cases: list[Setting], row: int) -> None:
    """One row of the matrix: 0 makes the new v, 1 the new x."""
    for matrix, setting in zip(_matrices(student, cases), cases, strict=True):
        what = f"row {row} of momentum_matrix({_listed(setting)}), which makes the new {'vx'[row]},"
        same_list(matrix[row], momentum_matrix(*setting)[row], what, rtol=RTOL)


def judge_matrix_path(student: Student, cases: list[Setting]) -> None:
    """Applied again and again, the matrix takes the path of `torch.optim.SGD` with momentum."""
    for matrix, (lam, eta, gamma) in zip(_matrices(student, cases), cases, strict=True):
        theirs = [x for (x,) in torch_path([[lam]], [0.0], [1.0], 12, lr=eta, momentum=gamma)]
        expected = [[before - after, after] for before, after in zip([1.0, *theirs], theirs)]
        state, path = np.array([0.0, 1.0]), []
        for _ in expected:
            path.append(state.tolist())
            state = np.array(matrix, dtype=float) @ state
        what = f"(v, x) by momentum_matrix({_listed((lam, eta, gamma))}), from (0, 1), beside torch.optim.SGD"
        same_path(path, expected, what=what, names=["v", "x"], rtol=RTOL)


def _matrices(student: Student, cases: list[Setting]) -> list[list[list[float]]]:
    matrices = _values(student, "momentum_matrix", cases)
    for yours, setting in zip(matrices, cases, strict=True):
        that(
            isinstance(yours, list)
            and len(yours) == 2
            and all(isinstance(row, list) and len(row) == 2 and all(map(wire.is_number, row)) for row in yours),
            f"momentum_matrix({_listed(setting)}) should be an array of shape (2, 2), yours is {show(yours)}.",
        )
    return matrices


def judge_momentum_rate(student: Student, cases: list[Setting]) -> None:
    """The spectral radius, whatever the student's `momentum_matrix` is."""
    stand_ins = [
        ["momentum_matrix", dict(zip(("lam", "eta", "gamma"), setting)), np.array(momentum_matrix(*setting))]
        for setting in cases
    ]

    def judge(standing_in: bool) -> None:
        rows = stand_ins if standing_in else []
        for yours, setting in zip(_values(student, "momentum_rate", cases, rows), cases, strict=True):
            same_number(yours, momentum_rate(*setting), f"momentum_rate({_listed(setting)})", rtol=_rtol(*setting))

    on_its_own(judge)


def _rtol(lam: float, eta: float, gamma: float) -> float:
    """Eigenvalues that nearly coincide cannot be computed to all digits."""
    return CRITICAL_RTOL if abs((1 + gamma - eta * lam) ** 2 - 4 * gamma) < 1e-3 else RTOL


def judge_is_stable(student: Student, cases: list[Setting]) -> None:
    """True or False for each setting, whatever the student's `momentum_rate` is."""
    # What a right `momentum_rate` computes: on the boundary its last digit may be off.
    stand_ins = [
        ["momentum_rate", dict(zip(("lam", "eta", "gamma"), setting)), _computed_rate(*setting)] for setting in cases
    ]

    def judge(standing_in: bool) -> None:
        for yours, (lam, eta, gamma) in zip(
            _values(student, "is_stable", cases, stand_ins if standing_in else []), cases
        ):
            what = f"is_stable({lam!r}, {eta!r}, {gamma!r}), where eta * lam is {lam * eta!r},"
            same_value(yours, is_stable(lam, eta, gamma), what)

    on_its_own(judge)


def _computed_rate(lam: float, eta: float, gamma: float) -> float:
    return float(abs(np.linalg.eigvals(momentum_matrix(lam, eta, gamma))).max())


def judge_rotated(student: Student, cases: list[tuple[np.ndarray, float]], untouched: bool = False) -> None:
    """The turned matrix; with `untouched`, the old one unchanged as well."""
    reply = _reply(student, "rotated", cases)
    for yours, after, (A, angle) in zip(reply["values"], reply["arguments"], cases, strict=True):
        what = f"rotated({_listed(A.ravel())} as a 2 by 2 array, {angle:.6g})"
        same_list(yours, rotated(A, angle).tolist(), what, rtol=RTOL, atol=1e-11 * float(np.abs(A).max()))
        same = not untouched or after[0] == A.tolist()
        that(same, "rotated changed the array A of its caller: make a new array.")
    that(not untouched or all(reply["own"]), "rotated should return a new array, and not the A of its caller.")


def judge_steps_needed(student: Student, cases: list[tuple[list, float]]) -> None:
    """The index, or None; each path comes as a list and as an array."""
    cases = [case for case in cases for _ in range(2)]
    calls = [[np.array(path) if i % 2 else path, tolerance] for i, (path, tolerance) in enumerate(cases)]
    reply = _reply(student, "steps_needed", calls)
    for yours, (path, tolerance) in zip(reply["values"], cases, strict=True):
        expected = steps_needed(path, tolerance)
        distances = ", ".join(f"{math.hypot(*point) / tolerance:.3g}" for point in path[-12:])
        which = "whose distances" if len(path) <= 12 else f"of {len(path)} points, whose last distances"
        what = f"steps_needed of a path {which} are {distances} times the tolerance"
        if expected is None:
            that(yours is None, f"{what} should be None: it does not end within it. Yours is {show(yours)}.")
        else:
            same_number(yours, expected, what)
    _untouched("steps_needed", reply, calls)


def judge_newton_step(student: Student, cases: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """The solution of hessian @ s = -gradient."""
    reply = _reply(student, "newton_step", cases)
    for yours, (gradient, hessian) in zip(reply["values"], cases, strict=True):
        expected = -np.linalg.solve(hessian, gradient)
        what = f"newton_step for n = {len(gradient)} and the eigenvalues {_listed(np.linalg.eigvalsh(hessian))}"
        same_list(yours, expected.tolist(), what, rtol=RTOL, atol=RTOL * float(np.abs(expected).max()))
    _untouched("newton_step", reply, cases)


def judge_solved(student: Student, cases: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """The residual is at the level of rounding: with a badly conditioned Hessian an inverse leaves much more."""
    for yours, (gradient, hessian) in zip(_values(student, "newton_step", cases), cases, strict=True):
        that(
            isinstance(yours, list) and len(yours) == len(gradient) and all(map(wire.is_number, yours)),
            f"newton_step should return an array of shape ({len(gradient)},), yours is {show(yours)}.",
        )
        step = np.array(yours, dtype=float)
        residual = float(np.linalg.norm(hessian @ step + gradient))
        allowed = ROUNDING * float(np.linalg.norm(hessian) * np.linalg.norm(step) + np.linalg.norm(gradient))
        that(
            residual <= allowed,
            f"newton_step with a Hessian of condition number {np.linalg.cond(hessian):.0e}: hessian @ step + gradient "
            f"should be 0 up to rounding, below {allowed:.0e}; with yours its length is {residual:.2g}. Solve the "
            "system, do not invert.",
        )


def judge_plain_gd(student: Student, rng: np.random.Generator) -> None:
    """With the identity as P: the path of `torch.optim.SGD`."""
    for n, eta, num_steps in ((2, 0.15, 8), (4, 0.07, 5)):
        hill = quadratic(rng, n) | {"P": np.eye(n)}
        expected = torch_path(hill["A"], hill["b"], hill["x0"], num_steps, lr=eta)
        _judge_walk(student, hill, eta, num_steps, expected, "P the identity, beside torch.optim.SGD")


def judge_preconditioned_gd(student: Student, rng: np.random.Generator) -> None:
    """A diagonal P, which is one learning rate for each coordinate in torch, and one that is not even symmetric."""
    hill, scales = quadratic(rng, 3), rng.uniform(0.2, 2, 3)
    expected = torch_path(hill["A"], hill["b"], hill["x0"], 7, lr=(0.1 * scales).tolist())
    _judge_walk(student, hill | {"P": np.diag(scales)}, 0.1, 7, expected, "a diagonal P, beside torch.optim.SGD")
    for n, eta, num_steps in ((2, 0.12, 6), (3, 0.08, 9)):
        hill = quadratic(rng, n)
        expected = preconditioned_gd(**hill, eta=eta, num_steps=num_steps)
        _judge_walk(student, hill, eta, num_steps, expected, "a P that is not symmetric")
    hill |= {"P": np.outer(hill["x0"], hill["b"])}
    for eta in (0.02, 0.0):
        expected = preconditioned_gd(**hill, eta=eta, num_steps=3)
        _judge_walk(student, hill, eta, 3, expected, "a P that has no inverse")


def judge_rows(student: Student, rng: np.random.Generator) -> None:
    """One row more than steps: no step, one step, one parameter, many steps that arrive, and some that diverge.

    Also a start of whole numbers, and one that is hardly away from the minimum.

    On this hill P = I, so that only the rows count.
    """
    for n, num_steps, eta in ((3, 0, 0.3), (2, 1, 0.3), (1, 4, 0.3), (2, 300, 0.3), (2, 25, 5.0)):
        hill = quadratic(rng, n) | {"P": np.eye(n), "A": np.diag(rng.uniform(0.5, 2, n))}
        expected = preconditioned_gd(**hill, eta=eta, num_steps=num_steps)
        _judge_walk(student, hill, eta, num_steps, expected, f"n = {n}")
    hill = quadratic(rng, 2) | {"P": np.eye(2), "A": np.diag(rng.uniform(0.5, 2, 2)), "x0": rng.integers(2, 9, 2)}
    _judge_walk(student, hill, 0.3, 4, preconditioned_gd(**hill, eta=0.3, num_steps=4), "a start of whole numbers")
    hill |= {"b": np.zeros(2), "x0": rng.uniform(1e-12, 2e-12, 2)}
    expected = preconditioned_gd(**hill, eta=0.3, num_steps=4)
    _judge_walk(student, hill, 0.3, 4, expected, "a start hardly away from the minimum", atol=0.0)


def judge_untouched(student: Student, rng: np.random.Generator) -> None:
    """Check that A, b, x0 and P, which are the caller's, are unchanged."""
    hill = quadratic(rng, 3)
    reply = _reply(student, "preconditioned_gd", [[*hill.values(), 0.1, 4]])
    yours = reply["values"][0]
    usable = isinstance(yours, list) and len(yours) > 2 and all(isinstance(point, list) for point in yours)
    that(usable, f"preconditioned_gd should return an array of points, yours is {show(yours)}.")
    _require_steps(yours, hill, 0.1, 4)
    for (name, before), after in zip(hill.items(), reply["arguments"][0]):
        that(after == before.tolist(), f"preconditioned_gd changed the array `{name}` of its caller.")


def _require_steps(path: list, hill: dict, eta: float, num_steps: int) -> None:
    """One of the points is on a walk down this hill, preconditioned rightly or in a known wrong way.

    That is all that a test asks for which looks at the caller's arrays.
    """
    P, slips = hill["P"], (hill["P"].T, np.diag(np.diag(hill["P"])), np.linalg.inv(hill["P"]), np.eye(len(hill["P"])))
    for matrix in (P, *slips):
        for offset in (hill["b"], -hill["b"], 0.0 * hill["b"]):
            for rate in (eta, -eta, 1.0):
                walk = preconditioned_gd(hill["A"], offset, hill["x0"], matrix, rate, num_steps + 1)
                if any(_same_point(mine, right) for mine in path for right in walk[1:]):
                    return
    raise Mismatch("preconditioned_gd returned no point to which its steps lead.")


def _same_point(mine: list, right: list) -> bool:
    return len(mine) == len(right) and all(close(a, b, rtol=1e-6) for a, b in zip(mine, right, strict=True))


def _judge_walk(
    student: Student, hill: dict, eta: float, num_steps: int, expected: list, what: str, atol: float = ATOL
) -> None:
    (yours,) = _values(student, "preconditioned_gd", [[*hill.values(), eta, num_steps]])
    what = f"preconditioned_gd ({what}, eta={eta:g}, num_steps={num_steps})"
    same_path(yours, expected, what=what, rtol=RTOL, atol=atol)


# Questions


def steps_for_a_digit(rate: float) -> float:
    """After how many steps a tenth is left."""
    return math.log(0.1) / math.log(rate)


def judge_digit(student: Student, name: str, kappa: float) -> None:
    """The steps that a digit costs gradient descent at its best, to 0.5 %: it may be rounded."""
    expected = steps_for_a_digit(best_learning_rate([1.0, kappa])["rate"])
    _judge_answer(
        student,
        name,
        expected,
        0.005,
        "With the best rate q, you want the t with q**t = 0.1. Take logarithms of both sides.",
    )


def judge_speed_up(student: Student, name: str, kappa: float) -> None:
    """How many times as many steps gradient descent needs as momentum, to 2 %."""
    steps = [steps_for_a_digit(found([1.0, kappa])["rate"]) for found in (best_learning_rate, best_momentum)]
    _judge_answer(
        student,
        name,
        steps[0] / steps[1],
        0.02,
        "In the formula of the best rate, what stands for kappa with momentum?",
    )


def judge_kappa_after(student: Student, name: str, eigenvalues: tuple[float, float], degrees: float) -> None:
    """The condition number of P A for the turned hill and the inverse of its diagonal."""
    A = rotated(np.diag(eigenvalues), math.radians(degrees))
    spectrum = np.sort(np.linalg.eigvals(A / np.diag(A)[:, None]).real)
    _judge_answer(
        student,
        name,
        spectrum[-1] / spectrum[0],
        1e-3,
        "The two entries of the diagonal are equal, so P is a number times the identity.",
    )


def judge_change_of_rate(student: Student, name: str, before: Setting, after: Setting) -> None:
    """Whether the rate gets "smaller", "larger" or stays "the same"."""
    old, new = momentum_rate(*before), momentum_rate(*after)
    right = "the same" if close(new, old, rtol=1e-6) else "smaller" if new < old else "larger"
    why = "Look at the two points of the map: is the ball swinging there? What is the rate of a ball that swings?"
    that(student.value(name) == right, f"`{name}` should be another of the three. {why}")


WHO_NOTICES = {
    # tests/oracle/test_conditioning.py measures both with the optimizers of torch.
    "turned": (
        "the adaptive three",
        "A rotation changes no eigenvalue, but it mixes the coordinates: which methods treat each one on its own?",
    ),
    "steeper": (
        "the two that are not adaptive",
        "The condition number is now 200. Which methods divide the gradient of a parameter by its own past size?",
    ),
}


def judge_who_notices(student: Student, name: str, change: str) -> None:
    """The methods that need clearly more steps on the changed hill."""
    right, why = WHO_NOTICES[change]
    that(student.value(name) == right, f"`{name}` should be another of the three. {why}")


def _judge_answer(student: Student, name: str, expected: float, rtol: float, why: str) -> None:
    yours = student.number(name)
    if not close(yours, expected, rtol=rtol):
        raise Mismatch(f"`{name}` should not be {show(yours)}. {why}")


def _values(student: Student, function: str, calls: Sequence[Sequence], stand_ins: Sequence = ()) -> list:
    """What a function returns for each of the calls, see `_reply`."""
    return _reply(student, function, calls, stand_ins)["values"]


def _reply(student: Student, function: str, calls: Sequence[Sequence], stand_ins: Sequence = ()) -> dict:
    """The results of several calls, with the rows of `stand_ins` in the place of earlier exercises.

    All calls are made before the first is judged, so that one mistake can be told from another.

    Returns:
        `{"values", "arguments": as they are afterward}`, one of each for each call.

    Raises:
        Mismatch: a later call changed the result of an earlier one.
        StandInsUnused: the student's function never called what the rows stand for.
    """
    asked = {"function": function, "calls": [list(call) for call in calls], "stand_ins": list(stand_ins)}
    reply = student.ask("conditioning.calls", about=function, **asked)
    if stand_ins and not reply["stand_ins_used"]:
        raise StandInsUnused("the stand-ins were not called")
    words = f"a later call of {function} changed the array that an earlier one had returned: make a new one each time."
    that(not reply["overwritten"], words)
    return reply


def _untouched(function: str, reply: dict, calls: Sequence[Sequence]) -> None:
    """Check that the caller's lists and arrays are unchanged."""
    for before, after in zip(calls, reply["arguments"], strict=True):
        for one, other in zip(before, after, strict=True):
            same = np.array_equal(np.asarray(one, dtype=float), np.asarray(other, dtype=float), equal_nan=True)
            that(same, f"{function} changed a list or an array of its caller: work on a copy.")


def _listed(numbers: Iterable[float]) -> str:
    """Numbers as they are shown in a message."""
    words = ", ".join(f"{number:.6g}" for number in numbers)
    return words if isinstance(numbers, tuple) else f"[{words}]"
