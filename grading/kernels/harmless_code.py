"""Is a student's source plain? Then it can reach neither torch.optim unseen nor the insides of the interpreter.

The watch of `grading/probe/optimizers.py` runs in the student's own interpreter. Code that gets hold of a module, a
frame or a function's globals could undo it. So a text is plain only if everything in it is known to be harmless; what
is not plain need not be wrong, it is only looked at more closely, see `grading/kernels/without_optimizers.py`.
"""

import ast
import builtins
import types
from collections.abc import Collection, Iterator
from functools import lru_cache

from grading.course.python_source import parsed


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = {
    "math": None,  # all of it: numbers and functions of numbers
    "numpy": _words(
        "abs absolute add all allclose any arange argmax argmin array asarray atleast_1d ceil clip concatenate copy "
        "cumsum cumprod diag divide dot double dtype e empty empty_like exp eye float32 float64 floor full full_like "
        "hypot identity inf isclose isfinite isinf isnan int64 integer linspace log log2 log10 log1p max maximum mean "
        "median meshgrid min minimum multiply nan ndarray negative newaxis number ones ones_like outer pi power prod "
        "ravel reciprocal reshape round sign sqrt square squeeze stack std subtract sum tile true_divide var vstack "
        "where zeros zeros_like linalg.eigvals linalg.eigvalsh linalg.norm linalg.inv linalg.solve"
    ),
    "torch": _words(
        "Tensor abs add all allclose any as_tensor cat clamp div dot double exp float float32 float64 full full_like "
        "isnan log max maximum mean min minimum mul nn.Parameter no_grad norm numel ones ones_like pow prod sign sqrt "
        "square stack sub sum tensor zeros zeros_like"
    ),
}

BUILTINS = _words(
    "abs all any ascii bin bool bytes callable chr classmethod complex dict display divmod enumerate filter float "
    "format frozenset hasattr hash hex id int isinstance issubclass iter len list map max min next object oct ord pow "
    "print property range repr reversed round set slice sorted staticmethod str sum super tuple zip "
    "Ellipsis NotImplemented"
)
METHODS = _words("__init__ __call__ __repr__ __str__ __len__ __iter__ __next__ __getitem__ __setitem__")

# What objects of Python, numpy and torch have, and harmless: it gives numbers, arrays, tensors, texts.
HARMLESS = _words(
    "T abs add add_ addcdiv_ addcmul_ all any append args argmax argmin astype backward base clamp clip clone copy "
    "count cumsum data detach div div_ dot double dtype exp fill flatten float grad index is_leaf item lerp lerp_ log "
    "max maximum mean min minimum mul mul_ name names ndim neg norm nonzero numel numpy path pow pow_ prod ravel real "
    "requires_grad requires_grad_ reshape round shape sign size sqrt sqrt_ square squeeze std sub sub_ sum t tolist "
    "transpose value values var view zero_"
)


def doubt(sources: list[str], trusted: Collection[str] = ()) -> str | None:
    """The first name or word because of which some cells are not plain; None if they are.

    Args:
        sources: of all cells that have run, in order.
        trusted: texts of cells that are as the course gave them.
    """
    own, given = [], []
    for source in sources:
        try:
            parsed = _parsed(source)
        except Exception:  # no Python, or too deep to be read: what it does is not known
            if source in trusted:
                continue
            return "a cell that is no Python"
        (given if source in trusted else own).append(parsed)
    modules: dict[str, str | None] = {"math": "math", "np": "numpy", "numpy": "numpy", "torch": "torch"}
    for _, imported in given:
        for name, module in imported:
            modules.setdefault(name, module if module in MODULES else None)
    for _, imported in own:
        for name, module in imported:
            if modules.setdefault(name, module) != module or module not in MODULES:
                return f"import {module or name}"
    reader = _Reader(modules)
    for tree, _ in own:
        try:
            reader.visit(tree)
        except RecursionError:  # a sum of a thousand terms, perhaps: Python itself can read it
            return "a cell that is too deep to be read"
    return next(iter(reader.doubts), None)


@lru_cache(maxsize=128)
def _parsed(source: str) -> tuple[ast.Module, list[tuple[str, str | None]]]:
    """A cell as IPython runs it, and what it imports."""
    tree = parsed(source)
    return tree, list(_imported(tree))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """The names that imports bind, and the module that each is; None where it is something out of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom) and not _harmless_import(node):
            for alias in node.names:
                yield alias.asname or alias.name, None


def _harmless_import(node: ast.ImportFrom) -> bool:
    return not node.level and all(_in_module(node.module, alias.name) for alias in node.names)


def _in_module(module: str | None, name: str) -> bool:
    if module not in MODULES or name == "*" or name.startswith("_"):
        return False
    return MODULES[module] is None or name in MODULES[module]


class _Reader(ast.NodeVisitor):
    """Collects the words of a tree that are not known to be harmless.

    Args:
        modules: the modules by their names in the notebook; None for one that may not be used at all.
    """

    def __init__(self, modules: dict[str, str | None]):
        self.modules, self.doubts = modules, []

    def visit_Attribute(self, node: ast.Attribute) -> None:
        root, path = _dotted(node)
        if root not in self.modules:
            self._read(path[-1], _harmless_attribute(path[-1]))
            self.visit(node.value)
            return
        size = next((n for n in (1, 2) if _in_module(self.modules[root], ".".join(path[:n]))), 0)
        whole = f"{root}.{'.'.join(path)}"
        self._read(whole, size > 0 and isinstance(node.ctx, ast.Load) and all(map(_harmless_attribute, path[size:])))

    def visit_Name(self, node: ast.Name) -> None:
        known = node.id in self.modules or node.id in _outlawed()
        self._read(node.id, not known and not node.id.startswith("__"))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "type" and len(node.args) == 1 and not node.keywords:
            self.visit(node.args[0])  # of three arguments it makes a class, with attributes whose names are data
        else:
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and node.value.isidentifier():
            self._read(node.value, not node.value.startswith("__"))

    def visit_Match(self, node: ast.Match) -> None:
        self._read("match", False)  # a pattern reads attributes whose names are data

    def generic_visit(self, node: ast.AST) -> None:
        if not isinstance(node, (ast.alias, ast.Import, ast.ImportFrom)):
            method = isinstance(node, ast.FunctionDef) and node.name in METHODS
            for _, value in ast.iter_fields(node):  # names that are no nodes: of functions, arguments, exceptions ...
                for word in value if isinstance(value, list) else [value]:
                    if isinstance(word, str) and not method:
                        self._read(word, not word.startswith("__") and word not in self.modules)
        super().generic_visit(node)

    def _read(self, word: str, harmless: bool) -> None:
        if not harmless:
            self.doubts.append(word)


def _dotted(node: ast.Attribute) -> tuple[str | None, list[str]]:
    """`np.linalg.norm` is ("np", ["linalg", "norm"]); what does not begin with a name has None in its place."""
    path = [node.attr]
    while isinstance(node.value, ast.Attribute):
        node = node.value
        path.insert(0, node.attr)
    return (node.value.id if isinstance(node.value, ast.Name) else None), path


def _harmless_attribute(name: str) -> bool:
    return name in METHODS or name in HARMLESS or not (name.startswith("__") or name in _foreign())


@lru_cache(maxsize=1)
def _outlawed() -> set[str]:
    """Names that are there in every notebook and are not known to be harmless."""
    errors = {kind.__name__ for kind in _errors()}
    hidden = {name for name in (*vars(builtins), "__builtin__") if name not in BUILTINS | errors}
    return hidden | {"get_ipython", "exit", "quit", "In", "Out"}


def _errors() -> list[type]:
    return [kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)]


@lru_cache(maxsize=1)
def _foreign() -> set[str]:
    """The attributes of what plain code can hold in its hands, except for `HARMLESS`."""
    import numpy as np
    import torch

    plain = (int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, range, slice, property, object)
    inner = [kind for kind in vars(types).values() if isinstance(kind, type)]
    array, tensor = np.zeros(1), torch.zeros(1, requires_grad=True)
    held = [np.float64, np.dtype(float), np.add, np.zeros, array.ctypes, array.flags, array.flat, torch.nn.Parameter]
    held += [torch.UntypedStorage, torch.TypedStorage, tensor.dtype, tensor.device, (2 * tensor).grad_fn]
    held += [torch.no_grad(), torch.zeros, memoryview, type, super]
    names = {name for thing in (array, tensor, *held, *inner, *_errors()) for name in dir(thing)}
    return names - {name for kind in plain for name in dir(kind)} - HARMLESS
