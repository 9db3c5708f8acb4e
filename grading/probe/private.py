"""Private names of IPython, ipykernel and torch that the processes inside the sandbox touch, in this place alone.

`tests/probe/test_private.py` checks what is assumed of each, so that an upgrade fails a test.
"""

from __future__ import annotations

import contextlib
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from typing import Any

    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core.interactiveshell import InteractiveShell

    Remember = Callable[[Callable[..., Any]], Callable[..., Any]]


def allow_no_input(kernel: IPythonKernel) -> None:
    """Make `input()` raise an error instead of waiting for an answer."""
    kernel._forward_input(allow_stdin=False)


def restore_input(kernel: IPythonKernel) -> None:
    """Undo `allow_no_input`."""
    kernel._restore_input()


def last_traceback(shell: InteractiveShell) -> list[str]:
    """The lines of the last error's traceback, as they are shown."""
    return getattr(shell, "_last_traceback", None) or []  # it has none before the first error


def failed_to_show(shell: InteractiveShell) -> bool:
    """Whether the value of the last line could not be shown."""
    return getattr(shell, "_last_traceback_during_displayhook", False)


def remember_texts(remembered: Remember, cells: list[str], prepared: Callable[[ast.AST], ast.AST]) -> None:
    """Make IPython transform each text only once, and transform and parse the texts of these cells now.

    Args:
        remembered: adds a cache to a function of one argument.
        prepared: what becomes of a tree, of these texts and of others, before it is compiled.
    """
    from IPython.core import async_helpers, compilerop, interactiveshell
    from IPython.core.inputtransformer2 import TransformerManager

    manager, transform = TransformerManager(), TransformerManager.transform_cell
    compiler, parse = compilerop.CachingCompiler(), compilerop.CachingCompiler.ast_parse
    transformed = remembered(lambda cell: transform(manager, cell))
    # interactiveshell calls the function by a name that it imported, so this name is the one to replace.
    interactiveshell._should_be_async = remembered(async_helpers._should_be_async)  # type: ignore[attr-defined]
    trees = {}
    for cell in cells:
        text = transformed(cell)
        interactiveshell._should_be_async(text)  # type: ignore[attr-defined]  # this name has the cache
        with contextlib.suppress(SyntaxError):
            trees[text] = prepared(parse(compiler, text))

    def transform_cell(self: TransformerManager, cell: str) -> str:
        own = (self.cleanup_transforms, self.line_transforms, self.token_transformers)
        usual = own == (manager.cleanup_transforms, manager.line_transforms, manager.token_transformers)
        return transformed(cell) if usual else transform(self, cell)

    def ast_parse(self: Any, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        usual = (self.flags, symbol) == (compiler.flags, "exec")
        # Each tree is given away once: the shell may change it.
        tree = trees.pop(source, None) if usual else None
        return prepared(parse(self, source, filename, symbol)) if tree is None else tree

    TransformerManager.transform_cell = transform_cell  # type: ignore[method-assign]
    compilerop.CachingCompiler.ast_parse = ast_parse  # type: ignore[method-assign]


def remember_names(remembered: Remember, cells: list[str]) -> None:
    """Make ipykernel compute the file name of each cell only once, and compute those of these cells now."""
    from ipykernel import compiler

    compiler.murmur2_x86 = remembered(compiler.murmur2_x86)
    for cell in cells:
        compiler.get_file_name(cell)


def spare_modules() -> None:
    """Keep ipykernel from reading every loaded module for its debugger, which would copy shared memory."""
    from ipykernel import ipkernel

    spared = types.SimpleNamespace(**{**vars(sys), "modules": {}})
    ipkernel.sys = spared  # type: ignore[assignment, attr-defined]  # it has every name that the module sys has


def start_parsed(app: IPKernelApp, arguments: list[str], settings: dict) -> None:
    """Prepare ipykernel's application, whose command line is already parsed, with additional settings."""
    from traitlets.config import Config

    def do_nothing(argv: list[str] | None = None) -> None:
        pass

    app.parse_command_line = do_nothing  # type: ignore[method-assign]  # only this application's
    app.argv = arguments
    app.update_config(Config({"IPKernelApp": settings}))


def postpone_compiler() -> None:
    """Let torch's optimizers not import torch's compiler, which takes as long as torch itself.

    Their first step imports it, only to tell it to leave the optimizer alone. Code that really compiles still gets it.
    """
    import importlib
    import importlib.util

    import torch

    name = "torch._dynamo"
    if name in sys.modules:
        return

    class Postponed(types.ModuleType):
        """Has what optimizers call. Any other name imports the real module, which takes this one's place."""

        @staticmethod
        def disable(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
            return function

        @staticmethod
        def graph_break(*args: Any, **kwargs: Any) -> None:
            pass

        def __getattr__(self, attribute: str) -> Any:
            if attribute.startswith("__") and attribute != "__path__":  # a look at all modules imports nothing
                raise AttributeError(attribute)
            if sys.modules.get(name) is self:
                del sys.modules[name]
                importlib.import_module(name)
            return getattr(sys.modules[name], attribute)

    postponed = Postponed(name)
    postponed.__spec__ = importlib.util.find_spec(name)
    sys.modules[name] = torch._dynamo = postponed


def replace_fused_optimizers(refuse: Callable[..., None]) -> object:
    """Make torch's dispatcher, through which all calls go, call `refuse` instead of the fused optimizers.

    Returns:
        An object that must stay alive for the replacement to last.
    """
    import torch

    library = torch._C._dispatch_library("IMPL", "aten", "CPU", "", 0)
    for name in torch._C._dispatch_get_all_op_names():
        fused = name.startswith(("aten::_fused_ada", "aten::_fused_sgd"))
        if fused and torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU"):
            library.impl(name.removeprefix("aten::"), "CPU", refuse)
    return library


def fused_step() -> None:
    """Take a step with a fused optimizer of torch."""
    import torch

    torch._fused_sgd_(
        [torch.ones(1)],
        [torch.ones(1)],
        [],
        lr=0.5,
        weight_decay=0.0,
        momentum=0.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )
