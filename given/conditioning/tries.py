import math

import numpy as np

from given.checks import expect, expect_number
from given.conditioning.helpers import (
    GD_RATES,
    MATRICES,
    MOMENTUM_RATES,
    RATE_SLIPS,
    STABILITY_RATES,
    expect_entries,
    expect_index,
    expect_matrix_path,
    expect_path,
    expect_return,
    expect_returns,
    expect_row,
    expect_solved,
    expect_untouched,
    expect_verdict,
    known,
)

# ---- The notebook's cell begins here. ----

"""What the self-checks try. You need not read this cell."""


def try_gd_rate(gd_rate):
    expect_return(
        gd_rate,
        ([2.0], 0.1),
        0.8,
        "One direction: its factor is 1 - eta * lambda.",
        {1.2: "A step goes against the gradient: what is the sign?", 0.64: "That is what is left after two steps."},
    )
    expect_return(
        gd_rate,
        ([2.0], 0.9),
        0.8,
        "The factor is -0.8: the path jumps across, but it shrinks. The rate is its size.",
        {0.64: "That is what is left after two steps."},
    )
    expect_return(gd_rate, ([5.0], 0.6), 2.0, "The factor is -2: the path grows, so the rate is above 1.")
    expect_return(gd_rate, ([4e6], 1.0), 3999999.0, "A path may grow as fast as it likes: its rate has no upper limit.")
    expect_return(gd_rate, (np.array([4.0]), 0.3), 0.2, "An array must be all right, too.")
    expect_return(gd_rate, ([2.0], 0.5), 0.0, "With eta = 1 / lambda one step arrives.")
    expect_number(
        2.0**35 * gd_rate([1.0], 1 - 2.0**-35),
        1.0,
        "gd_rate([1], 1 - 2**-35), times 2**35,",
        "A rate may be small: is anything rounded?",
    )


def try_gd_rate_slowest(gd_rate):
    expect_return(
        gd_rate,
        ([1.0, 4.0], 0.3),
        0.7,
        "The factors are 0.7 and -0.2: which is larger in size?",
        {
            0.2: "That is the steepest direction, which is the fastest here; you wait for the slowest.",
            -0.2: "First the size of each factor, then the largest.",
            0.45: "That is the mean of both; you wait for the slowest.",
            0.9: "That is the sum of both; you wait for the slowest.",
        },
    )
    expect_return(
        gd_rate,
        ([1.0, 4.0], 0.45),
        0.8,
        "The factors are 0.55 and -0.8: which is larger in size?",
        {
            0.55: (
                "That is the factor of the flattest direction. In size, that of the steepest is larger: take the "
                "sizes first, then the largest."
            )
        },
    )
    expect_return(gd_rate, ([3.0, 0.5, 1.0], 0.2), 0.9, "The eigenvalues may come in any order.")
    expect_return(
        gd_rate,
        (np.array([2.0, -1.0]), 0.1),
        1.1,
        "A negative eigenvalue is a direction that goes down forever: its factor is 1.1.",
    )
    expect_return(
        gd_rate, (np.array([3, 1]), 0.25), 0.75, "The eigenvalues may be whole numbers: is the result cut to one?"
    )


def try_best_learning_rate(best_learning_rate):
    with known("gd_rate", GD_RATES):
        expect_returns(
            best_learning_rate,
            ([1.0, 4.0],),
            eta=(
                0.4,
                "At the best eta the flattest and the steepest direction are equally slow.",
                {
                    0.25: (
                        "1 / L makes the steepest direction perfect and leaves the flattest slow: a little more "
                        "is better."
                    ),
                    0.5: "2 / L is the edge of divergence.",
                    0.2: "That is 1 / (L + mu).",
                    0.8: "That is 4 / (L + mu).",
                    0.6: "That is the rate: eta comes first in the pair.",
                },
            ),
            rate=(None,),
        )
        expect_returns(
            best_learning_rate,
            ([0.02, 0.98],),
            eta=(2.0, "Here eta * 0.98 - 1 and 1 - eta * 0.02 should be equal."),
            rate=(None,),
        )
        expect_returns(
            best_learning_rate,
            ([1e-9, 4e-9],),
            eta=(4e8, "The hill is [1, 4] again, a thousand million times as flat."),
            rate=(None,),
        )


def try_best_learning_rate_rate(best_learning_rate):
    with known("gd_rate", GD_RATES):
        expect_returns(
            best_learning_rate,
            ([1.0, 4.0],),
            eta=(None,),
            rate=(
                0.6,
                "It is what is left after one step: gd_rate([1, 4], 0.4).",
                {
                    0.36: "That is what is left after two steps.",
                    -0.6: "A rate is not negative: is kappa the largest over the smallest eigenvalue?",
                    0.75: "That is 1 - 1 / kappa, the rate that belongs to eta = 1 / L.",
                    0.3333333: "Here kappa itself counts, not its root.",
                    0.4: "That is eta: the rate comes second in the pair.",
                    4.0: "That is kappa.",
                },
            ),
        )
        expect_returns(best_learning_rate, ([0.01, 0.99],), eta=(None,), rate=(0.98, "Here kappa is 99."))
        expect_returns(best_learning_rate, ([1e-9, 4e-9],), eta=(None,), rate=(0.6, "Here kappa is 4, as in [1, 4]."))


def try_best_learning_rate_order(best_learning_rate):
    with known("gd_rate", GD_RATES):
        expect_returns(
            best_learning_rate,
            ([3.0, 1.0, 4.0, 1.5],),
            eta=(
                0.4,
                "The smallest and the largest eigenvalue count, in whatever order they come.",
                {
                    0.4210526: "Only the smallest and the largest eigenvalue count: the mean of all does not.",
                    0.4444444: "The first and the last eigenvalue need not be the smallest and the largest.",
                },
            ),
            rate=(0.6, "The smallest and the largest eigenvalue count, in whatever order they come."),
        )
        expect_returns(
            best_learning_rate,
            (np.array([9.0, 1.0]),),
            eta=(0.2, "The eigenvalues may come in any order."),
            rate=(
                0.8,
                "The eigenvalues may come in any order.",
                {-0.8: "A rate is not negative: the first eigenvalue need not be the smallest."},
            ),
        )
        expect_returns(
            best_learning_rate,
            ([2.0],),
            eta=(0.5, "With one eigenvalue, one step leads into the minimum."),
            rate=(0.0, "With one eigenvalue, one step leads into the minimum."),
        )


def try_momentum_matrix_velocity(momentum_matrix):
    expect_row(
        momentum_matrix,
        (3.0, 0.1, 0.8),
        0,
        [0.8, 0.3],
        "It makes the new v from the old v and x: gamma * v + eta * lam * x.",
    )
    expect_row(
        momentum_matrix,
        (0.5, 0.4, 0.3),
        0,
        [0.3, 0.2],
        "It makes the new v from the old v and x: gamma * v + eta * lam * x.",
    )
    expect_row(momentum_matrix, (2, 0.25, 0), 0, [0.0, 0.5], "Here gamma is the whole number 0: is anything cut?")


def try_momentum_matrix(momentum_matrix):
    expect_row(
        momentum_matrix,
        (3.0, 0.1, 0.8),
        1,
        [-0.8, 0.7],
        "x moves by the new velocity: put the first line into x - v_new, and sort by v and x.",
    )
    expect_row(
        momentum_matrix,
        (0.5, 0.4, 0.3),
        1,
        [-0.3, 0.8],
        "x moves by the new velocity: put the first line into x - v_new, and sort by v and x.",
    )
    expect_row(momentum_matrix, (2, 0.25, 0), 1, [0.0, 0.5], "Here gamma is the whole number 0: is anything cut?")


def try_momentum_matrix_path(momentum_matrix):
    expect_matrix_path(momentum_matrix, (4.0, 0.1, 0.5), [(0.0, 1.0), (0.4, 0.6), (0.44, 0.16), (0.284, -0.124)])
    expect_matrix_path(momentum_matrix, (2, 0.25, 0), [(0.0, 1.0), (0.5, 0.5), (0.25, 0.25)])


def try_momentum_rate(momentum_rate):
    with known("momentum_matrix", MATRICES):
        expect_return(
            momentum_rate,
            (1.0, 0.1, 0.4),
            0.8,
            "The eigenvalues are 0.8 and 0.5, which are real: the rate is the larger one. Is the matrix that "
            "of momentum_matrix, and `eigvals` its function?",
            RATE_SLIPS
            | {0.5: "That is the smaller one.", 0.9: "That is the rate of gradient descent: gamma is not in it."},
        )
        expect_return(
            momentum_rate,
            (1e-13, 1e12, 0.4),
            0.8,
            "Only eta * lam counts, and it is 0.1 again: no number is too small.",
        )
        expect_return(momentum_rate, (2.0, 0.05, 0.0), 0.9, "Without velocity it is gradient descent, 1 - eta * lam.")
        expect_return(
            momentum_rate, (1.0, 1.0, 0.0), 0.0, "Without velocity, and with eta = 1 / lam, one step arrives."
        )


def try_momentum_rate_swings(momentum_rate):
    with known("momentum_matrix", MATRICES):
        expect_return(
            momentum_rate,
            (2.0, 0.5, 0.25),
            0.5,
            "The eigenvalues are 0.125 ± 0.484i: the size of each is the root of their product, gamma.",
            RATE_SLIPS
            | {
                0.125: "That is the real part alone: the size of a complex number is its `abs`.",
                0.25: "That is the product of the two eigenvalues, the square of their size.",
            },
        )
        expect_return(
            momentum_rate,
            (1.0, 3.4, 0.81),
            0.9,
            "The eigenvalues are a complex pair: the size of both is the root of gamma.",
            {0.795: "That is the real part alone: the size of a complex number is its `abs`."},
        )


def try_momentum_rate_jumps(momentum_rate):
    with known("momentum_matrix", MATRICES):
        expect_return(
            momentum_rate,
            (1.0, 2.7, 0.4),
            0.8,
            "The eigenvalues are -0.8 and -0.5: the rate is the larger size.",
            RATE_SLIPS
            | {
                -0.5: "First the size of each, then the largest.",
                0.5: "Take the larger size.",
                1.7: "That is the rate of gradient descent: gamma is not in it.",
            },
        )
        expect_return(
            momentum_rate,
            (3.0, 1.0, 0.0),
            2.0,
            "Without velocity the factor is 1 - 3 = -2: the path grows, and the rate is 2.",
        )
        expect_return(
            momentum_rate,
            (-0.5, 0.3, 0.4),
            0.775 + 0.200625**0.5,
            "Along a negative curvature the path grows: the rate is above 1.",
        )


def try_is_stable(is_stable):
    with known("momentum_rate", STABILITY_RATES):
        expect_verdict(is_stable, (1.0, 0.5, 0.5), True, "It is in the middle of the dark part of the map.")
        expect_verdict(
            is_stable,
            (1.0, 2.5, 0.5),
            True,
            "Gradient descent diverges there, momentum does not: the boundary grows with gamma.",
        )
        expect_verdict(
            is_stable,
            (1.0, 2.9999999999, 0.5),
            True,
            "The boundary is at 3, and this is just inside: no margin is needed.",
        )
        expect_verdict(
            is_stable, (-1.0, -0.5, 0.5), True, "Only the product counts, eta * lam, and it is positive: 0.5."
        )
        expect_verdict(
            is_stable, (5.0, 0.7, 0.5), False, "eta * lam is 3.5, to the right of the map's end at gamma = 0.5."
        )
        expect_verdict(
            is_stable,
            (-1.0, 0.5, 0.5),
            False,
            ("The hill goes down forever in that direction: eta * lam is negative."),
        )


def try_is_stable_boundary(is_stable):
    with known("momentum_rate", STABILITY_RATES):
        expect_verdict(
            is_stable,
            (3.0, 1.0, 0.5),
            False,
            "Exactly on the boundary the path does not come to rest. Compare eta * lam itself, not a computed rate.",
        )
        expect_verdict(
            is_stable, (2.0, 1.0, 0.0), False, "Exactly on the boundary of gradient descent the path jumps forever."
        )
        expect_verdict(
            is_stable,
            (3.5, 1.0, 0.75),
            False,
            "Exactly on the boundary the path does not come to rest. Compare eta * lam itself, not a computed rate.",
        )
        expect_verdict(
            is_stable,
            (2.75, 1.0, 0.375),
            False,
            "Exactly on the boundary the path does not come to rest. Compare eta * lam itself, not a computed rate.",
        )
        expect_verdict(
            is_stable,
            (0.0, 0.5, 0.25),
            False,
            "On flat ground the ball never comes to the minimum: eta * lam = 0 is on the boundary.",
        )
        expect_verdict(
            is_stable,
            (math.nextafter(3.0, 0.0), 1.0, 0.5),
            True,
            "The boundary is at 3, and this is the next smaller number: compare without a margin.",
        )
        expect_verdict(
            is_stable,
            (math.nextafter(3.0, 4.0), 1.0, 0.5),
            False,
            "The boundary is at 3, and this is the next larger number: compare without a margin.",
        )
        expect_verdict(
            is_stable,
            (1e-300, 0.5, 0.25),
            True,
            "eta * lam is hardly above 0, but it is: compare it with 0 itself.",
        )


def try_is_stable_gamma(is_stable):
    with known("momentum_rate", STABILITY_RATES):
        expect_verdict(is_stable, (1.0, 0.5, 0.0), True, "gamma = 0 is gradient descent, and belongs to the region.")
        expect_verdict(
            is_stable, (0.75, 0.4, 0.9), True, "The boundary grows with gamma: it is at 3.8 here, and eta * lam is 0.3."
        )
        expect_verdict(
            is_stable,
            (1.0, 0.5, 1.0),
            False,
            "With gamma = 1 nothing of the velocity is ever lost: the ball swings forever.",
        )
        expect_verdict(is_stable, (1.0, 0.5, 1.25), False, "With gamma above 1 the velocity grows by itself.")
        expect_verdict(
            is_stable, (1.0, 0.5, -0.25), False, "A negative gamma is outside of the region, by the docstring."
        )
        expect_verdict(
            is_stable,
            (1.0, 0.5, math.nextafter(1.0, 0.0)),
            True,
            "gamma is the next number below 1, which is inside: compare without a margin.",
        )


def try_best_momentum(best_momentum):
    with known("momentum_rate", MOMENTUM_RATES):
        expect_returns(
            best_momentum,
            ([1.0, 4.0],),
            eta=(
                4 / 9,
                "Add the two equations: sqrt(eta) * (sqrt(L) + sqrt(mu)) = 2.",
                {
                    0.6666667: "That is the square root of eta.",
                    0.4: (
                        "That is the best eta of gradient descent. With momentum the roots of the eigenvalues count."
                    ),
                    0.8: "Is it the roots of L and mu that are added?",
                    0.1111111: "That is gamma: eta comes first.",
                },
            ),
            gamma=(None,),
            rate=(None,),
        )
        expect_returns(
            best_momentum,
            ([0.16, 4.0],),
            eta=(25 / 36, "Add the two equations: sqrt(eta) * (sqrt(L) + sqrt(mu)) = 2."),
            gamma=(None,),
            rate=(None,),
        )


def try_best_momentum_gamma(best_momentum):
    with known("momentum_rate", MOMENTUM_RATES):
        expect_returns(
            best_momentum,
            ([1.0, 4.0],),
            eta=(None,),
            gamma=(
                1 / 9,
                "Divide the two equations and solve for sqrt(gamma); then square it.",
                {
                    0.3333333: "That is the square root of gamma.",
                    0.36: "It is the root of kappa that counts.",
                    0.6: "It is the root of kappa that counts.",
                    0.4444444: "That is eta: gamma comes second.",
                },
            ),
            rate=(None,),
        )
        expect_returns(
            best_momentum, ([0.16, 4.0],), eta=(None,), gamma=(4 / 9, "Here the root of kappa is 5."), rate=(None,)
        )
        expect_returns(
            best_momentum,
            ([1.0, 1e6],),
            eta=(None,),
            gamma=((999 / 1001) ** 2, "Here the root of kappa is 1000: gamma comes near 1."),
            rate=(None,),
        )


def try_best_momentum_rate(best_momentum):
    with known("momentum_rate", MOMENTUM_RATES):
        expect_returns(
            best_momentum,
            ([1.0, 4.0],),
            eta=(None,),
            gamma=(None,),
            rate=(
                1 / 3,
                "All directions swing: the rate is the root of gamma.",
                {
                    0.1111111: "That is gamma; the rate is its root.",
                    0.6: "That is the rate of gradient descent: with momentum the root of kappa counts.",
                },
            ),
        )
        expect_returns(
            best_momentum,
            ([0.16, 4.0],),
            eta=(None,),
            gamma=(None,),
            rate=(2 / 3, "All directions swing: the rate is the root of gamma."),
        )


def try_best_momentum_order(best_momentum):
    with known("momentum_rate", MOMENTUM_RATES):
        expect_returns(
            best_momentum,
            ([2.0, 4.0, 1.0, 3.0],),
            eta=(4 / 9, "Only the smallest and the largest eigenvalue count, in any order."),
            gamma=(1 / 9, "Only the smallest and the largest eigenvalue count, in any order."),
            rate=(1 / 3, "Only the smallest and the largest eigenvalue count, in any order."),
        )
        expect_returns(
            best_momentum,
            (np.array([4.0, 1.0]),),
            eta=(4 / 9, "The eigenvalues may come in any order."),
            gamma=(1 / 9, "The eigenvalues may come in any order."),
            rate=(1 / 3, "The eigenvalues may come in any order, and a rate is not negative."),
        )
        expect_returns(
            best_momentum,
            ([2.0],),
            eta=(0.5, "With one eigenvalue one step of gradient descent leads into the minimum."),
            gamma=(0.0, "With one eigenvalue no momentum is needed."),
            rate=(0.0, "With one eigenvalue one step of gradient descent leads into the minimum."),
        )
        cut = "The eigenvalues may be whole numbers, but their roots are not: is anything cut?"
        expect_returns(best_momentum, (np.array([8, 2]),), eta=(2 / 9, cut), gamma=(1 / 9, cut), rate=(1 / 3, cut))


def try_rotated(rotated):
    of_a_copy = lambda A, angle: rotated(A.copy(), angle)  # noqa: E731 -- what becomes of A itself is the next check's
    expect_entries(
        of_a_copy,
        (np.diag([1.0, 3.0]), np.pi / 2),
        [[3, 0], [0, 1]],
        "A quarter turn swaps the two curvatures. Is the angle in radians, and are the products matrix products?",
        [
            ([[0, -3], [1, 0]], "That is R @ A: the R.T on the right is missing."),
            ([[-3, 0], [0, -1]], "Is the second R transposed?"),
            ([[0, 0], [0, 0]], "`*` multiplies entry by entry; the product of matrices is `@`."),
            ([[1.001503, -0.054804], [-0.054804, 2.998497]], "The angle is in radians already."),
        ],
        what="rotated(diag(1, 3), pi / 2)",
    )
    expect_entries(
        of_a_copy,
        (np.diag([1.0, 3.0]), np.pi / 6),
        [[1.5, -(0.75**0.5)], [-(0.75**0.5), 2.5]],
        "The product is R @ A @ R.T, in this order.",
        [
            (
                [[1.5, 0.8660254], [0.8660254, 2.5]],
                "That is turned clockwise: look at the signs of the sines, and at which R is transposed.",
            )
        ],
        what="rotated(diag(1, 3), pi / 6)",
    )


def try_rotated_any(rotated):
    expect_entries(
        rotated,
        (np.array([[1.0, 2.0], [3.0, 4.0]]), -0.5),
        [[3.793224003218, 2.112962241882], [3.112962241882, 1.206775996782]],
        "Neither is A always symmetric, nor the angle always positive.",
        what="rotated([[1, 2], [3, 4]], -0.5)",
    )
    expect_entries(
        rotated,
        (np.array([[2.0, 1.0], [0.0, 5.0]]), 2 * np.pi),
        [[2, 1], [0, 5]],
        "A full turn changes nothing.",
        what="rotated([[2, 1], [0, 5]], 2 * pi)",
    )
    expect_entries(
        lambda A, angle: 1e12 * np.asarray(rotated(1e-12 * A, angle)),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), -0.5),
        [[3.793224003218, 2.112962241882], [3.112962241882, 1.206775996782]],
        "A flat hill is turned like a steep one: is anything rounded?",
        what="1e12 * rotated([[1e-12, 2e-12], [3e-12, 4e-12]], -0.5)",
    )
    expect_entries(
        rotated,
        (np.array([[2.0, 1.0], [0.0, 5.0]]), 2e-4),
        [[1.999800120005, 0.999399960016], [-0.000600039984, 5.000199879995]],
        "A small angle is an angle, too.",
        what="rotated([[2, 1], [0, 5]], 2e-4)",
    )
    A = np.diag([1.0, 3.0])
    expect(
        not np.shares_memory(np.asarray(rotated(A, 0.0)), A),
        "rotated(A, 0.0) should be a new array with the numbers of A, yours gives back A itself: a change of the one "
        "would then change the other.",
    )


def try_steps_needed(steps_needed):
    expect_index(
        steps_needed,
        ([(5.0, 0.0), (3.0, 0.0), (2.5, 0.0), (1.5, 0.0), (0.1, 0.0)], 2.0),
        3,
        "From point 3 on it is within 2.",
        {
            1: "Is the distance that of each point? For an array of points it is `np.linalg.norm(path, axis=1)`.",
            2: "That is the last point outside: it is near from the next one on.",
            4: "The start is point 0, and the distance itself is compared, not its square.",
        },
    )
    expect_index(
        steps_needed,
        (np.array([[3.0, 4.0], [0.8, 0.8], [0.6, 0.6]]), 1.0),
        2,
        "(0.8, 0.8) is 1.13 away: the distance is the Euclidean one, of all coordinates.",
    )


def try_steps_needed_stays(steps_needed):
    expect_index(
        steps_needed,
        ([(5.0, 0.0), (0.3, 0.0), (-0.6, 0.0), (0.4, 0.0), (-0.2, 0.0)], 0.5),
        3,
        "Point 1 is near, but point 2 is not: it has to stay.",
    )
    expect_index(steps_needed, ([(0.5, 0.0), (0.1, 0.0), (0.0, 7.0)], 1.0), None, "The last point is far away.")
    long = [(2.0, 0.0), (0.1, 0.0)] * 1000
    expect_number(
        steps_needed(long, 1.0),
        1999,
        "steps_needed(path, 1) of 2000 points, of which every second one is far away,",
        "Look at all points: a path may be long.",
    )


def try_steps_needed_edges(steps_needed):
    expect_index(steps_needed, ([(9.0, 9.0), (3.0, 4.0)], 5.0), 1, "Exactly at the tolerance counts as within.")
    expect_index(steps_needed, ([(9.0, 9.0), (3.0, 4.0)], 4.5), None, "(3, 4) is 5 away, in a straight line.")
    expect_index(steps_needed, ([(0.3, 0.0), (0.2, 0.0)], 1.0), 0, "It is near from the start.")
    expect_index(steps_needed, ([(0.3, 0.0), (2.0, 0.0)], 1.0), None, "It never stays.")
    expect_index(
        steps_needed,
        (np.array([(0.5, 0.0), (math.inf, 0.0), (math.nan, 0.0)]), 1.0),
        None,
        "NaN is not near anything: ask whether a point is within, and not whether it is outside.",
    )


def try_newton_step(newton_step):
    expect_entries(
        newton_step,
        (np.array([2.0, 2.0]), np.diag([2.0, 4.0])),
        [-1, -0.5],
        "Each coordinate is divided by its own curvature.",
        [
            ([1, 0.5], "It leads away from the minimum: what is the sign?"),
            ([-4, -8], "The Hessian divides, it does not multiply."),
        ],
    )
    expect_entries(
        newton_step,
        (np.array([1.0, 4.0]), np.array([[2.0, 1.0], [1.0, 3.0]])),
        [0.2, -1.4],
        "The whole matrix counts, not its diagonal alone.",
    )
    expect_entries(
        newton_step,
        (np.array([2.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])),
        [1, -2],
        "Near a saddle Newton's step leads to the saddle: the signs of the curvatures count.",
    )
    expect_entries(
        newton_step,
        (np.array([2.0, 2.0]), np.diag([2e-12, 4e-12])),
        [-1e12, -5e11],
        "On nearly flat ground the step is long: is anything added to the Hessian, or cut off?",
    )
    expect_entries(
        newton_step,
        (np.zeros(2), np.diag([2.0, 4.0])),
        [0, 0],
        "Where the gradient is 0, Newton stays: is anything divided by the gradient's length?",
    )


def try_newton_step_solved(newton_step):
    expect_solved(newton_step, 1 / (1 + np.arange(8)[:, None] + np.arange(8)))


def try_preconditioned_gd(preconditioned_gd):
    expect_path(
        preconditioned_gd(
            np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 0.0]), np.array([1.0, -1.0]), np.eye(2), 0.1, 2
        ),
        [[1, -1], [1, -0.8], [0.98, -0.66]],
        "with P the identity, the path",
        {
            0: "It begins with the start, x0.",
            1: "The gradient is A @ x - b, and a step goes against it, eta times as long.",
            2: "The first step is right: is the gradient computed again, at the new point?",
        },
        {
            (0.9, -0.8): "Is b missing in the gradient?",
            (0.8, -0.8): "b has the wrong sign in the gradient.",
            (1, -1.2): "That step goes uphill.",
            (1, 1): "Is eta missing?",
        },
    )


def try_preconditioned_gd_matrix(preconditioned_gd):
    expect_path(
        preconditioned_gd(
            np.array([[2.0, 1.0], [1.0, 3.0]]),
            np.array([1.0, 0.0]),
            np.array([1.0, -1.0]),
            np.array([[1.0, 0.5], [0.0, 2.0]]),
            0.1,
            2,
        ),
        [[1, -1], [1.1, -0.6], [1.075, -0.46]],
        "with P = [[1, 0.5], [0, 2]], the path",
        {
            0: "It begins with the start, x0.",
            1: "The gradient is multiplied by P from the left, P @ gradient: P need not be symmetric.",
        },
        {(1, -0.8): "P has no effect in yours."},
    )


def try_preconditioned_gd_steps(preconditioned_gd):
    expect_path(
        preconditioned_gd(np.eye(3), np.zeros(3), np.array([1.0, 2.0, 3.0]), np.eye(3), 0.5, 0),
        [[1, 2, 3]],
        "with num_steps=0, the path",
        {0: "No step: only the start."},
    )
    expect_path(
        preconditioned_gd(np.eye(1), np.array([2.0]), np.array([0.0]), np.eye(1), 0.5, 3),
        [[0], [1], [1.5], [1.75]],
        "with one parameter and num_steps=3, the path",
        {
            0: "It begins with the start, x0.",
            1: "Here A and P are 1, b is 2 and eta 0.5: each step halves the way to 2.",
        },
    )
    expect_path(
        preconditioned_gd(np.array([[100.0]]), np.zeros(1), np.array([1.0]), np.eye(1), 1.0, 2),
        [[1], [-99], [9801]],
        "with A = [[100]] and eta = 1, which diverges, the path",
        {0: "It holds the points as they are, however far away."},
    )
    expect_path(
        preconditioned_gd(np.array([[1e-8]]), np.zeros(1), np.array([1.0]), np.eye(1), 5e7, 3),
        [[1], [0.5], [0.25], [0.125]],
        "with A = [[1e-8]] and eta = 5e7, the path",
        {0: "All num_steps steps should be taken, also where the gradient is small."},
    )
    expect_path(
        1e12 * np.asarray(preconditioned_gd(np.eye(1), np.zeros(1), np.array([1e-12]), np.eye(1), 0.5, 2)),
        [[1], [0.5], [0.25]],
        "with A = [[1]], eta = 0.5 and x0 = [1e-12], 1e12 times the path",
        {0: "All num_steps steps should be taken, also where the gradient is small."},
    )
    expect_path(
        preconditioned_gd(np.eye(2), np.zeros(2), np.array([4, 2]), np.eye(2), 0.5, 2),
        [[4, 2], [2, 1], [1, 0.5]],
        "with x0 = [4, 2], whole numbers, the path",
        {0: "The points are fractions, also if the start is an array of whole numbers."},
    )


def try_preconditioned_gd_untouched(preconditioned_gd):
    expect_untouched(
        lambda A, b, x0, P: preconditioned_gd(A, b, x0, P, 0.1, 3),
        (np.diag([1.0, 2.0]), np.array([1.0, 1.0]), np.array([3.0, -1.0]), np.eye(2)),
        "A",
        "b",
        "x0",
        "P",
        of="preconditioned_gd",
    )
