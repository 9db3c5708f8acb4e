"""The references for `clip_gradients` and `AdamW`: torch's own, on parameters of the same values and gradients.

`judge_...` functions compare the replies of a probe of `grading.probe.real_parameters` with them.
"""

from collections.abc import Iterator

import numpy as np
import torch

from grading.oracle.compare import Mismatch, same_list, same_number, show, that
from grading.oracle.recent import remembered
from grading.oracle.student_code import Delegated, Student

FLOAT32_RTOL = 1e-5


def parameters(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Values of parameters of these shapes; no two numbers are equal, none is zero."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    values = (-1.0) ** np.arange(sum(sizes)) * np.linspace(0.4, 3.0, sum(sizes))
    return [part.reshape(shape) for part, shape in zip(np.split(values, np.cumsum(sizes)[:-1]), shapes)]


def gradients(
    rng: np.random.Generator, n_steps: int, start: list[np.ndarray], rest: dict[int, int] | None = None
) -> list[list]:
    """For each step an array for each parameter: signs that change, sizes from 0.001 to 30.

    Args:
        rest: by the index of a parameter, a period n: at every n-th step, from the first on, it has no gradient, and
            None replaces its array.
    """
    rows: list[list] = []
    rest = rest or {}
    for step in range(n_steps):
        rows.append([])
        for place, value in enumerate(start):
            sizes = 10.0 ** rng.uniform(-3.0, 1.5, size=value.shape) * rng.choice([-1.0, 1.0], size=value.shape)
            resting = place in rest and step % rest[place] == 0
            rows[-1].append(None if resting else sizes)
    return rows


@remembered
def torch_path(run: dict) -> list:
    """The path of `torch.optim.AdamW` through a run; see `grading.probe.real_parameters.follow`."""
    dtype = getattr(torch, run.get("dtype", "float64"))
    params = [torch.nn.Parameter(torch.tensor(value, dtype=dtype)) for value in run["start"]]
    optimizer = torch.optim.AdamW(params, *run.get("positional", []), **run.get("hyperparameters", {}))
    path = [[param.tolist() for param in params]]
    for step, row in enumerate(run["gradients"]):
        for param, gradient in zip(params, row):
            param.grad = None if gradient is None else torch.tensor(gradient, dtype=dtype)
        if run.get("rates"):
            optimizer.param_groups[0]["lr"] = run["rates"][step]
        optimizer.step()
        path.append([param.tolist() for param in params])
    return path


def judge_paths(reply: dict, runs: list[dict], what: str) -> None:
    """Every parameter after every step."""
    require_own_steps(reply)
    for yours, run in zip(reply["paths"], runs, strict=True):
        rtol = FLOAT32_RTOL if run.get("dtype") == "float32" else 1e-10
        _judge_path(yours, torch_path(run), what, rtol)


def judge_paths_if(condition: tuple[dict, list[dict]], reply: dict, runs: list[dict], what: str) -> None:
    """Like `judge_paths`, but first require that the answer to another question, (reply, runs), is right."""
    try:
        judge_paths(*condition, what)
    except Delegated:
        raise
    except Mismatch:
        return
    judge_paths(reply, runs, what)


def judge_skipped(condition: tuple[dict, list[dict]], reply: dict, runs: list[dict], what: str) -> None:
    """Parameters without a gradient do not move, and gradients do not change, in an answer that is otherwise right."""
    for yours, run in zip(reply["paths"], runs, strict=True):
        for step, row in enumerate(run["gradients"], start=1):
            for place, gradient in enumerate(row):
                if gradient is None:
                    where = f"{what}: parameter {place + 1} has no gradient in step {step}, so it"
                    same_list(yours[step][place], yours[step - 1][place], where, rtol=0.0, atol=0.0)
                else:
                    moved = yours[step][place] != yours[step - 1][place]
                    that(moved, f"{what}: parameter {place + 1} has a gradient in step {step}, and does not move.")
    _require_adams_direction(reply["paths"][-1], runs[-1], what)
    judge_paths_if(condition, reply, runs, what)
    if reply["changed"]:
        step, place = reply["changed"]
        raise Mismatch(
            f"{what}: step {step} changes the gradient of parameter {place + 1}. It should only read it: "
            "`a = a * b` makes a new tensor where `a *= b` would write into the old one."
        )
    that(
        reply["tracking"],
        f"{what}: after step() torch should track gradients again, and every parameter should require one. With "
        "`with torch.no_grad():` it does by itself.",
    )


def _require_adams_direction(path: list, run: dict, what: str) -> None:
    """The first step of a run goes against the signs of the gradients, and perhaps toward 0, by one amount each.

    An answer may have other mistakes, but this much of Adam is required.
    """
    places = [place for place, gradient in enumerate(run["gradients"][0]) if gradient is not None]
    for place in places:
        _same_shape(path[1][place], run["start"][place], f"{what}: parameter {place + 1} after step 1")
    start = np.concatenate([np.ravel(run["start"][place]) for place in places])
    moved = np.concatenate([np.ravel(np.array(path[1][place], dtype=float)) for place in places]) - start
    signs = np.concatenate([np.ravel(np.sign(run["gradients"][0][place])) for place in places])
    basis = np.stack([signs, start], axis=1)
    amounts = np.linalg.lstsq(basis, moved, rcond=None)[0] if np.isfinite(moved).all() else np.zeros(2)
    rest = float(np.abs(moved - basis @ amounts).max())
    that(
        abs(amounts[0]) > 1e-6 and rest <= 0.03 * float(np.abs(moved).max()),
        f"{what}: the first step should move each number by one length, against the sign of its gradient, "
        "and shrink it; yours does not.",
    )


def judge_forgotten(student: Student, rng: np.random.Generator, rest: dict[int, int]) -> None:
    """After `zero_grad` no parameter has a gradient or has moved. The next gradients come from later losses only."""
    start = parameters((3,), (2, 2), (1,))
    rows, losses = gradients(rng, 1, start, rest)[0], gradients(rng, 2, start)
    asked = {"name": "AdamW", "values": start, "gradients": rows, "losses": losses}
    reply = student.ask("real_parameters.zero_grad", about="AdamW", **asked)
    require_own_steps(reply)
    for place, (mine, right) in enumerate(zip(reply["values"], start, strict=True), start=1):
        same_list(mine, right.tolist(), f"after zero_grad() parameter {place}")
    for place, left in enumerate(reply["gradients"], start=1):
        that(
            left is None,
            f"after zero_grad() the `.grad` of parameter {place} should be None, as torch leaves it; yours is "
            f"{show(left)}. With zeros, step() would move a parameter that the next loss does not use.",
        )
    for place, mine in enumerate(reply["sums"]):
        expected = (losses[0][place] + losses[1][place]).tolist()
        same_list(mine, expected, f"after zero_grad() and two losses the gradient of parameter {place + 1}")


def _same_shape(yours: object, expected: np.ndarray, what: str) -> None:
    same_list(yours, np.asarray(expected).tolist(), what, rtol=0.0, atol=np.inf)


def require_own_steps(reply: dict) -> None:
    if reply["torch_optim"]:
        raise Delegated(
            f"This calls torch's own optimizer (`torch.optim`, in `{reply['torch_optim']}`). "
            "Here the update rule itself is the exercise: write it with each parameter and its `.grad`."
        )


def torch_clip(rows: list, max_norm: float) -> tuple[float, list]:
    """`torch.nn.utils.clip_grad_norm_`: the norm before, and the gradients after."""
    params = [torch.nn.Parameter(torch.zeros(2 if row is None else row.shape, dtype=torch.float64)) for row in rows]
    for param, row in zip(params, rows):
        param.grad = None if row is None else torch.tensor(row)
    norm = float(torch.nn.utils.clip_grad_norm_(params, max_norm))
    return norm, [None if param.grad is None else param.grad.tolist() for param in params]


def judge_norms(reply: dict, cases: list[dict]) -> None:
    """The numbers that `clip_gradients` returned."""
    for result, case, what in _results(reply, cases):
        norm, _ = torch_clip(case["gradients"], case["max_norm"])
        same_number(result["returned"], norm, f"the norm that clip_gradients returns ({what})")


def clip_cases(rng: np.random.Generator, *max_norms: float, scale: float = 1.0) -> list[dict]:
    """Three parameters each, of which one has no gradient."""
    start, cases = parameters((4,), (2, 1, 3), (1,)), []
    for number, max_norm in enumerate(max_norms):
        rows = gradients(rng, 1, start, rest={number % 3: 1})[0]
        rows = [None if row is None else scale * row for row in rows]
        cases.append({"values": start, "gradients": rows, "max_norm": max_norm, "iterator": number == 1})
    return cases


def border_cases(rng: np.random.Generator) -> list[dict]:
    """Gradients as long as max_norm, and hardly shorter: the 1e-6 in the denominator makes the factor less than 1."""
    cases = clip_cases(rng, 0.0, 0.0, scale=1e-3)
    for case, beyond in zip(cases, (0.0, 5e-7)):
        case["max_norm"] = torch_clip(case["gradients"], 1.0)[0] + beyond
    return cases


def judge_clipped(reply: dict, cases: list[dict]) -> None:
    """The gradients after `clip_gradients`, and the parameters as they were."""
    for result, case, what in _results(reply, cases):
        norm, expected = torch_clip(case["gradients"], case["max_norm"])
        for place, (mine, right) in enumerate(zip(result["gradients"], expected, strict=True), start=1):
            where = f"the gradient of parameter {place} after clip_gradients ({what}, norm {show(norm)})"
            if mine is None or right is None:
                that(mine is right, f"{where} should be {show(right)}, yours is {show(mine)}.")
            else:
                same_list(mine, right, where)
        for place, (mine, right) in enumerate(zip(result["values"], case["values"], strict=True), start=1):
            what = f"parameter {place} itself, which clip_gradients should leave alone,"
            same_list(mine, right.tolist(), what, rtol=0.0, atol=0.0)


def judge_short(reply: dict, cases: list[dict]) -> None:
    """Short gradients do not change. A last case with a long gradient must make it shorter."""
    shortened, last = reply["results"][-1]["gradients"][0], cases[-1]["gradients"][0]
    judge_clipped({**reply, "results": reply["results"][:-1]}, cases[:-1])
    _same_shape(shortened, last, "the gradient after clip_gradients")
    mine, norm = np.array(shortened, dtype=float).ravel(), float(np.linalg.norm(last))
    that(
        float(np.linalg.norm(mine)) < norm * (1 - 1e-9)
        and float(mine @ last.ravel()) > 0.1 * norm * float(np.linalg.norm(mine)),
        "a gradient that is longer than max_norm should get shorter, and keep its direction; yours is "
        f"{show(shortened)} after {show(last.tolist())}.",
    )


def _results(reply: dict, cases: list[dict]) -> Iterator:
    if reply["torch_clip"]:
        raise Delegated(
            f"This calls torch's own clipping (`{reply['torch_clip']}`). Here the clipping itself is the exercise: "
            "compute the norm, and scale each gradient."
        )
    for result, case in zip(reply["results"], cases, strict=True):
        yield result, case, f"max_norm={case['max_norm']:g}"


def _judge_path(yours: list, expected: list, what: str, rtol: float) -> None:
    # The tolerance is relative to the largest value of the parameter on the path: near a zero crossing, rounding errors
    # of a different order of summation are large compared with the value itself.
    for place in range(len(expected[0])):
        right = np.array([row[place] for row in expected])
        slack = rtol * np.abs(right).max()
        for step, row in enumerate(yours):
            where = f"{what}: parameter {place + 1} after step {step}"
            agree = f" You agree up to step {step - 1}." if step > 1 else ""
            try:
                same_list(row[place], right[step].tolist(), where, rtol=0.0, atol=slack)
            except Mismatch as error:
                raise Mismatch(f"{error}{agree}", error.rows) from None
