"""What a student is told whose update rule was followed where torch has no optimizers."""

import pytest

from grading.kernels.guarded_channel import GuardedChannel
from grading.oracle.student_code import connected, defining, student

PLAIN = "class Momentum:\n    def step(self):\n        self.v = 0.9 * self.v"
TORCH = "class Momentum:\n    def step(self):\n        self.v = torch.mul(self.v, 0.9)"


class Kernel:
    """A student's notebook, by its cells' sources."""

    def __init__(self, *sources: str):
        self.sources = list(sources)

    def source_of(self, name: str) -> str | None:
        return defining(name, self.sources)


class Silent(dict):
    """Interpreters in which every question raises the same error."""

    def __missing__(self, key: object) -> "Silent":
        return self

    def ask(self, question: str) -> str:
        return '{"error": {"type": "TypeError", "message": "", "line": null, "code": null}}'


@pytest.mark.parametrize(
    ("sources", "remarks"), [(["import torch", PLAIN], 0), ([TORCH], 1), ([TORCH, PLAIN], 0), (["import torch"], 0)]
)
def test_only_mentions_of_torch_in_the_rule_itself_count(sources, remarks):
    channel = GuardedChannel(Kernel(*sources), Silent(), given=[])
    channel.begin(with_torch=True)
    with connected(channel), pytest.raises(AssertionError):
        student.follow("Momentum", [[1.0]])
    said = channel.remarks()
    assert len(said) == remarks and all(line.startswith("(`Momentum` mentions torch.") for line in said)
    channel.begin(with_torch=False)
    assert channel.remarks() == []
