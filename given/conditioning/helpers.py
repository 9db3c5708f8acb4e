import math
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import torch

from given.checks import NOTEBOOK, NotYet, apart, expect, expect_number, name_of, self_check, shown

# ---- The notebook's cell begins here. ----

"""Helpers of the self-checks. You need not read this cell."""

import copy


def called(function, arguments):
    """A call as you would write it: `gd_rate([1, 4], 0.4)`."""
    words = (str(np.asarray(a).tolist()) if np.ndim(a) else repr(a) for a in arguments)
    return f"{name_of(function)}({', '.join(words)})"


def call(function, arguments):
    """What the call returns; fail if it changes a list or an array that it is given."""
    given = copy.deepcopy(arguments)
    yours = copy.deepcopy(function(*given))
    for before, after in zip(arguments, given):
        kind = "array" if isinstance(before, np.ndarray) else "list"
        expect(
            np.array_equal(np.asarray(before, dtype=float), np.asarray(after, dtype=float), equal_nan=True),
            f"{called(function, arguments)} changed the {kind} that it was given: afterward that should be "
            f"{shown(before)}, it is {shown(after)}. Make a new one, with `sorted(...)`, `min`, `max` or arithmetic without `+=`.",
        )
    return yours


def is_near(yours, expected, tolerance=1e-6):
    """Whether `yours` is that number, up to rounding."""
    try:
        return abs(complex(yours) - expected) <= tolerance * max(1.0, abs(expected))
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False


DIGITS = 1e-9  # the hidden tests compare nine digits, so the self-checks do
COARSE = "You agree to six digits, but not to nine: is something computed in float32, torch's default? Use numpy."


def expect_return(function, arguments, expected, hint="", slips=None, of="", yours=None, tolerance=DIGITS):
    """Fail unless the call returns that number.

    slips: what typical mistakes return, {number: sentence}. of: which of several numbers this is. yours: if known.
    """
    yours = call(function, arguments) if yours is None else yours
    if isinstance(yours, complex) and abs(yours.imag) > 1e-12:
        hint = "A complex number came back: its size is `abs(...)`. " + hint
    else:
        for slip, sentence in (slips or {}).items():
            if is_near(yours, slip):
                hint = sentence
    if is_near(yours, expected):
        hint = COARSE
    if np.ndim(yours):
        raise NotYet(
            f"{of}{called(function, arguments)} should be one number, yours is {shown(yours)}. {hint}".rstrip()
        )
    expect_number(yours, expected, f"{of}{called(function, arguments)}", hint, tolerance)


def expect_returns(function, arguments, **parts):
    """Fail unless the call returns these numbers, in this order: name=(expected, hint, slips).

    A rate may come from eigenvalues that coincide, which a computer finds to half of the digits.
    """
    what, names = called(function, arguments), ", ".join(parts)
    yours = call(function, arguments)
    expect(
        isinstance(yours, (tuple, list, np.ndarray)) and len(yours) == len(parts),
        f"{what} should return {len(parts)} numbers, ({names}); yours returned {shown(yours)}.",
    )
    for mine, (name, (expected, *more)) in zip(yours, parts.items()):
        if expected is not None:
            digits = 1e-6 if name == "rate" else DIGITS
            expect_return(function, arguments, expected, *more, of=f"{name} of ", yours=mine, tolerance=digits)


def as_array(yours, shape, what, hint=""):
    """`yours` as an array of numbers; fail unless it has this shape."""
    try:
        mine = np.asarray(math.nan if yours is None else yours, dtype=float)
    except (TypeError, ValueError, RuntimeError):
        raise NotYet(f"{what} should be an array of shape {shape}, yours is {shown(yours)}. {hint}".rstrip()) from None
    if mine.shape != shape:
        came = f"has the shape {mine.shape}" if mine.shape else f"is {shown(yours)}"
        raise NotYet(f"{what} should be an array of shape {shape}, yours {came}. {hint}".rstrip())
    return mine


def rounded(numbers):
    """The text of an array in a message: six decimals."""
    return str(np.round(numbers, 6).tolist())


ENTRY_BY_ENTRY = (
    "`*` and `/` work entry by entry, and make a matrix of a vector and a matrix; the product of matrices is `@`."
)


def expect_entries(function, arguments, expected, hint="", slips=(), what=""):
    """Fail unless the call returns this array; slips: pairs (array of a typical mistake, sentence)."""
    expected, what = np.asarray(expected, dtype=float), what or called(function, arguments)
    yours = call(function, arguments)
    larger = np.ndim(yours) > expected.ndim if isinstance(yours, np.ndarray) else False
    mine = as_array(yours, expected.shape, what, ENTRY_BY_ENTRY if larger else hint)
    for slip, sentence in slips:
        if np.shape(slip) == mine.shape and np.allclose(mine, slip, rtol=1e-6, atol=1e-6):
            hint = sentence
    if np.allclose(mine, expected, rtol=1e-6, atol=1e-6):
        hint = COARSE
    if not np.allclose(mine, expected, rtol=DIGITS, atol=DIGITS):
        right, came = apart(expected.tolist(), mine.tolist(), rounded)
        raise NotYet(f"{what} should be {right}, yours is {came}. {hint}".rstrip())


def expect_path(yours, expected, what, hints, slips=None):
    """Fail unless this path came back, row by row.

    hints: {row: sentence}, the last one for all later rows. slips: {row 1 of a typical mistake: sentence}.
    """
    expected = np.asarray(expected, dtype=float)
    count = f"{len(expected)} rows" if len(expected) > 1 else "1 row"
    rows = len(yours) if np.ndim(yours) else None
    came = f"is {shown(yours)}" if rows is None else f"has {rows}"
    expect(rows == len(expected), f"{what} should have {count}, the start and one after each step; yours {came}.")
    mine = as_array(yours, expected.shape, what)
    for row, (right, came) in enumerate(zip(expected, mine)):
        if not np.allclose(came, right, rtol=DIGITS, atol=DIGITS):
            hint = hints[max(key for key in hints if key <= row)]
            for slip, sentence in (slips or {}).items():
                if row == 1 and np.allclose(came, slip, rtol=1e-6, atol=1e-6):
                    hint = sentence
            if np.allclose(came, right, rtol=1e-6, atol=1e-6):
                hint = COARSE
            if len(mine) > 1 and np.ptp(mine, axis=0).max() == 0:
                hint = "All your rows are equal: is one array changed in place, and collected again and again?"
            right, came = apart(right.tolist(), came.tolist(), rounded)
            raise NotYet(f"{what}: row {row} should be {right}, yours is {came}. {hint}")


def expect_verdict(function, arguments, expected, hint):
    """Fail unless the call returns this truth value."""
    yours = call(function, arguments)
    expect(
        isinstance(yours, (bool, np.bool_)),
        f"{called(function, arguments)} should be True or False, yours is {shown(yours)}.",
    )
    expect(bool(yours) is expected, f"{called(function, arguments)} should be {expected}, yours is {yours}. {hint}")


def expect_index(function, arguments, expected, hint, slips=None):
    """Fail unless the call returns this index, or None; slips: {index of a typical mistake: sentence}."""
    yours, what = call(function, arguments), called(function, arguments)
    if expected is None:
        expect(yours is None, f"{what} should be None, yours is {yours!r}. {hint}")
    elif yours is None:
        raise NotYet(f"{what} should be {expected}, yours is None. {hint}")
    else:
        expect_number(yours, expected, what, (slips or {}).get(yours, hint) if isinstance(yours, int) else hint)


def expect_untouched(function, arguments, *names, of=""):
    """Fail if the call changes one of the arrays that it is given; `of` is the function's name."""
    given = [np.array(argument, dtype=float) for argument in arguments]
    function(*given)
    for name, before, after in zip(names, arguments, given):
        expect(
            np.array_equal(before, after),
            f"{of} changed the array `{name}` of its caller. Make a new array instead of writing into it.",
        )


@contextmanager
def known(name, table):
    """Inside the `with` block an earlier exercise gives these results, so that the check is about one exercise only.

    table: {arguments: result}; for other arguments your own function is called.
    """
    missing = object()
    mine = NOTEBOOK.get(name, missing)

    def stand_in(*args, **kwargs):
        arguments = (*args, *kwargs.values())
        for key, result in table.items():
            if len(key) == len(arguments) and all(k is None or is_near(a, k) for a, k in zip(arguments, key)):
                return np.array(result, dtype=float) if np.ndim(result) else result
        return mine(*args, **kwargs)

    NOTEBOOK[name] = stand_in
    try:
        yield
    finally:
        if mine is missing:
            del NOTEBOOK[name]
        else:
            NOTEBOOK[name] = mine


# What earlier exercises give for the numbers in the checks of later ones.
GD_RATES = {
    (None, 0.4): 0.6,
    (None, 4e8): 0.6,
    (None, 2.0): 0.98,
    (None, 0.2): 0.8,
    (None, 0.5): 0.0,
    (None, None): 0.5,
}
MOMENTUM_RATES = {
    (None, 4 / 9, 1 / 9): 1 / 3,
    (None, 25 / 36, 4 / 9): 2 / 3,
    (None, 0.5, 0.0): 0.0,
    (None, 2 / 9, 1 / 9): 1 / 3,
    (None, None, None): 0.5,
}
MATRICES = {
    (1.0, 0.1, 0.4): [[0.4, 0.1], [-0.4, 0.9]],
    (1e-13, 1e12, 0.4): [[0.4, 0.1], [-0.4, 0.9]],
    (2.0, 0.05, 0.0): [[0.0, 0.1], [0.0, 0.9]],
    (1.0, 1.0, 0.0): [[0.0, 1.0], [0.0, 0.0]],
    (2.0, 0.5, 0.25): [[0.25, 1.0], [-0.25, 0.0]],
    (1.0, 3.4, 0.81): [[0.81, 3.4], [-0.81, -2.4]],
    (1.0, 2.7, 0.4): [[0.4, 2.7], [-0.4, -1.7]],
    (3.0, 1.0, 0.0): [[0.0, 3.0], [0.0, -2.0]],
    (-0.5, 0.3, 0.4): [[0.4, -0.15], [-0.4, 1.15]],
}


STABILITY_RATES = {  # for the checks of is_stable; on the boundary, as they come from a computer
    (1.0, 0.5, 0.5): 0.7071067811865476,
    (1.0, 2.5, 0.5): 0.7071067811865476,
    (1.0, 2.9999999999, 0.5): 0.9999999998,
    (-1.0, -0.5, 0.5): 0.7071067811865476,
    (5.0, 0.7, 0.5): 1.7071067811865475,
    (-1.0, 0.5, 0.5): 1.7071067811865475,
    (3.0, 1.0, 0.5): 1.0,
    (2.0, 1.0, 0.0): 1.0,
    (3.5, 1.0, 0.75): 0.9999999999999996,
    (2.75, 1.0, 0.375): 0.9999999999999999,
    (0.0, 0.5, 0.25): 1.0,
    (1.0, 0.5, 0.0): 0.5,
    (0.75, 0.4, 0.9): 0.9486832980505138,
    (1.0, 0.5, 1.0): 0.9999999999999999,
    (1.0, 0.5, 1.25): 1.118033988749895,
    (1.0, 0.5, -0.25): 0.6403882032022076,
}
RATE_SLIPS = {
    0.6324555: "That is the root of gamma, which is the rate only where the eigenvalues are a complex pair.",
    0.4: "That is the product of the eigenvalues.",
    0.25: "That is the product of the eigenvalues, the square of their size.",
    0.987967: "That is the norm of the matrix, the largest factor of one single step.",
    1.032662: "That is the norm of the matrix, the largest factor of one single step.",
    3.238015: "That is the norm of the matrix, the largest factor of one single step.",
    1.121699: "`eigvalsh` is for symmetric matrices; this one needs `eigvals`.",
    0.4045085: "`eigvalsh` is for symmetric matrices; this one needs `eigvals`.",
    1.77361: "`eigvalsh` is for symmetric matrices; this one needs `eigvals`.",
}


def expect_row(function, arguments, row, expected, hint):
    """Fail unless this row of the matrix that the call returns is right."""
    what, parts, lam = called(function, arguments), ("first", "second"), arguments[0]
    whole = as_array(function(*arguments), (2, 2), what)
    mine, other = whole[row], (-1, 1) if row == 0 else (1, -1)
    for slip, sentence in (
        (np.multiply(expected, other), "The sizes are right: look at the signs."),
        (np.negative(expected), "The sizes are right: look at the signs."),
        (np.abs(expected), "The sizes are right: look at the signs."),
    ):
        hint = f"{sentence} {hint}" if np.allclose(mine, slip, rtol=1e-6, atol=1e-6) and sentence not in hint else hint
    if np.allclose(whole[:, row], expected, rtol=1e-6, atol=1e-6):
        hint = "Your rows are its columns: each row makes one of the new numbers."
    elif np.allclose(whole[::-1, ::-1][row], expected, rtol=1e-6, atol=1e-6):
        hint = "The pair is (v, x), with v first."
    elif np.isclose(mine[1], expected[1] * (1 - arguments[2])) and row == 0:
        hint = "The whole gradient is added to the velocity, without a factor 1 - gamma."
    elif np.isclose(mine[1], lam) and row == 0:
        hint = "eta belongs into the velocity."
    elif np.isclose(mine[1], expected[1] / lam) or np.isclose(1 - mine[1], (1 - expected[1]) / lam):
        hint = "The gradient is lam * x: is the eigenvalue in it?"
    if np.allclose(mine, expected, rtol=1e-6, atol=1e-6):
        hint = COARSE
    if not np.allclose(mine, expected, rtol=DIGITS, atol=DIGITS):
        right, came = apart(expected, mine.tolist(), rounded)
        raise NotYet(f"the {parts[row]} row of {what} should be {right}, yours is {came}. {hint}")


def expect_matrix_path(function, arguments, expected):
    """Fail unless the matrix, applied again and again to (0, 1), takes the path of momentum."""
    what = called(function, arguments)
    matrix, state = as_array(function(*arguments), (2, 2), what), np.array(expected[0])
    for step, right in enumerate(expected[1:], start=1):
        state = matrix @ state
        for name, yours, wanted in zip("vx", state, right):
            hint = "The first step is right: look at the first column, what becomes of the old velocity."
            if step == 1:
                hint = "The first step is that of gradient descent, and v is its length, with the sign of the gradient."
            hint = COARSE if is_near(yours, wanted) else hint
            where = f"{name} after step {step}, by applying {what} to (v, x) = (0, 1),"
            expect_number(yours, wanted, where, hint, DIGITS)


def expect_solved(function, hessian):
    """Fail unless the step solves the system, up to rounding."""
    gradient = hessian @ np.ones(len(hessian))
    step = as_array(call(function, (gradient, hessian)), gradient.shape, "newton_step for n = 8")
    residual = np.linalg.norm(hessian @ step + gradient)
    allowed = 5e-14 * (np.linalg.norm(hessian) * np.linalg.norm(step) + np.linalg.norm(gradient))
    hint = "That is what an inverse, a changed Hessian or float32 leaves: let numpy solve the system as it is, in double precision."
    if residual > 1e-3:
        hint = "This step does not solve the system at all: look at the check above first."
    expect(
        residual <= allowed,
        f"hessian @ newton_step(gradient, hessian) + gradient should be 0 up to rounding, also for a hessian of "
        f"condition number {np.linalg.cond(hessian):.0e}; with yours its length is {residual:.1e}. {hint}",
    )


def expect_orthogonalized(function):
    """Fail unless the singular values are what the polynomial makes of them, and close to torch's own."""
    torch.manual_seed(3)
    for shape in ((4, 4), (3, 6), (6, 3)):
        G = torch.randn(shape, dtype=torch.float64)
        U, sigma, V = torch.linalg.svd(G, full_matrices=False)
        sigma = sigma / (torch.linalg.norm(sigma) + 1e-7)
        for steps in range(6):
            expected = (U * sigma) @ V
            came = function(G.clone(), steps=steps)
            what = f"orthogonalize of a {shape[0]} by {shape[1]} matrix with steps={steps}"
            expect(isinstance(came, torch.Tensor), f"{what} should return a tensor, yours is {shown(came)}.")
            expect(came.shape == G.shape, f"{what} should have the shape of G, yours has {tuple(came.shape)}.")
            hint = (
                "With no step G is divided by its norm."
                if steps == 0
                else "Look at a, b and c, and at which side is multiplied."
            )
            expect(
                torch.allclose(came.to(torch.float64), expected, atol=1e-5),
                f"{what} should keep the singular vectors of G and make the singular values "
                f"{[round(value, 3) for value in sigma.tolist()]}; yours are "
                f"{[round(value, 3) for value in torch.linalg.svdvals(came.to(torch.float64)).tolist()]}. {hint}",
            )
            sigma = 3.4445 * sigma - 4.7750 * sigma**3 + 2.0315 * sigma**5


def check_muon(optimizer_class):
    """The self-check of the optional Muon: torch's, step by step."""
    torch.manual_seed(5)
    start = [torch.randn(4, 6), torch.randn(5, 2)]
    gradients = [[torch.randn(4, 6), torch.randn(5, 2)] for _ in range(4)]
    settings = {"lr": 0.5, "weight_decay": 0.5, "momentum": 0.8}
    paths = []
    for cls in (optimizer_class, torch.optim.Muon):
        params = [torch.nn.Parameter(values.clone()) for values in start]
        optimizer, path = cls(params, **settings), []
        for row in gradients:
            for param, gradient in zip(params, row):
                param.grad = gradient.clone()
            optimizer.step()
            path.append([param.detach().clone() for param in params])
        paths.append(path)
    if all(torch.equal(mine, before) for row in paths[0] for mine, before in zip(row, start)):
        print("○ muon (optional): not written yet.")
        return
    with self_check("muon"):
        for step, (mine, theirs) in enumerate(zip(*paths), start=1):
            for which, yours, right in zip(("4 by 6", "5 by 2"), mine, theirs):
                gap = float((yours - right).abs().max())
                hint = (
                    "Both shrink and step: look at the weight decay, and at the root of max(1, m / n)."
                    if step == 1
                    else "The first step is right: look at the average B, which is kept from step to step."
                )
                expect(
                    gap < 0.06,
                    f"after step {step} the {which} matrix should be that of torch.optim.Muon to about 0.02; "
                    f"yours differs by {gap:.3f}. {hint}",
                )


def check_lion(function):
    """The self-check of the optional Lion: four steps, in each of which the sign could be another one."""
    x, m = np.array([1.0, -2.0, 0.5]), np.zeros(3)
    if function(x, m, m) is None:
        print("○ lion_step (optional): not written yet.")
        return
    with self_check("lion_step"):
        gradients = ([1.0, -4.0, 0.0], [-0.5, 1.0, 2.0], [-0.5, 1.0, -0.1], [3.0, 0.01, -2.0])
        ways = ([-1, 1, 0], [1, -1, -1], [1, -1, -1], [-1, 1, 1])
        averages = ([0.2, -0.8, 0.0], [0.06, -0.44, 0.4], [-0.052, -0.152, 0.3], [0.5584, -0.1196, -0.16])
        for step, (gradient, way, average) in enumerate(zip(gradients, ways, averages), start=1):
            before = x
            came = function(x, m, np.array(gradient), eta=0.1, beta1=0.5, beta2=0.8)
            expect(
                isinstance(came, (tuple, list)) and len(came) == 2,
                f"lion_step should return the next x and the next m, yours is {shown(came)}.",
            )
            x, m = (as_array(part, (3,), "each of the two arrays that lion_step returns") for part in came)
            moved = np.round((x - before) / 0.1, 6).tolist()
            expect(
                moved == way,
                f"step {step}: x should move by eta times {way}, yours moves by eta times {moved}. The sign "
                f"is that of "
                "beta1 * m + (1 - beta1) * g with the old m, and the step goes against it.",
            )
            expect(
                np.allclose(m, average),
                f"step {step}: m should be {average}, yours is {np.round(m, 6).tolist()}. It keeps beta2 of the old m.",
            )


# If one of these names is overwritten, a check that fails says so.
self_check.given.update(np=np, torch=torch, plt=plt)
