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
    """What a hidden test needs besides asking, see `grading.kernels.guarded_channel`."""

    def begin(self, with_torch: bool = False) -> None: ...
    def may_need_torch(self) -> bool: ...
    def remarks(self) -> list[str]: ...
    def delegated(self) -> tuple[str, list]: ...


@dataclass(frozen=True)
class Verdict:
    """What a hidden test found.

    Attributes:
        error: the failure; None if it passed.
        transcript: what was asked and answered, see `student_code.connected`; where torch is whole, if that took part.
        remarks: lines to tell the student besides.
        suspicion: what a person should look at, in plain words.
        fault: the traceback of a test that failed itself: then nothing is known about the answer.
        ended: how the student's kernel failed after the verdict, when it was asked for the reason.
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
        name: what tracebacks call it.
        drawn_by: what its inputs depend on, see `grading.oracle.inputs`.

    Raises:
        DeadKernelError, CellTimeoutError, KernelStuck, BrokenMessage: the interpreter that was asked has failed.
        SandboxError: there is none in which it may be asked.
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
    # Where torch's optimizers are, the answer is that of a known mistake, also if it could do nothing without them.
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
