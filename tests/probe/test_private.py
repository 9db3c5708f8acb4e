"""Private names inside the sandbox, see `grading/probe/private.py`: each in a Python of its own, as they change it."""

import subprocess
import sys

import pytest

CASES = {
    "remember_texts": """
from functools import lru_cache
from IPython.core import compilerop, interactiveshell
import ast
asked, two = [], "x = 1\\ny = 2"
def prepared(tree):
    asked.append(ast.unparse(tree))
    return tree
private.remember_texts(lru_cache(maxsize=9), [two, "not Python ("], prepared)
assert asked == [two]
before = interactiveshell._should_be_async.cache_info().hits
shell = interactiveshell.InteractiveShell.instance()
assert shell.run_cell(two, store_history=True).success and shell.user_ns["x"] == 1
assert interactiveshell._should_be_async.cache_info().hits == before + 1, "IPython asks another function"
assert asked == [two], "IPython parses it again"
assert shell.run_cell("x = 3").success and shell.run_cell(two).success
assert asked == [two, "x = 3", two], "a tree is given away twice"
assert not shell.run_cell("not Python (", silent=True).success
shell.input_transformers_cleanup.append(lambda lines: ["x = 5\\n"])
assert shell.run_cell(two).success and shell.user_ns["x"] == 5, "a transformer of the notebook's own is ignored"
assert shell.should_run_async("await f()", transformed_cell="await f()")""",
    "remember_names": """
from functools import lru_cache
from ipykernel import compiler
name = compiler.get_file_name("x = 1")
private.remember_names(lru_cache(maxsize=9), ["x = 1"])
before = compiler.murmur2_x86.cache_info().hits
assert compiler.get_file_name("x = 1") == name
assert compiler.murmur2_x86.cache_info().hits == before + 1, "ipykernel asks another function\"""",
    "spare_modules": """
from ipykernel import ipkernel
import inspect
assert "sys.modules" in inspect.getsource(ipkernel), "ipykernel no longer looks at modules there: drop this"
private.spare_modules()
assert ipkernel.sys.modules == {} and ipkernel.sys.platform == sys.platform""",
    "tracebacks": """
from ipykernel.zmqshell import ZMQInteractiveShell
shell = ZMQInteractiveShell.instance()
shell._showtraceback = lambda kind, value, lines: setattr(shell, "_last_traceback", lines)  # as it does, and sends it
assert private.last_traceback(shell) == []
shell.run_cell("1 / 0")
assert "ZeroDivisionError" in "".join(private.last_traceback(shell)) and private.failed_to_show(shell) is False""",
    "input": """
from ipykernel.ipkernel import IPythonKernel
import builtins, getpass
kernel, before = IPythonKernel.instance(), (builtins.input, getpass.getpass)
private.allow_no_input(kernel)
try:
    input()
    raise AssertionError
except Exception as error:
    assert type(error).__name__ == "StdinNotImplementedError", error
private.restore_input(kernel)
assert (builtins.input, getpass.getpass) == before""",
    "start_parsed": """
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
app.parse_command_line(["--HistoryManager.hist_file=:memory:"])
private.start_parsed(app, ["-f", "x.json"], {"connection_file": "x.json"})
app.parse_command_line(["--nothing-of-this-name"])
assert (app.connection_file, app.argv) == ("x.json", ["-f", "x.json"])""",
    "fused": """
import torch, warnings
private.fused_step()
def refuse(*args, **kwargs):
    raise RuntimeError("no")
warnings.simplefilter("ignore")
kept = private.replace_fused_optimizers(refuse)
for call in (private.fused_step, lambda: torch.optim.Adam([one], fused=True).step()):
    one = torch.ones(1, requires_grad=True)
    one.grad = torch.ones(1)
    try:
        call()
        raise AssertionError
    except RuntimeError as error:
        assert str(error) == "no", error
torch.optim.Adam([one], fused=False).step()""",
    "optimizers_without_compiler": """
import inspect, torch
private.postpone_compiler()
one = torch.ones(1, requires_grad=True)
one.grad = torch.ones(1)
for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.Muon):
    matrix = torch.ones(2, 2, requires_grad=True)
    matrix.grad = torch.ones(2, 2)
    optimizer = kind([matrix], lr=0.5)
    optimizer.step()
    optimizer.zero_grad()
    assert matrix.grad is None and matrix[0, 0] != 1
inspect.getmodule(inspect.currentframe())  # looks at all modules, as a traceback does
assert "torch._dynamo.eval_frame" not in sys.modules, 'something still imports the compiler'""",
    "compiler_without_optimizers": """
import torch
one = torch.ones(1, requires_grad=True)
one.grad = torch.ones(1)
assert "torch._dynamo" not in sys.modules, "torch imports the compiler at once: drop this"
torch.optim.SGD([one], lr=0.5).step()
assert "torch._dynamo.eval_frame" in sys.modules, 'the first step no longer imports the compiler: drop this'""",
    "compiler": """
import torch
private.postpone_compiler()
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)) == 2
assert sys.modules["torch._dynamo"].__file__ and torch._dynamo is sys.modules["torch._dynamo"]""",
    "part_of_compiler": """
private.postpone_compiler()
import torch._dynamo.config
assert torch._dynamo.config.cache_size_limit > 1 and sys.modules["torch._dynamo"].__file__""",
}


@pytest.mark.parametrize("code", CASES.values(), ids=CASES)
def test_it_means_what_is_assumed(code):
    line = [sys.executable, "-W", "ignore", "-c", f"import sys\nfrom grading.probe import private\n{code}"]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
