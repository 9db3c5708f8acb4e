"""The form of a probe's replies: one schema for each probe, checked before any judge sees the reply.

A reply comes from the student's process, so it may be anything. The schema of a question says which fields its reply
has, the length of each list and the type of each value. No field may be missing, and there may be no others. A field
with the student's own result (`result`) may contain any plain data; the judge says if it is not a number.

The judges call it a claim when a reply says something about the process itself: which events took place, whether an
array was changed, how much time something took. A claim may cost points and never earns any.
"""

from collections.abc import Callable, Sized

from grading.probe import wire

Check = Callable[[object, str], None]

MAX_EVENTS = 20_000
MAX_TEXT = 4_000


class Unreadable(ValueError):
    """A reply does not fit its schema; the message names the place."""


def require(condition: bool, where: str, what: str) -> None:
    if not condition:
        raise Unreadable(f"{where} should be {what}")


def result(value: object, where: str) -> None:
    """The result of a student's code: any plain data, see `grading.probe.wire.encode`."""


def number(value: object, where: str) -> None:
    """A number, finite or not."""
    require(isinstance(value, (int, float)) and not isinstance(value, bool), where, "a number")


def count(value: object, where: str) -> None:
    """A whole number from 0 on."""
    require(isinstance(value, int) and not isinstance(value, bool) and value >= 0, where, "a whole number")


def flag(value: object, where: str) -> None:
    """True or False."""
    require(isinstance(value, bool), where, "true or false")


def text(value: object, where: str) -> None:
    """A text that is not too long."""
    require(isinstance(value, str) and len(value) <= MAX_TEXT, where, "a text")


def nothing(value: object, where: str) -> None:
    """None."""
    require(value is None, where, "null")


def either(*checks: Check) -> Check:
    """One of several."""

    def check(value: object, where: str) -> None:
        faults = []
        for one in checks:
            try:
                return one(value, where)
            except Unreadable as fault:
                faults.append(str(fault))
        raise Unreadable(faults[-1])

    return check


def items(item: Check, length: int | None = None, at_most: int = MAX_EVENTS) -> Check:
    """A list of exactly `length` items, or of at most `at_most`."""

    def check(value: object, where: str) -> None:
        require(isinstance(value, list), where, "a list")
        assert isinstance(value, list)
        if length is not None:
            require(len(value) == length, where, f"a list of {length}")
        require(len(value) <= at_most, where, f"a list of at most {at_most}")
        for index, one in enumerate(value):
            item(one, f"{where}[{index}]")

    return check


def row(*checks: Check) -> Check:
    """A list with one item for each check, in order."""

    def check(value: object, where: str) -> None:
        require(isinstance(value, list) and len(value) == len(checks), where, f"a list of {len(checks)}")
        assert isinstance(value, list)
        for index, (one, item) in enumerate(zip(value, checks, strict=True)):
            item(one, f"{where}[{index}]")

    return check


def record(**fields: Check) -> Check:
    """A dictionary with exactly these keys."""

    def check(value: object, where: str) -> None:
        require(isinstance(value, dict) and value.keys() == fields.keys(), where, f"the fields {', '.join(fields)}")
        assert isinstance(value, dict)
        for name, field in fields.items():
            field(value[name], f"{where}.{name}")

    return check


ERROR = record(type=text, message=text, line=either(nothing, count), code=either(nothing, text))
WHERE = either(nothing, text)  # where torch was used, or None


def envelope(reply: object) -> dict:
    """Every reply contains a value or describes an exception.

    Raises:
        Unreadable: it is neither.
    """
    either(record(error=ERROR), record(value=result))(reply, "the reply")
    assert isinstance(reply, dict)  # both schemas say so
    return reply


def check(probe: str, arguments: dict, value: object) -> None:
    """Check the value of a reply with the schema of its question.

    Args:
        probe: `"<module>.<function>"`.
        arguments: what the probe was called with.

    Raises:
        Unreadable: it does not fit.
        KeyError: no schema is known for this probe.
    """
    SCHEMAS[probe](arguments)(value, "value")


# mini-torch


def _places(asked: dict) -> int:
    return len(asked["values"]) + len(_plain(asked["steps"]))


def _plain(steps: list | wire.Described) -> Sized:
    return steps.description["plain"] if isinstance(steps, wire.Described) else steps


def _operation(asked: dict) -> Check:
    n = len(asked["values"])
    return record(gradients=items(result, n), values=items(result, n), exponent=result)


def _evaluate(asked: dict) -> Check:
    values, fresh = items(result, _places(asked)), items(row(result, result), len(asked["values"]))
    return record(values=values, fresh=fresh, new=flag, lists=flag)


def _differentiate(asked: dict) -> Check:
    n = len(asked["values"])
    return record(value=result, gradients=items(result, n), values=items(result, n), torch=WHERE)


def _recorded(asked: dict) -> Check:
    place = either(nothing, count, record(number=number))
    return items(row(text, items(place, 2), place, items(result, 3)), at_most=10_000)


def _ordered(asked: dict) -> Check:
    return record(nodes=either(nothing, items(either(nothing, count))), asked=count, kept=flag)


def _cleared(asked: dict) -> Check:
    each = items(result, len(asked["values"]))
    return record(gradients=each, values=each, kept=flag, returned=flag)


# optimizers


def _follow(asked: dict) -> Check:
    paths = [items(items(result, len(run["start"])), len(run["gradients"]) + 1) for run in asked["runs"]]
    return record(paths=row(*paths), gradients_changed=flag, returned=flag, ignored=flag, torch_optim=WHERE)


def _zero_grad(asked: dict) -> Check:
    n, rounds = len(asked["values"]), len(asked["rounds"])
    rows = items(items(result, n), rounds)
    others = row(*(items(result, len(gradients)) for gradients in asked["others"]))
    return record(cleared=rows, sums=rows, values=items(result, n), others=others, kept=flag, returned=flag)


def _step_raises(asked: dict) -> Check:
    return record(raised=row(WHERE, WHERE), values=items(result, len(asked["values"])))


def _train(asked: dict) -> Check:
    pairs = items(items(result, 2))
    return record(path=result, values=pairs, gradients=pairs, cleared=count)


# training


def _calls(asked: dict) -> Check:
    calls = asked["calls"]
    arguments = row(*(items(result, len(call.get("args", []))) for call in calls))
    return record(values=items(result, len(calls)), arguments=arguments, stand_ins_used=flag)


def _calls_with_arguments(asked: dict) -> Check:
    calls = asked["calls"]
    each = {"values": items(result, len(calls)), "own": items(flag, len(calls))}
    arguments = row(*(items(result, len(call)) for call in calls))
    return record(**each, overwritten=flag, arguments=arguments, stand_ins_used=flag)


def _iterate(asked: dict) -> Check:
    steps, n = len(asked["gradients"]) + 1, len(asked["state"])
    changed = either(nothing, row(count, count))
    path, states = items(result, steps), items(items(result, n), steps)
    return record(path=path, states=states, changed=changed, overwritten=flag, own=flag, torch_optim=WHERE)


def _batches(asked: dict) -> Check:
    batch = row(result, result)
    runs = items(items(items(batch, at_most=1_000), asked.get("n_calls", 1)), len(asked["seeds"]))
    kinds = items(items(text, at_most=10), 2)
    return record(runs=runs, X=result, y=result, kinds=kinds, **{"global": flag})


def _sgd(asked: dict) -> Check:
    one = record(w=result, losses=items(result), changed=items(text, at_most=3))
    return record(results=items(one, len(asked["runs"])), stand_ins_used=flag)


FORWARD = record(mode=text, tracked=flag, examples=count, outputs=result, weights=result)
LOSS = record(value=number, tracked=flag, examples=count)
WATCHED = {
    "forwards": items(FORWARD),
    "events": items(text),
    "lrs": items(number),
    "losses": items(LOSS),
    "kept": count,
    "weights": items(result),
    "modes": items(flag),
    "gradients": items(result),
    "requires_grad": items(flag),
}


def _train_epoch(asked: dict) -> Check:
    n = asked.get("n_epochs", 1)
    return record(returned=items(result, n), tensors=items(flag, n), **WATCHED)


def _evaluated(asked: dict) -> Check:
    return record(returned=result, tensors=items(flag), grad_enabled=flag, **WATCHED)


def _fit(asked: dict) -> Check:
    return record(
        history=result, tensors=items(text), stand_ins_used=flag, loaders=items(text), rounded=items(text), **WATCHED
    )


def _real_follow(asked: dict) -> Check:
    paths = [items(items(result, len(run["start"])), len(run["gradients"]) + 1) for run in asked["runs"]]
    return record(paths=row(*paths), changed=either(nothing, row(count, count)), tracking=flag, torch_optim=WHERE)


def _real_zero_grad(asked: dict) -> Check:
    each = items(result, len(asked["values"]))
    return record(gradients=each, sums=each, values=each, torch_optim=WHERE)


def _clip(asked: dict) -> Check:
    results = []
    for case in asked["cases"]:
        each = items(result, len(case["gradients"]))
        results.append(record(returned=result, gradients=each, values=each))
    return record(results=row(*results), torch_clip=WHERE)


SCHEMAS: dict[str, Callable[[dict], Check]] = {
    "core.value": lambda asked: result,
    "core.number": lambda asked: result,
    "core.call": lambda asked: record(value=result, arguments=items(result, len(asked["args"])), kind=text),
    "autodiff.operation": _operation,
    "autodiff.evaluate": _evaluate,
    "autodiff.differentiate": _differentiate,
    "autodiff.recorded": _recorded,
    "autodiff.backward_order": lambda asked: record(order=items(count), grad=result, kept=flag, untouched=flag),
    "autodiff.ordered": _ordered,
    "autodiff.long_order": lambda asked: either(nothing, items(either(nothing, count))),
    "autodiff.zero_grad": _cleared,
    "autodiff.cost": lambda asked: record(calls=count, peak=number, left=number),
    "autodiff.built": lambda asked: number,
    "autodiff.long_backward": lambda asked: items(result, len(asked["values"])),
    "optimizers.follow": _follow,
    "optimizers.zero_grad": _zero_grad,
    "optimizers.step_raises": _step_raises,
    "optimizers.train": _train,
    "optimizers.torch_train": lambda asked: record(path=result, made=count),
    "training.calls": _calls,
    "training.iterate": _iterate,
    "training.batches": _batches,
    "training.sgd": _sgd,
    "training.train_epoch": _train_epoch,
    "training.evaluate": _evaluated,
    "training.fit": _fit,
    "conditioning.calls": _calls_with_arguments,
    "real_parameters.follow": _real_follow,
    "real_parameters.zero_grad": _real_zero_grad,
    "real_parameters.clip": _clip,
}
