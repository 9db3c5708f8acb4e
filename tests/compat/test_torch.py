"""Private names of torch exist and mean what is assumed. An upgrade that changes one fails here, by name."""

import subprocess
import sys

from grading.compat.torch import IMPORTED_BY_FIRST_STEP

CODE = """
import sys, torch
one = torch.ones(1, requires_grad=True)
one.grad = torch.ones(1)
assert sys.argv[1] not in sys.modules, "torch imports it at once: drop this"
torch.optim.SGD([one], lr=0.5).step()
assert sys.argv[1] in sys.modules, "the first step no longer imports it: drop this"
"""


def test_the_first_step_of_an_optimizer_imports_it():
    line = [sys.executable, "-W", "ignore", "-c", CODE, IMPORTED_BY_FIRST_STEP]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
