"""The second kernel, for doubtful code: nothing of torch's optimizers is there, and right answers are right."""

import json
import shutil

import pytest
from nbclient.exceptions import DeadKernelError

from grading.kernels import without_optimizers
from grading.kernels.cold_kernel import SandboxedKernelManager
from grading.kernels.optimizer_stubs import masks
from grading.oracle.student_code import StudentError, connected, student
from grading.sandbox.watchdog import Watchdog

DESCENT = """
import os
class Descent:
    def __init__(self, params, eta):
        self.params, self.eta = params, eta
    def step(self):
        for param in self.params:
            param.value = param.value - self.eta * param.grad
"""

LOOKS = """
import subprocess, sys, torch
from torch.optim.lr_scheduler import StepLR

tried = torch.optim.Adam([torch.zeros(1)], lr=0.1)
tried.zero_grad()
tried.step()
folder = os.path.dirname(torch.optim.__file__)
texts = [open(os.path.join(place, name)).read() for place, _, names in os.walk(folder) for name in names]
update_rules = sum("grad" in text for text in texts)
headers = os.listdir(os.path.dirname(torch.__file__) + "/include")
unmasked = subprocess.run(["unshare", "-Urm", "umount", folder], capture_output=True).returncode == 0
p, g = [torch.ones(1)], [torch.ones(1)]
rest = dict(weight_decay=0.0, momentum=0.0, lr=0.5, dampening=0.0, nesterov=False, maximize=False, is_first_step=False)
fused = []
for function in (torch._fused_sgd_, torch.ops.aten._fused_sgd_.default, torch.ops.aten._fused_sgd.default,
                 torch._C._VariableFunctions._fused_sgd_):
    try:
        function(p, g, [], **rest)
    except RuntimeError as error:
        fused.append(str(error)[:23])
"""


class Unasked:
    """The student's own kernel, which must not be asked."""

    def __init__(self, sources):
        self.sources = sources

    def source_of(self, name):
        return None


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    files = str(tmp_path_factory.mktemp("files"))

    def make_manager():
        return SandboxedKernelManager(kernel_name="python3", files=files, masks=masks())

    def watch(manager):
        guard = Watchdog(**manager.guarded, memory=2**31, disk=2**26)
        guard.start()
        return guard

    kernel = without_optimizers.BareKernel(make_manager, watch, [DESCENT], 20, 20)
    yield kernel
    kernel.close()


def test_it_follows_and_learns_of_new_cells(kernel):
    with connected(without_optimizers.GuardedChannel(Unasked(kernel.sources), kernel, set(), None)):
        assert student.follow("Descent", [[1.0], [2.0]], start=[0.0], eta=0.5) == [[0], [-0.5], [-1.5]]
        kernel.sources += ["1 / 0", DESCENT.replace("Descent", "Second").replace("- self", "+ self"), LOOKS]
        assert student.follow("Second", [[1.0]], start=[0.0], eta=0.5) == [[0], [0.5]]


def test_torch_has_no_optimizers(kernel):
    with connected(kernel):
        kernel.source_of = lambda name: None
        assert student.value("texts") != [] and student.value("update_rules") == 0
        assert student.value("headers") == []
        assert student.value("unmasked") is False
        assert student.value("fused") == ["torch's own optimizers "] * 4
        assert student.value("p") == [[1]]


def test_a_cell_that_does_not_run_again_fails_once(kernel):
    kernel.sources.append("os._exit(0)")
    with connected(kernel):
        with pytest.raises(DeadKernelError):
            student.value("texts")
        with pytest.raises(StudentError, match="does not run a second time"):
            student.value("texts")


def test_who_is_asked():
    class Answers(Unasked):
        def ask(self, question):
            return json.dumps({"value": type(self).__name__})

    class Bare(Answers):
        pass

    def asked(probe, source, brought=None, bare_kernel=True):
        other = Bare([]) if bare_kernel else None
        channel = without_optimizers.GuardedChannel(Answers([source]), other, set(), brought)
        question = json.dumps({"probe": probe, "arguments": {}})
        return json.loads(channel.ask(question))["value"], len(channel.remarks([(question, None)]))

    assert asked("optimizers.follow", "x = 1") == ("Answers", 0)
    assert asked("optimizers.follow", "import sys") == ("Bare", 1)
    assert asked("optimizers.follow", "x = 1", brought="helper.py") == ("Bare", 1)
    assert asked("optimizers.torch_train", "import sys") == ("Answers", 0)
    assert asked("optimizers.follow", "import sys", bare_kernel=False) == ("Answers", 0)


def test_files_that_came_with_the_notebook(tmp_path):
    release, folder = tmp_path / "release", tmp_path / "folder"
    release.mkdir()
    (release / "digits.npz").write_bytes(b"digits")
    shutil.copytree(release, folder)
    (folder / "timestamp.txt").write_text("2030-01-01")
    assert without_optimizers.brought(folder, release) is None
    (folder / "helper.py").write_text("")
    assert without_optimizers.brought(folder, release) == "helper.py"
    (folder / "helper.py").unlink()
    (folder / "digits.npz").write_bytes(b"others")
    assert without_optimizers.brought(folder, release) == "digits.npz"
    shutil.copytree(release, folder, dirs_exist_ok=True)
    (folder / "x.dist-info").mkdir()
    (folder / "x.dist-info" / "entry_points.txt").write_text("")
    assert without_optimizers.brought(folder, release) == "entry_points.txt"
