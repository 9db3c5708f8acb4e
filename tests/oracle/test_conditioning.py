"""The references of `conditioning`: the formulas against torch's own paths, and the cases against what they promise."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from grading.oracle import conditioning
from grading.oracle.student_code import InProcess, connected, student

SETTINGS = [
    setting
    for draw in (conditioning.settings, conditioning.sliding, conditioning.swinging, conditioning.jumping)
    for setting in draw(np.random.default_rng(0))
]


def asks(judge, *args, **names) -> None:
    """Run a judge on functions that are given by name."""
    with connected(InProcess(dict(names))):
        judge(student, *args)


def measured_rate(lam: float, eta: float, gamma: float, steps: int = 1200) -> float:
    """The rate at which torch's SGD with momentum shrinks, or lets grow, (v, x) in the long run."""
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=eta, momentum=gamma)
    logarithm = 0.0
    for _ in range(steps):
        x.grad = lam * x.detach()
        optimizer.step()
        velocity = optimizer.state[x].get("momentum_buffer") if gamma else None
        size = math.hypot(x.item(), eta * velocity.item() if velocity is not None else 0.0)
        if size == 0.0:
            return 0.0
        logarithm += math.log(size)
        with torch.no_grad():  # linear: scaling both keeps the direction
            x /= size
            if velocity is not None:
                velocity /= size
    return math.exp(logarithm / steps)


@pytest.mark.parametrize("setting", SETTINGS)
def test_torch_converges_at_the_predicted_rate(setting):
    assert measured_rate(*setting) == pytest.approx(conditioning.momentum_rate(*setting), rel=5e-3)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_rate_is_the_spectral_radius_of_the_matrix(setting):
    radius = abs(np.linalg.eigvals(np.array(conditioning.momentum_matrix(*setting)))).max()
    assert conditioning.momentum_rate(*setting) == pytest.approx(radius, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_setting_is_faster(seed):
    for spectrum in conditioning.spectra(np.random.default_rng(seed)):
        best = conditioning.best_learning_rate(spectrum)
        assert conditioning.gd_rate(spectrum, best["eta"]) == pytest.approx(best["rate"], abs=1e-12)
        for factor in (0.5, 0.99, 1.01, 1.5):
            assert conditioning.gd_rate(spectrum, factor * best["eta"]) > best["rate"]
        pair = conditioning.best_momentum(spectrum)
        assert pair["rate"] == pytest.approx(math.sqrt(pair["gamma"]))
        for eta in np.linspace(0.5, 1.5, 5) * pair["eta"]:
            for gamma in {*np.linspace(0, 0.99, 23), pair["gamma"]}:
                slowest = max(conditioning.momentum_rate(lam, eta, gamma) for lam in spectrum)
                assert slowest >= pair["rate"] - 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_stability_is_a_rate_below_one(seed):
    rng = np.random.default_rng(seed)
    for lam, eta, gamma in [*conditioning.around_the_boundary(rng), *conditioning.edges_of_gamma(rng)]:
        if gamma >= 0 and abs(conditioning.momentum_rate(lam, eta, gamma) - 1) > 1e-9:  # a computed rate is rounded
            stable = conditioning.momentum_rate(lam, eta, gamma) < 1 - 1e-12
            assert conditioning.is_stable(lam, eta, gamma) is stable
    settings = conditioning.on_the_boundary(rng)
    inside = [setting for setting in settings if conditioning.is_stable(*setting)]
    assert len(inside) == 21 and len(settings) == 56, "so False is not always the answer"
    exactly = [(lam, eta, gamma) for lam, eta, gamma in settings if eta * lam in (0.0, 2 * (1 + gamma))]
    assert len(exactly) == 19 and not set(exactly) & set(inside)
    for setting in set(settings) - {(0.5, 1.0, gamma) for _, _, gamma in settings}:
        assert conditioning.momentum_rate(*setting) == pytest.approx(1.0), "it is on the boundary, or hardly beside it"


@pytest.mark.parametrize("seed", range(20))
def test_cases_cover_what_their_names_say(seed):
    rng = np.random.default_rng(seed)
    for lam, eta, gamma in conditioning.swinging(rng):
        assert conditioning.momentum_rate(lam, eta, gamma) == pytest.approx(math.sqrt(gamma))
    rates = [conditioning.momentum_rate(*setting) for setting in conditioning.jumping(rng)]
    assert sum(rate > 1 for rate in rates) == 5
    for spectrum, eta in conditioning.spectra_and_rates(rng)[:6:2]:
        assert conditioning.gd_rate(spectrum, eta) == pytest.approx(1 - eta * min(spectrum))
    for spectrum, eta in conditioning.spectra_and_rates(rng)[1:6:2]:
        assert conditioning.gd_rate(spectrum, eta) == pytest.approx(eta * max(spectrum) - 1)
    assert any(list(spectrum) != sorted(spectrum) for spectrum in conditioning.spectra(rng))
    for path, tolerance in conditioning.arriving_paths(rng):
        assert conditioning.steps_needed(path, tolerance) == len(path) - 3
    swings = conditioning.swinging_paths(rng)
    short = [case for case in swings if len(case[0]) < 10]
    assert Counter(conditioning.steps_needed(*case) for case in short) == {4: 1, 5: 2, None: 2, 2: 1}
    ((path, tolerance),) = (case for case in swings if case not in short)
    assert conditioning.steps_needed(path, tolerance) == len(path) - 4 > 2000
    assert Counter(conditioning.steps_needed(*case) for case in conditioning.special_paths(rng)) == {
        1: 2,
        0: 3,
        None: 4,
        2: 3,
    }


def test_the_reference_path_equals_that_of_torch():
    hill = conditioning.quadratic(np.random.default_rng(3), 4)
    theirs = conditioning.torch_path(hill["A"], hill["b"], hill["x0"], 9, lr=0.1)
    np.testing.assert_allclose(
        conditioning.preconditioned_gd(**hill | {"P": np.eye(4)}, eta=0.1, num_steps=9), theirs, rtol=1e-12
    )


# The answers to the questions D and E, measured with torch's optimizers, each at its own best learning rate.

ADAPTIVE = {
    "Adagrad": (torch.optim.Adagrad, {"eps": 1e-12}),
    "RMSProp": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-12}),
    "Adam": (torch.optim.Adam, {"betas": (0.9, 0.99), "eps": 1e-12}),
}


def steps_to_arrive(name: str, A: np.ndarray, start: np.ndarray, at_most: int) -> float:
    """The least number of steps to within 0.01 of the minimum, with the best settings; infinity above a limit."""
    spectrum = np.linalg.eigvalsh(A)
    if name == "gradient descent":
        runs = [(torch.optim.SGD, {"lr": conditioning.best_learning_rate(spectrum)["eta"]})]
    elif name == "Momentum":
        pair = conditioning.best_momentum(spectrum)
        runs = [(torch.optim.SGD, {"lr": pair["eta"], "momentum": pair["gamma"]})]
    else:
        optimizer_class, settings = ADAPTIVE[name]
        runs = [(optimizer_class, {"lr": float(lr), **settings}) for lr in np.geomspace(0.02, 10, 81)]
    matrix, best = torch.tensor(A), math.inf
    for optimizer_class, settings in runs:
        x = torch.tensor(start, requires_grad=True)
        optimizer = optimizer_class([x], **settings)
        for step in range(1, at_most + 1):
            x.grad = matrix @ x.detach()
            optimizer.step()
            if x.detach().norm() <= 0.01:
                best, at_most = step, step - 1  # from here on only fewer steps are of interest
                break
    return best


@pytest.mark.parametrize("name", ["gradient descent", "Momentum", *ADAPTIVE])
def test_adaptive_methods_suffer_from_rotation_and_the_others_from_scale(name):
    start, R = np.array([-5.0, -2.0]), np.array([[1, -1], [1, 1]]) / math.sqrt(2)
    hill, steeper = np.diag([0.2, 4.0]), np.diag([0.2, 40.0])
    before, after = (steps_to_arrive(name, A, start, 100 if name in ADAPTIVE else 1000) for A in (hill, steeper))
    turned = steps_to_arrive(name, conditioning.rotated(steeper, math.pi / 4), R @ start, int(1.5 * after))
    assert (turned == math.inf) is (name in ADAPTIVE), "the turn"
    assert (after >= 1.5 * before) is (name not in ADAPTIVE), "the steeper wall"


# What a judge says.


def test_an_earlier_exercise_that_is_wrong_costs_nothing_later():
    def momentum_rate(lam, eta, gamma):
        return max(abs(np.linalg.eigvals(names["momentum_matrix"](lam, eta, gamma))))

    def eta_and_rate(eigenvalues):
        eta = 2 / (min(eigenvalues) + max(eigenvalues))
        return eta, names["gd_rate"](eigenvalues, eta=eta)

    names = {"momentum_rate": momentum_rate, "best_learning_rate": eta_and_rate}
    names |= {"momentum_matrix": lambda *_: np.eye(2), "gd_rate": lambda eigenvalues, eta: 7.0}
    with connected(InProcess(names)):
        conditioning.judge_momentum_rate(student, conditioning.swinging(np.random.default_rng(1)))
        conditioning.judge_best_learning_rate(student, conditioning.spectra(np.random.default_rng(1)), "both")
    assert names["gd_rate"]([1.0], 1.0) == 7.0, "the student's own is back in its place"


def test_an_independent_exercise_is_judged_by_its_own_numbers():
    with pytest.raises(AssertionError, match=r"momentum_rate\(.*should be .*, yours is 0.5"):
        asks(
            conditioning.judge_momentum_rate,
            conditioning.swinging(np.random.default_rng(1)),
            momentum_rate=lambda lam, eta, gamma: 0.5,
        )


@pytest.mark.parametrize(
    "value", [None, "x", 3.0, [1.0], [1.0, None], [[1, 2, 3], [1, 2, 3]], [["a", 1], [2, 3]], True]
)
def test_an_answer_of_the_wrong_type_gets_a_message(value):
    rng = np.random.default_rng(2)
    judges = {
        "gd_rate": (conditioning.judge_gd_rate, [([2.0], 0.25)]),
        "momentum_matrix": (conditioning.judge_matrix, conditioning.settings(rng), 0),
        "best_momentum": (conditioning.judge_best_momentum, conditioning.pairs(rng), "all"),
        "is_stable": (conditioning.judge_is_stable, [(3.0, 1.0, 0.5)]),
        "rotated": (conditioning.judge_rotated, conditioning.aligned_hills(rng)),
        "steps_needed": (conditioning.judge_steps_needed, conditioning.arriving_paths(rng)),
        "newton_step": (conditioning.judge_solved, conditioning.bad_hessians(rng)),
        "preconditioned_gd": (conditioning.judge_rows, rng),
    }
    for name, (judge, *args) in judges.items():
        with pytest.raises(AssertionError, match=r"should|no path came back|parameters"):
            asks(judge, *args, **{name: lambda *_: value})


def test_inverting_a_matrix_is_distinguished_from_solving():
    for seed in range(10):
        cases = conditioning.bad_hessians(np.random.default_rng(seed))
        asks(conditioning.judge_solved, cases, newton_step=lambda g, H: -np.linalg.solve(H, g))
        asks(conditioning.judge_solved, cases, newton_step=lambda g, H: -np.linalg.lstsq(H, g)[0])
        with pytest.raises(AssertionError, match="do not invert"):
            asks(conditioning.judge_solved, cases, newton_step=lambda g, H: -np.linalg.inv(H) @ g)
