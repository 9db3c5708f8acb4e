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
        `{"values": one for each call, "own": whether each shares no memory with an argument, "arguments": of each
        call, as they are afterwards, "stand_ins_used"}`.
    """
    called = core.lookup(namespace, function)
    used: list[object] = []
    names = {
        name: core.looked_up([row for which, *row in stand_ins if which == name], used) for name, _, _ in stand_ins
    }
    with core.replaced(namespace, **names):
        values, own = [], []
        for arguments in calls:
            value = called(*arguments)
            own.append(not any(_shared(value, argument) for argument in arguments))
            values.append(_kept(value))
    return {"values": values, "own": own, "arguments": calls, "stand_ins_used": bool(used)}


def _shared(value: object, argument: object) -> bool:
    both = isinstance(value, np.ndarray) and isinstance(argument, np.ndarray)
    return both and np.shares_memory(value, argument)


def _kept(value: object) -> object:
    """A copy of an array, so that a later call cannot change it; any other result as it is."""
    return value.copy() if isinstance(value, np.ndarray) else value
