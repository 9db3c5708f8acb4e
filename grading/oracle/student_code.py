"""`student`: the only way from a hidden test to a student's code.

A hidden test asks (`student.follow("Momentum", ...)`) and gets plain data. The channel decides where the code runs: in
this interpreter when an instructor runs a source notebook, in the student's kernel when a submission is graded.
"""

import ast
import contextlib
import contextvars
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from grading.oracle import inputs, replies
from grading.probe import core, wire


class StudentError(AssertionError):
    """The student's code raised an error, or did not answer. The message is for the student."""

    def _render_traceback_(self) -> list[str]:  # IPython shows these lines and no stack
        return str(self).splitlines()


class Delegated(StudentError):
    """The student's code delegates the exercise to torch, so a person should look at it."""


class Channel(Protocol):
    """Carries a question to where the student's code runs."""

    def ask(self, question: str) -> str:
        """Send JSON text, return JSON text; see `grading.probe.core.answer`."""

    def ask_timed(self, question: str) -> tuple[str, float | None]:
        """Like `ask`, and the seconds of processor time that the answer took; None if that is unknown.

        Where students' code has a process of its own, the time is measured from outside.
        """

    def source_of(self, name: str) -> str | None:
        """The source of the cell in which the student defines a name, if it is known."""


class InProcess:
    """The student's code is in this interpreter: `namespace`, or the notebook that is running."""

    def __init__(self, namespace: dict | None = None, sources: list[str] | None = None):
        self._namespace, self._sources = namespace, sources

    def ask(self, question: str) -> str:
        namespace = self._namespace
        if namespace is None:
            namespace = _shell().user_ns
        return core.answer(question, namespace)

    def ask_timed(self, question: str) -> tuple[str, float | None]:
        start = time.thread_time()
        return self.ask(question), time.thread_time() - start

    def source_of(self, name: str) -> str | None:
        sources = self._sources if self._namespace is not None else _shell().user_ns.get("In", [])
        return defining(name, sources or [])


Transcript = list[tuple[str, object]]  # questions, each with its reply

# Without a channel the student's code is in this very notebook.
_channel: contextvars.ContextVar[Channel | None] = contextvars.ContextVar("channel", default=None)


def _current() -> Channel:
    return _channel.get() or InProcess()


@contextlib.contextmanager
def connected(channel: Channel, drawn_by: inputs.Key = 0) -> Iterator[Transcript]:
    """Let `student` use this channel inside the `with` block. Yields the list of questions and answers.

    Args:
        drawn_by: what the inputs of hidden tests depend on, see `grading.oracle.inputs`.
    """
    token = _channel.set(channel)
    transcript: Transcript = []
    transcript_token = _transcript.set(transcript)
    try:
        with inputs.drawn_by(drawn_by):
            yield transcript
    finally:
        _transcript.reset(transcript_token)
        _channel.reset(token)


_transcript: contextvars.ContextVar[Transcript | None] = contextvars.ContextVar("transcript", default=None)


def defining(name: str, sources: list[str]) -> str | None:
    """The last of the sources that defines a class or function of that name at its top level."""
    for source in reversed(sources):
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if any(isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name for node in body):
            return source
    return None


def rng(seed: int) -> wire.Described:
    """An argument: a fresh `numpy.random.default_rng(seed)`, made on the student's side."""
    return wire.Described({"rng": seed})


def function(text: str, *names: str) -> wire.Described:
    """An argument: a function of `names`, made on the student's side, `function("x * y", "x", "y")`."""
    return wire.Described({"function": text, "names": list(names)})


def plain(data: object) -> wire.Described:
    """An argument: JSON data that are sent unencoded, because there are too many to encode one by one."""
    return wire.Described({"plain": data})


class Student:
    """Questions about the student's code. Every method returns plain data and raises `StudentError`."""

    rng = staticmethod(rng)
    function = staticmethod(function)
    plain = staticmethod(plain)

    def ask(self, probe: str, about: str, **arguments: Any) -> Any:
        """Run a probe, `"<module>.<function>"` of `grading.probe`, and return its data.

        Args:
            about: the name of what the student wrote, for the message when it fails.

        Raises:
            StudentError: the student's code raised an error, is missing, or is not written yet.
        """
        return self._asked(_current().ask, probe, about, arguments)

    def ask_timed(self, probe: str, about: str, **arguments: Any) -> tuple[Any, float | None]:
        """Like `ask`, and the seconds of processor time that the answer took; see `Channel.ask_timed`."""
        taken: float | None = None

        def send(question: str) -> str:
            nonlocal taken
            reply, taken = _current().ask_timed(question)
            return reply

        return self._asked(send, probe, about, arguments), taken

    def _asked(self, send: Callable[[str], str], probe: str, about: str, arguments: dict) -> Any:
        encoded = {name: wire.encode(value) for name, value in arguments.items()}
        question = json.dumps({"probe": probe, "arguments": encoded})
        try:
            reply = replies.envelope(wire.loads(send(question)))
            if "error" not in reply:
                replies.check(probe, arguments, reply["value"])
        except (wire.WireError, replies.Unreadable) as error:
            raise StudentError(f"`{about}` gave an answer that cannot be read: {error}.") from None
        transcript = _transcript.get()
        if transcript is not None:
            transcript.append((question, reply))
        if "error" in reply:
            raise StudentError(_explain(about, reply["error"]))
        return reply["value"]

    def value(self, name: str) -> Any:
        """The value of a name in the notebook."""
        return self.ask("core.value", about=name, name=name)

    def number(self, name: str) -> float:
        """The value of a name that should be a number, of whatever type.

        Raises:
            StudentError: it is no finite number, or is missing.
        """
        value = self.ask("core.number", about=name, name=name)
        if not isinstance(value, float) or not math.isfinite(value):
            raise StudentError(f"`{name}` should be a finite number, yours is {value!r}.")
        return value

    def call(self, function: str, *args: Any, take: int | None = None, **kwargs: Any) -> Any:
        """What a function of the notebook returns. `take`: iterate over the result, up to that many items."""
        return self.call_and_look(function, *args, take=take, **kwargs)["value"]

    def call_and_look(
        self, function: str, *args: Any, take: int | None = None, again: list | None = None, **kwargs: Any
    ) -> dict:
        """Like `call`, but returns `{"value", "arguments": the positional arguments after the call, "kind": a claim}`.

        The claim is "array", or the name of the result's type. `again`: the arguments of a second call, before the
        result of the first is looked at: it should not change.
        """
        asked = {"args": list(args), "kwargs": kwargs, "take": take, "again": again}
        return self.ask("core.call", about=function, function=function, **asked)

    def follow(
        self, name: str, gradients: list, start: list | None = None, *positional: float, **hyperparameters: Any
    ) -> list:
        """The path of an optimizer through given gradients.

        Args:
            name: the class.
            gradients: one row for each step, one number for each parameter.
            start: the first values; by default 1, -2, 3, ...
            positional, hyperparameters: what the class is called with after the parameters.

        Returns:
            `len(gradients) + 1` rows, the start first.
        """
        if start is None:
            start = [(-1.0) ** i * (i + 1.0) for i in range(len(gradients[0]))]
        run = {"start": start, "gradients": gradients}
        paths: list[list] = []
        runs = [{**run, "positional": list(positional), "hyperparameters": hyperparameters}]
        self.judge_followed(name, runs, lambda reply: paths.extend(reply["paths"]))
        return paths[0]

    def judge_followed(self, name: str, runs: list[dict], judge: Callable[[dict], None]) -> None:
        """Step optimizers of one class in turn, and judge their paths; see `probe.optimizers.follow`.

        If the class fails with the student's own `Optimizer` as base class, it is tested again with a correct base
        class, so that a mistake in `Optimizer` does not cost points twice.

        Raises:
            AssertionError: it fails on both.
        """
        question: dict[str, Any] = {"about": name, "name": name, "runs": runs}
        try:
            return judge(_own_steps(name, self.ask("optimizers.follow", **question)))
        except Delegated:
            raise
        except AssertionError as error:
            first = error
        source = _current().source_of(name)
        if source is None:
            raise first
        try:
            judge(_own_steps(name, self.ask("optimizers.follow", **question, source=source)))
        except AssertionError as second:
            raise (second if isinstance(first, StudentError) else first) from None


student = Student()


def _own_steps(name: str, reply: dict) -> dict:
    if reply["torch_optim"]:
        raise Delegated(
            f"`{name}` calls torch's own optimizer (`torch.optim`, in `{reply['torch_optim']}`). "
            "Here the update rule itself is the exercise: write it with `param.value` and `param.grad`."
        )
    return reply


def _explain(about: str, error: dict) -> str:
    kind, message = error["type"], error["message"]
    if kind == "Missing":
        return f"`{about}` is not defined: {message}. Run the cell that defines it, and keep its name."
    if kind == "NotImplementedError":
        return f"`{about}` is not written yet: its gap still raises NotImplementedError."
    text = f"`{about}` raised {kind}: {message}" if message else f"`{about}` raised {kind}"
    if error["code"]:
        text += f"\n  in your line: {error['code']}"
    return text


def _shell() -> Any:
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise RuntimeError("there is no running notebook: give InProcess a namespace")
    return shell
