"""Choose the interpreter that answers a question: the student's kernel, or one without torch or its optimizers.

Where torch has what an exercise asks for (update rules, schedules, gradients, batches), only an answer that works
without torch can earn points, whatever the student's process says about itself.
"""

import contextlib
import re
from collections.abc import Collection

from nbformat import NotebookNode

from grading.course import notebooks
from grading.kernels.channel import KernelChannel
from grading.kernels.follower import Follower, Followers
from grading.kernels.torch_masks import Missing
from grading.oracle.student_code import StudentError
from grading.probe import wire

# Probes whose questions torch could answer, with its optimizers or otherwise: they are asked where there is no torch.
FOLLOWED = {"optimizers.follow", "training.iterate", "training.batches", "autodiff.differentiate"}
# Measured from outside: they are asked where no other process can do the work.
FOLLOWED |= {"autodiff.long_backward", "autodiff.long_order"}
CALLS = {"core.call", "training.calls"}  # likewise, if they call one of these
TORCH_HAS_IT = re.compile(r"\w+_(update|schedule)|mse_gradient")
# Probes that need torch itself, because they work on its parameters: they are asked where torch has no optimizers.
ON_TORCH = {"real_parameters.follow", "real_parameters.zero_grad", "real_parameters.clip"}
# The exercise asks for plain Python, so these are never asked where torch is.
PLAIN = ("autodiff.differentiate", "autodiff.long_backward")
QUESTION = re.compile(r'\{"probe": "([\w.]+)", "arguments": \{(?:"function": "(\w+)")?')
ABOUT = re.compile(r'\{"probe": "[\w.]+", "arguments": \{"(?:name|function)": "(\w+)"')
TORCHS = {  # fields of replies
    "torch_optim": "optimizer (`torch.optim`",
    "torch_clip": "clipping (`torch.nn.utils`",
    "torch": "differentiation (`torch.autograd`",
}
OUTSIDE = "outside of this thread"  # how `torch_optim_use` ends where it cannot follow


class GuardedChannel:
    """A `student.Channel` to the student's kernel and, where torch could answer, to followers.

    Args:
        kernel: the channel to the student's kernel.
        followers: of this submission; None where there is no sandbox.
        given: texts of cells that are as the course gave them.

    Attributes:
        with_torch: whether they have torch, without its optimizers, for an answer that needs it.
    """

    def __init__(self, kernel: KernelChannel, followers: Followers | None, given: Collection[str]):
        self.kernel, self.followers, self.given = kernel, followers, given
        self.begin()

    def begin(self, with_torch: bool = False) -> None:
        """Get ready for the questions of a hidden test."""
        self.with_torch = with_torch
        self._followed: list[tuple[Missing, str]] = []

    def ask(self, question: str) -> str:
        return self._answering(question).ask(question)

    def ask_timed(self, question: str) -> tuple[str, float | None]:
        return self._answering(question).ask_timed(question)

    def _answering(self, question: str) -> KernelChannel | Follower:
        """The interpreter that answers a question."""
        missing = self._missing(question)
        if missing is None or self.followers is None:
            return self.kernel
        self._followed.append((missing, question))
        return self.followers[missing]

    def source_of(self, name: str) -> str | None:
        return self.kernel.source_of(name)

    def rest(self) -> None:
        """Let the student's kernel leave its answering loop."""
        self.kernel.rest()

    def may_need_torch(self) -> bool:
        """Whether an answer that failed without torch may pass with it: the student's text mentions torch."""
        asked = any(missing is Missing.TORCH for missing, _ in self._followed)
        own = (source for source in self.kernel.sources if source not in self.given)
        return asked and not self._plain() and any("torch" in source for source in own)

    def remarks(self) -> list[str]:
        """What to tell a student whose answer has failed without torch, and with it, if it mentions torch."""
        if self._plain() and "torch" in (self.source_of("Tensor") or ""):
            return ["(`Tensor` mentions torch. It ran in a Python without torch: write it in plain Python.)"]
        rules = {found.group(1) for _, question in self._followed if (found := ABOUT.match(question))}
        if not self.with_torch or not any("torch" in (self.source_of(rule) or "") for rule in rules):
            return []
        names = ", ".join(f"`{rule}`" for rule in sorted(rules))
        return [
            f"({names} mentions torch. These steps were taken in a Python in which torch has no optimizers. "
            "If yours come from there: write them yourself.)"
        ]

    def delegated(self) -> tuple[str, list[tuple[str, object]]]:
        """Ask a failed update rule again in the student's kernel, where torch is complete: does it delegate to torch?

        Returns:
            What it delegates, in words (empty if nothing), and the questions, each with that kernel's answer.
        """
        words, transcript = "", []
        for _, question in self._followed:
            with contextlib.suppress(wire.WireError, StudentError):
                reply = wire.loads(self.kernel.ask(question))
                transcript.append((question, reply))
                words = words or _torchs_part(reply)
        return words, transcript if words else []

    def _plain(self) -> bool:
        """Whether this test asks for plain Python."""
        return any(probe in question for _, question in self._followed for probe in PLAIN)

    def _missing(self, question: str) -> Missing | None:
        """What the interpreter that answers this question must lack; None if the student's kernel may answer."""
        found = QUESTION.match(question)
        if self.followers is None or found is None:
            return None
        probe, function = found.groups()
        if probe in ON_TORCH:
            return Missing.OPTIMIZERS
        if probe in FOLLOWED or (probe in CALLS and function and TORCH_HAS_IT.fullmatch(function)):
            return Missing.OPTIMIZERS if self.with_torch else Missing.TORCH
        return None


def _torchs_part(reply: object) -> str:
    """What torch did, according to a reply. The reply comes from the student's process, so it may hold anything."""
    value = reply.get("value") if isinstance(reply, dict) else None
    for field, what in TORCHS.items():
        where = value.get(field) if isinstance(value, dict) else None
        if isinstance(where, str) and not where.endswith(OUTSIDE):  # to leave the thread is not yet to let torch do it
            return f"it calls torch's own {what}, in `{where[:100]}`)"
    return ""


def given_texts(cells: list[NotebookNode]) -> set[str]:
    """The texts of a release's code cells that are not the student's to fill."""
    return {cell.source for cell in cells if cell.cell_type == "code" and notebooks.kind(cell) != "solution"}
