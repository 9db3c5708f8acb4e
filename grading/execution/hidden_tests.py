"""Run the hidden part of a test in this process, with `student` asking the interpreters of a submission."""

import linecache
import traceback
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import CodeType
from typing import Protocol

from nbclient.exceptions import CellTimeoutError, DeadKernelError

from grading.gradebook.records import NEEDS_TORCH
from grading.kernels.channel import KernelStuck
from grading.kernels.messages import BrokenMessage
from grading.oracle import inputs
from grading.oracle.student_code import Channel, Delegated, connected
from grading.sandbox.bubblewrap import SandboxError

NOT_THE_TESTS = (DeadKernelError, CellTimeoutError, KernelStuck, BrokenMessage, SandboxError)


class GuardedChannel(Channel, Protocol):
    """The channel of a hidden test, see `grading.kernels.guarded_channel`."""

    def begin(self, with_torch: bool = False) -> None: ...
    def may_need_torch(self) -> bool: ...
    def remarks(self) -> list[str]: ...
    def delegated(self) -> tuple[str, list]: ...


@dataclass(frozen=True)
class Verdict:
    """The result of a hidden test.

    Attributes:
        error: the failure; None if it passed.
        transcript: the questions and answers, see `student_code.connected`; if the answer delegates to torch, those of
            the student's kernel.
        remarks: additional lines for the student.
        suspicion: what a person should look at, in plain words.
        fault: the traceback of a test with a bug, which says nothing about the answer.
        ended: how the student's kernel failed when it was asked, after the verdict, whether it delegates to torch.
    """

    error: AssertionError | None = None
    transcript: list = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    suspicion: str = ""
    fault: str = ""
    ended: Exception | None = None


def judge(source: str, name: str, channel: GuardedChannel, drawn_by: inputs.Key = 0) -> Verdict:
    """Run a hidden part; if an answer may need torch, run it again with a follower that has torch.

    Args:
        name: the file name in tracebacks.
        drawn_by: what its inputs depend on, see `grading.oracle.inputs`.

    Raises:
        DeadKernelError, CellTimeoutError, KernelStuck, BrokenMessage: the interpreter that runs the answer failed.
        SandboxError: no interpreter could be started.
    """
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    verdict = _judge(source, name, channel, drawn_by)
    if verdict.error is not None and channel.may_need_torch():
        verdict = _judge(source, name, channel, drawn_by, with_torch=True)
        if verdict == Verdict(transcript=verdict.transcript):
            return Verdict(transcript=verdict.transcript, suspicion=NEEDS_TORCH)
    if verdict.error is None:
        return verdict
    try:
        suspicion, transcript = channel.delegated()
    except NOT_THE_TESTS as failure:
        return replace(verdict, ended=failure)
    if isinstance(verdict.error, Delegated):
        suspicion = str(verdict.error)
    # With torch's optimizers, an answer that cannot run without them gives the replies of a known mistake.
    return Verdict(verdict.error, transcript or verdict.transcript, channel.remarks(), suspicion)


def _judge(source: str, name: str, channel: GuardedChannel, drawn_by: inputs.Key, with_torch: bool = False) -> Verdict:
    channel.begin(with_torch)
    with connected(channel, drawn_by) as transcript:
        try:
            exec(compiled(source, name), {"__name__": "hidden"})
        except NOT_THE_TESTS:
            raise
        except AssertionError as error:
            return Verdict(error, transcript)
        except Exception:
            return Verdict(transcript=transcript, fault=traceback.format_exc())
    return Verdict(transcript=transcript)


@lru_cache(maxsize=1024)
def compiled(source: str, name: str) -> CodeType:
    """Compile a hidden part, once for all submissions."""
    return compile(source, name, "exec")
