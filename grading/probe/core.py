"""Answer one question about the student's code: find the probe, run it, send plain data back."""

import contextlib
import importlib
import io
import json
import math
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, BinaryIO

from grading.probe import private, wire


class Missing(Exception):
    """The student's notebook defines no such name."""


def answer(question: str, namespace: dict) -> str:
    """Run the probe that a question names and return its reply as JSON text.

    Args:
        question: JSON text `{"probe": "optimizers.follow", "arguments": {...}}`.
        namespace: the global names of the student's notebook.

    Returns:
        `{"value": ...}`, or `{"error": {"type", "message", "line", "code"}}` if the student's code raised.
    """
    asked = json.loads(question)
    module, _, function = asked["probe"].partition(".")
    probe = getattr(importlib.import_module(f"grading.probe.{module}"), function)
    try:
        with quietly():
            value = probe(namespace, **{key: build(item) for key, item in asked["arguments"].items()})
        return wire.dumps({"value": value})
    except KeyboardInterrupt:  # the grader's time limit
        raise
    except BaseException as error:  # a student's code may raise anything, SystemExit included
        return wire.dumps({"error": describe(error)})


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence prints and warnings: neither is an answer, and a warning must not cost a point."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def describe(error: BaseException) -> dict:
    """The type and message of an exception, and the last line of the student's own code that it passed."""
    line, code = None, None
    for frame in traceback.extract_tb(error.__traceback__):
        if "/grading/" not in frame.filename and "site-packages" not in frame.filename and frame.line:
            line, code = frame.lineno, frame.line
    return {"type": type(error).__name__, "message": _words(error), "line": line, "code": code}


def _words(error: BaseException | None) -> str:
    try:
        return str(error)
    except BaseException:  # a student's exception may not even say what it is
        return ""


def build(data: object) -> object:
    """Make an argument from its description.

    `{"array": [...], "shape": [...], "dtype": "float64"}` is a numpy array, `{"tuple": [...]}` a tuple,
    `{"rng": 3}` a fresh `numpy.random.default_rng(3)`, `{"function": "x * y", "names": ["x", "y"]}` a function of those
    names, and `{"plain": [...]}` the value itself, as it is.
    """
    if isinstance(data, list):
        if set(map(type, data)) <= {float, int}:  # most lists, and the longest ones
            return data
        return [build(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "plain" in data:
        return data["plain"]
    if "array" in data:
        import numpy as np

        return np.array(data["array"], dtype=data["dtype"]).reshape(data["shape"])
    if "tuple" in data:
        return tuple(build(item) for item in data["tuple"])
    if "rng" in data:
        import numpy as np

        return np.random.default_rng(data["rng"])
    if "function" in data:
        return eval(f"lambda {', '.join(data['names'])}: {data['function']}", {"math": math})
    if "dict" in data:
        return {key: build(item) for key, item in data["dict"]}
    return data


def lookup(namespace: dict, name: str) -> Any:
    """The student's object of that name.

    Raises:
        Missing: there is none.
    """
    if name not in namespace:
        raise Missing(f"there is no `{name}` in the notebook")
    return namespace[name]


def value(namespace: dict, name: str) -> object:
    """The value of a name, such as `eta_max`."""
    return lookup(namespace, name)


def number(namespace: dict, name: str) -> object:
    """The value of a name as a float where it is any kind of number: a Fraction, a numpy scalar."""
    found = lookup(namespace, name)
    if isinstance(found, (str, bool)):
        return found
    try:
        return float(found)
    except Exception:  # no number: it is sent as it is, and the grader says so
        return found


def call(
    namespace: dict, function: str, args: list, kwargs: dict, take: int | None = None, again: list | None = None
) -> dict:
    """Call a function of the notebook.

    Args:
        function: its name.
        args, kwargs: its arguments, already built.
        take: if given, the result is iterated (a list or a generator) and at most this many items are kept.
        again: arguments of a second call, made before anybody looks at the result of the first.

    Returns:
        `{"value": the result, "arguments": the positional arguments after the call, "kind": "array", or the name of the
        result's type}`; the second shows whether the call changed what it was given, the third whether an array came
        back or a list of the same numbers.
    """
    result = lookup(namespace, function)(*args, **kwargs)
    if again is not None:
        lookup(namespace, function)(*again, **kwargs)
    kind = "array" if hasattr(result, "tolist") and hasattr(result, "shape") else type(result).__name__
    if take is not None:
        iterator = iter(result)
        result = [item for _, item in zip(range(take), iterator)]
    return {"value": result, "arguments": list(args), "kind": kind}


def define(source: str, namespace: dict, **replacements: object) -> dict:
    """Run a cell's source in a copy of the notebook's names, some of them replaced."""
    copy = {**namespace, **replacements}
    exec(compile(source, "<cell>", "exec"), copy)
    return copy


def looked_up(rows: list, used: list[object]) -> Callable[..., object]:
    """A stand-in for a function of an earlier exercise: it looks up its result.

    Args:
        rows: `[arguments, result]` each; the arguments are a dict in the order of the function's own, in which None
            matches any value.
        used: every call appends an item to this list.

    Raises:
        ValueError: the stand-in is called with other arguments.
    """

    def stand_in(*args: object, **kwargs: object) -> object:
        used.append(True)
        for arguments, result in rows:
            given = dict(zip(arguments, args))
            if len(args) > len(arguments) or given.keys() & kwargs.keys():
                continue
            given |= kwargs
            if given.keys() == arguments.keys() and all(_matches(given[name], arguments[name]) for name in arguments):
                return result
        raise ValueError("an earlier exercise is called with other numbers than this one was given")

    return stand_in


def _matches(given: Any, wanted: float | None) -> bool:
    return wanted is None or math.isclose(float(given), wanted, rel_tol=1e-9, abs_tol=1e-12)


@contextlib.contextmanager
def replaced(namespace: dict, **names: object) -> Iterator[None]:
    """Replace some names of the notebook inside the `with` block."""
    before = {name: namespace[name] for name in names if name in namespace}
    namespace.update(names)
    try:
        yield
    finally:
        for name in names:
            namespace.pop(name, None)
        namespace.update(before)


# One for the process: a kernel has one grader, who names `connect` and `answer_all` in messages.
_line: socket.socket
_questions: BinaryIO
_shell: Any


def connect(path: str) -> None:
    """Open the line over which the grader asks: a Unix socket, see `grading/kernels/channel.py`."""
    global _line, _questions, _shell
    _shell = sys.modules["IPython"].get_ipython()
    _line = socket.socket(socket.AF_UNIX)
    _line.settimeout(None)
    _line.connect(path)
    _questions = _line.makefile("rb")


def answer_all(namespace: dict) -> None:
    """Answer questions and run cells, a number and JSON text in each line, until an empty line comes."""
    while line := _questions.readline().strip():
        number, _, asked = line.partition(b" ")
        said = run_cell(**json.loads(asked)) if asked.startswith(b'{"cell":') else answer(asked.decode(), namespace)
        _line.sendall(number + b" " + said.encode() + b"\n")


def run_cell(cell: str, parent: dict) -> str:
    """Run a cell as ipykernel does when a front end asks for it, without most of the messages.

    Args:
        cell: the text, without `await` outside of a function.
        parent: the request that its outputs belong to; after them comes the status "idle".

    Returns:
        JSON text: what ipykernel would reply, long texts cut.
    """
    process, kernel = os.getpid(), _shell.kernel
    kernel.set_parent([], parent)
    private.allow_no_input(kernel)
    try:
        result = _shell.run_cell(cell, store_history=True)
    finally:
        private.restore_input(kernel)
    if os.getpid() != process:
        os._exit(0)  # a process that the cell has forked; it would answer instead of the kernel
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the student may have put anything there
            stream.flush()
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
    reply = {"status": "ok", "execution_count": _shell.execution_count - 1}
    if not result.success or private.failed_to_show(_shell):
        error = result.error_in_exec if result.error_before_exec is None else result.error_before_exec
        lines = [str(line)[:1000] for line in private.last_traceback(_shell)[-100:]]
        # The error is None where the value of the last line could not be shown.
        reply |= {"status": "error", "ename": type(error).__name__, "evalue": _words(error)[:1000]}
        reply |= {"traceback": lines}
    return json.dumps(reply)


def importing(frame: FrameType | None) -> bool:
    """Whether an import is under way in a frame, or in one that called it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
