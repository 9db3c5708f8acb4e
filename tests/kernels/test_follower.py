"""Followers: nothing of torch's optimizers is there, and right answers are right."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from nbclient.exceptions import DeadKernelError

from grading.kernels import follower, torch_masks, zygote_client
from grading.kernels.follower import Follower, Followers, Seconds
from grading.kernels.guarded_channel import GuardedChannel
from grading.kernels.torch_masks import Missing, masks
from grading.oracle.student_code import StudentError, connected, student
from grading.sandbox import bubblewrap, seccomp
from grading.sandbox.bubblewrap import SandboxError
from grading.sandbox.watchdog import Watchdog

pytestmark = pytest.mark.usefixtures("started")

DESCENT = """
import os
class Descent:
    def __init__(self, params, eta):
        self.params, self.eta = params, eta
    def step(self):
        for param in self.params:
            param.value = param.value - self.eta * param.grad
"""

# What a follower in which torch has no optimizers finds of them.
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

# What a follower without torch finds of it.
SEARCHES = """
import ctypes, glob, sys
import torch
found = [path for root in {roots} for path in glob.glob(root + "/**/libtorch*", recursive=True)]
rules = [path for root in {roots} for path in glob.glob(root + "/**/optim/a*.py", recursive=True)]
import torch.nn
"""

STARTS = """
import ctypes, multiprocessing, subprocess, threading
refused = []
def tried(start):
    try:
        start()
        refused.append("started")
    except OSError as error:
        refused.append(type(error).__name__)
tried(os.fork)
tried(lambda: subprocess.run(["true"]))
tried(lambda: os.posix_spawn("/bin/true", ["true"], {}))
tried(lambda: os.execv("/bin/true", ["true"]))
tried(multiprocessing.get_context("spawn").Process(target=print).start)
tried(lambda: multiprocessing.get_context("forkserver").Process(target=print).start())
raw = ctypes.CDLL(None, use_errno=True)
numbers = [raw.syscall(57), raw.syscall(58), raw.syscall(56, 17, 0, 0, 0, 0), raw.system(b"true") != 0]
thread = threading.Thread(target=refused.append, args=("thread",))
thread.start()
thread.join()
"""


class Unasked:
    """The student's own kernel, which must not be asked."""

    def __init__(self, sources):
        self.sources = sources

    def source_of(self, name):
        return None


def watch(**guarded) -> Watchdog:
    guard = Watchdog(**guarded, memory=2**31, disk=2**26)
    guard.start()
    return guard


def make(missing: Missing, files: Path, sources: list[str], warm: bool = False, **seconds: float) -> Follower:
    one = Follower(
        missing, files, sources, Seconds(**{"question": 20, "cell": 20, "cells": 60, **seconds}), warm, watch
    )
    one.source_of = lambda name: None
    return one


@pytest.fixture(scope="module", params=[(m, warm) for m in Missing for warm in (True, False)], ids=str)
def running(request, tmp_path_factory):
    missing, warm = request.param
    one = make(missing, tmp_path_factory.mktemp("files"), [DESCENT], warm)
    yield one
    one.close()


def test_the_follower_follows_and_learns_new_cells(running):
    with connected(running):
        assert student.follow("Descent", [[1.0], [2.0]], start=[0.0], eta=0.5) == [[0], [-0.5], [-1.5]]
        running.sources += ["1 / 0\nseven = 7", DESCENT.replace("Descent", "Second").replace("- self", "+ self")]
        assert student.follow("Second", [[1.0]], start=[0.0], eta=0.5) == [[0], [0.5]]
        assert student.value("seven") == 7, "a statement that fails stops those below it"


def test_the_time_of_an_answer_is_measured_from_outside(running):
    running.sources.append(
        """
import threading, time
time.thread_time = time.process_time = lambda: 0.0
def compute(seconds):
    def work():
        until = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) + seconds
        while time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) < until:
            pass
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
"""
    )
    asked = {"function": "compute", "kwargs": {}}
    with connected(running):
        student.ask_timed("core.call", about="compute", args=[0.0], **asked)  # runs the cells first
        _, little = student.ask_timed("core.call", about="compute", args=[0.0], **asked)
        _, much = student.ask_timed("core.call", about="compute", args=[0.5], **asked)
    assert 0 < little < 0.5 <= much


def test_state_that_a_class_keeps_between_uses_is_visible(running):
    """As in the student's notebook, where a self-check has used the class before a hidden test asks."""
    running.sources.append(
        DESCENT.replace("Descent", "Keeps")
        .replace("eta):", "eta, kept=[]):\n        kept.append(1)")
        .replace("= params, eta", "= params, eta * len(kept)")
    )
    with connected(running):
        assert student.follow("Keeps", [[1.0]], start=[0.0], eta=0.5) == [[0], [-2]]
        assert student.follow("Keeps", [[1.0]], start=[0.0], eta=0.5) == [[0], [-3]]


def test_neither_a_process_nor_a_program_can_be_started(running):
    running.sources.append(STARTS)
    with connected(running):
        assert student.value("refused") == ["PermissionError"] * 6 + ["thread"]
        assert student.value("numbers") == [-1, -1, -1, True]


def test_hidden_modules_cannot_be_imported(running):
    with connected(running):
        if running.missing is Missing.TORCH:
            running.sources.append(SEARCHES.replace("{roots}", repr(bubblewrap.python_folders())))
            assert student.value("found") == student.value("rules") == []
            running.sources.append("where = list(torch.__path__); names = [n for n in dir(torch) if n[0] != '_']")
            assert set(student.value("where")) <= set(torch_masks.torch_places()) and student.value("names") == []
        else:
            running.sources.append(LOOKS)
            assert student.value("texts") != [] and student.value("update_rules") == 0
            assert student.value("headers") == []
            assert student.value("fused") == ["torch's own optimizers "] * 4
            assert student.value("p") == [[1]]
            running.sources.append(
                "try:\n    torch.nn.utils.clip_grad_norm_(p, 1)\nexcept RuntimeError as e: said = str(e)"
            )
            assert student.value("said").startswith("torch's own clipping is not here")
            running.sources.append(
                "from pathlib import Path\n"
                "clips = [str(path) for path in Path(torch.__file__).parent.rglob('clip_grad*.pyc')]"
            )
            assert student.value("clips") == []


DELEGATES = """
import threading, torch

def autograd_gradient(w, X, y):
    leaf = torch.tensor(w, requires_grad=True)
    ((torch.tensor(X) @ leaf - torch.tensor(y)) ** 2).mean().backward()
    return leaf.grad.numpy()

mse_gradient = autograd_gradient

def cosine_schedule(lr, epoch, n_epochs, lr_min=0.0):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs, eta_min=lr_min)
    for _ in range(epoch):
        scheduler.step()
    return optimizer.param_groups[0]["lr"]

class Tensor:
    def __init__(self, value):
        self.held, self.grad = torch.tensor(value, dtype=torch.float64, requires_grad=True), 0.0
        self.made_from = [self]

    def __mul__(self, other):
        result = Tensor(0.0)
        result.held, result.made_from = self.held * other.held, [*self.made_from, *other.made_from]
        return result

    @property
    def value(self):
        return self.held.item()

    def backward(self):
        leaves, slopes = [tensor.held for tensor in self.made_from], []
        differentiate = lambda: slopes.extend(torch.autograd.grad(self.held, leaves))
        thread = threading.Thread(target=differentiate)
        thread.start()
        thread.join()
        for tensor, slope in zip(self.made_from, slopes):
            tensor.grad += slope.item()
"""


def test_without_torch_nothing_is_differentiated_or_scheduled(running):
    if running.missing is not Missing.TORCH:
        return
    running.sources.append(DELEGATES)
    asked = {"probe": "autodiff.differentiate", "about": "Tensor", "values": [3.0, 5.0], "steps": [["*", 0, 1]]}
    questions = [
        lambda: student.ask(**asked),
        lambda: student.call("mse_gradient", np.ones(2), np.ones((3, 2)), np.ones(3)),
        lambda: student.call("cosine_schedule", 0.5, 3, 7),
    ]
    with connected(running):
        for question in questions:
            with pytest.raises(StudentError, match="module 'torch' has no attribute"):
                question()


def test_forged_lines_on_the_channel_are_not_taken_as_answers(running):
    forge = """
class Forger(Descent):
    def step(self):
        import socket
        for number in range(3, 100):
            try:
                os.write(number, b'9 {"value": 1}\\n{"wrong": null}\\n')
            except OSError:
                pass
        super().step()
"""
    running.sources.append(forge)
    with connected(running):
        assert student.follow("Forger", [[1.0], [2.0]], start=[0.0], eta=0.5) == [[0], [-0.5], [-1.5]]


def test_a_question_that_is_never_answered_times_out(tmp_path):
    one = make(Missing.TORCH, tmp_path, [DESCENT, "def wait():\n    while True: pass", "name = 'a'"], True, question=1)
    with connected(one):
        with pytest.raises(follower.KernelStuck, match="waited 1 s"):
            student.call("wait")
        assert student.value("name") == "a"
    one.close()


def test_a_limit_holds_for_running_and_later_followers(tmp_path):
    followers = Followers(tmp_path, [], Seconds(20, 60, 600), True, Watchdog)
    running = followers[Missing.TORCH]
    followers.limit(5)
    assert [one.seconds.question for one in (running, followers[Missing.OPTIMIZERS])] == [5, 5]
    assert running.seconds.cell == 60


def test_a_cell_that_fails_in_the_follower_is_not_run_again(running):
    running.sources.append("os._exit(0)")
    with connected(running):
        with pytest.raises(DeadKernelError):
            student.value("Descent")
        with pytest.raises(StudentError, match="does not run a second time"):
            student.value("Descent")


def test_all_cells_together_have_a_time_limit(tmp_path):
    sources = ["import time; time.sleep(0.7)"] * 3
    one = make(Missing.TORCH, tmp_path, sources, True, cells=1.0)
    with connected(one), pytest.raises(follower.KernelStuck):
        student.value("time")
    with connected(one), pytest.raises(StudentError, match="does not run a second time"):
        student.value("time")


# What must be missing and is not is a fault of the grader.


@pytest.mark.parametrize("missing", Missing)
def test_without_masks_nothing_is_graded(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(follower, "masks", lambda missing: {})
    with connected(make(missing, tmp_path, [])), pytest.raises(SandboxError, match=rf"{missing} can be found: /"):
        student.value("x")


def test_where_programs_can_be_started_nothing_is_graded(tmp_path, monkeypatch):
    monkeypatch.setattr(seccomp, "no_programs", lambda: b"")
    with connected(make(Missing.TORCH, tmp_path, [])), pytest.raises(SandboxError, match="a process can be started"):
        student.value("x")


def test_a_copy_of_torch_elsewhere_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "python"
    (folder / "more" / "optim").mkdir(parents=True)
    (folder / "more" / "optim" / "adam.py").touch()
    shown = [*bubblewrap.python_folders(), str(folder)]
    monkeypatch.setattr(bubblewrap, "python_folders", lambda: shown)
    for warm in (True, False):
        monkeypatch.setattr(zygote_client, "forkers", zygote_client.Forkers())
        one = make(Missing.TORCH, tmp_path, [], warm)
        with connected(one), pytest.raises(SandboxError, match=r"torch lies where nothing hides it: .*/optim/adam\.py"):
            student.value("x")


@pytest.mark.parametrize(
    ("missing", "warm"),
    [
        pytest.param(missing, warm, marks=[] if warm and missing is Missing.OPTIMIZERS else [pytest.mark.slow])
        for missing in Missing
        for warm in (True, False)
    ],
)
def test_a_torch_behind_a_symbolic_link_is_hidden_too(tmp_path, missing, warm):
    """The environment's folder, or one above it, may be a link: what is inside has the link's name there."""
    link = tmp_path / "link"
    link.symlink_to(Path(sys.prefix).parent)
    python = link / Path(sys.prefix).name / "bin" / Path(sys.executable).name
    code = f"""
import sys
from pathlib import Path
assert "link" in sys.prefix, sys.prefix
from tests.kernels.test_follower import *
one = make(Missing({str(missing)!r}), Path({str(tmp_path / "files")!r}), [DESCENT], {warm})
with connected(one):
    print(student.follow("Descent", [[1.0]], start=[0.0], eta=0.5))
one.close()
"""
    (tmp_path / "files").mkdir()
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    said = follower.subprocess.run([python, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert said.stdout == "[[0.0], [-0.5]]\n", said.stderr


def test_every_torch_of_the_machine_is_hidden(tmp_path, monkeypatch):
    """Also that of the Python which the environment was made from, and copies that conda keeps."""
    base = tmp_path / "base"
    for path in ("lib/python3.11/site-packages/torch/optim", "envs/other/lib/python3.11/site-packages/torch", "pkgs"):
        (base / path).mkdir(parents=True)
    (tmp_path / "link").symlink_to(base)
    monkeypatch.setattr(bubblewrap, "python_folders", lambda: [str(tmp_path / "link")])
    torch_masks.torch_places.cache_clear()
    try:
        hidden = masks.__wrapped__(Missing.TORCH)
    finally:
        torch_masks.torch_places.cache_clear()
    inside = "lib/python3.11/site-packages/torch"
    wanted = [f"{tmp_path}/link/{path}" for path in (inside, f"envs/other/{inside}", "pkgs")]
    assert sorted(hidden) == sorted(wanted)


# Who is asked.


def asked(probe: str, sandbox: bool = True, with_torch: bool = False, **arguments: object) -> str:
    class Answers(Unasked):
        def __init__(self, who):
            super().__init__([])
            self.who = who

        def ask(self, question):
            return self.who

    followers = {missing: Answers(missing) for missing in Missing} if sandbox else None
    channel = GuardedChannel(Answers("kernel"), followers, set())
    channel.begin(with_torch)
    return channel.ask(json.dumps({"probe": probe, "arguments": arguments}))


def test_the_interpreter_depends_on_what_the_code_mentions():
    assert asked("optimizers.follow", name="Momentum") == Missing.TORCH
    assert asked("optimizers.follow", name="Momentum", with_torch=True) == Missing.OPTIMIZERS
    assert asked("optimizers.follow", name="Momentum", sandbox=False) == "kernel"
    assert asked("training.iterate", function="adam_update") == Missing.TORCH
    assert asked("core.call", function="adam_update", args=[]) == Missing.TORCH
    assert asked("training.calls", function="adam_update") == Missing.TORCH
    assert asked("training.calls", function="cosine_schedule") == Missing.TORCH
    assert asked("core.call", function="mse_gradient", args=[]) == asked("training.batches") == Missing.TORCH
    assert asked("autodiff.differentiate", values=[1.0]) == Missing.TORCH
    assert asked("autodiff.long_backward") == asked("autodiff.long_order") == Missing.TORCH
    assert asked("real_parameters.follow", name="AdamW") == asked("real_parameters.clip") == Missing.OPTIMIZERS
    assert asked("core.call", function="mean", args=["adam_update"]) == "kernel"
    assert asked("optimizers.torch_train") == asked("optimizers.train") == "kernel"


def test_only_code_that_mentions_torch_gets_torch(tmp_path):
    given = "import torch"
    channel = GuardedChannel(Unasked([given, DESCENT]), Followers(tmp_path, [], None, True, watch), {given})
    channel._followed.append((Missing.TORCH, ""))
    assert not channel.may_need_torch()
    channel.kernel.sources.append("x = torch.ones(1)")
    assert channel.may_need_torch()
    channel._followed.append((Missing.TORCH, '{"probe": "autodiff.differentiate"}'))
    assert not channel.may_need_torch(), "the exercise asks for plain Python"
    channel.begin()
    assert not channel.may_need_torch(), "nothing was followed"
