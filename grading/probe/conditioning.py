"""Call functions of `conditioning`; results of earlier exercises may come from the grader."""

import numpy as np

from grading.probe import core


def calls(namespace: dict, function: str, calls: list, stand_ins: list) -> dict:
    """What a function returns for each of several lists of arguments.

    Args:
        calls: the arguments of each call.
        stand_ins: rows `[name, arguments, result]`: what an earlier function gives for these arguments, see
            `core.looked_up`. Without rows the student's own functions are called.

    Returns:
        `{"values": one for each call, "own": whether each shares no memory with an argument, "overwritten": whether a
        later call changed an array that an earlier one returned, "arguments": of each call, as they are afterward,
        "stand_ins_used"}`.
    """
    called = core.lookup(namespace, function)
    used: list[object] = []
    names = {
        name: core.looked_up([row for which, *row in stand_ins if which == name], used) for name, _, _ in stand_ins
    }
    with core.replaced(namespace, **names):
        results, values, own = [], [], []
        for arguments in calls:
            results.append(called(*arguments))
            values.append(_kept(results[-1]))
            own.append(not any(_shared(results[-1], argument) for argument in arguments))
    overwritten = any(_differs(value, result) for value, result in zip(values, results))
    return {"values": values, "overwritten": overwritten, "own": own, "arguments": calls, "stand_ins_used": bool(used)}


def _shared(value: object, argument: object) -> bool:
    both = isinstance(value, np.ndarray) and isinstance(argument, np.ndarray)
    return both and np.shares_memory(value, argument)


def _differs(kept: object, result: object) -> bool:
    if not (isinstance(kept, np.ndarray) and isinstance(result, np.ndarray)):
        return False
    return kept.tobytes() != result.tobytes()


def _kept(value: object) -> object:
    """A copy of an array, so that a later call cannot change it; any other result as it is."""
    return value.copy() if isinstance(value, np.ndarray) else value
