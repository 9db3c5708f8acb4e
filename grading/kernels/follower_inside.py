"""Inside a follower: runs a notebook's cells and answers questions about its update rules, without a Jupyter kernel.

`grading.kernels.follower` runs this file as source text, so it imports only what the sandbox has. It discards what the
cells print. Each statement of a cell runs on its own: one that fails, because torch is missing, does not stop those
below it.

A follower can start neither processes nor programs. Before any cell runs, it checks that what must be missing is
missing, and reports the result to the grader.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import errno
import importlib.machinery
import importlib.util
import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from IPython.core.interactiveshell import InteractiveShell

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
REFUSED = "torch's own optimizers are not here: write the steps yourself"


class EachForItself(ast.NodeTransformer):
    """Lets a cell continue after a statement that fails."""

    def visit_Module(self, tree: ast.Module) -> ast.Module:
        tree.body = [self.tried(statement) for statement in tree.body]
        return ast.fix_missing_locations(tree)

    def tried(self, statement: ast.stmt) -> ast.stmt:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            return statement
        handler = ast.ExceptHandler(type=ast.Name("Exception", ast.Load()), name=None, body=[ast.Pass()])
        whole = ast.Try(body=[statement], handlers=[handler], orelse=[], finalbody=[])
        return ast.copy_location(whole, statement)


def make_shell(remembered: Callable = lambda function: function, cells: Iterable[str] = ()) -> InteractiveShell:
    """IPython's shell without a kernel: it runs cells as a notebook does and keeps nothing on disk.

    Args:
        remembered, cells: see `grading.probe.private.remember_texts`.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    sys.modules["grading.probe.private"].remember_texts(remembered, cells, EachForItself().visit)
    shell.showtraceback = _show_nothing  # type: ignore[method-assign]  # nobody reads them
    shell.showsyntaxerror = _show_nothing  # type: ignore[method-assign]  # likewise
    return shell


def _show_nothing(*args: Any, **kwargs: Any) -> None:
    """In the place of what shows a traceback."""


def refuse_programs(program: bytes) -> None:
    """Forbid starting programs and processes from now on, see `seccomp.no_programs`."""
    held = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0)


def refuse_fused_optimizers() -> None:
    """Make torch's fused optimizers raise an error, irrevocably."""
    import warnings

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(REFUSED)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = sys.modules["grading.probe.private"].replace_fused_optimizers(refuse)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))


def programs() -> str | None:
    """Why a program or a process could be started, or None."""
    try:
        child = os.fork()
    except PermissionError:
        child = None
    if child == 0:
        os._exit(0)
    if child is not None:
        os.waitpid(child, 0)
        return "a process can be started"
    try:
        os.execv("/nowhere", ["/nowhere"])
    except OSError as error:
        return None if error.errno == errno.EPERM else "a program can be started"


def torch_elsewhere(roots: list[str], places: list[str]) -> str | None:
    """The path of a file of torch that nothing hides, or None.

    Args:
        roots: folders to look through.
        places: paths of torch that are known.
    """
    hidden = set(places)
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in hidden]  # noqa: PTH118
            for name in files:
                if name.startswith(("libtorch", "_fused_adam")) or (name == "adam.py" and folder.endswith("optim")):
                    return os.path.join(folder, name)  # noqa: PTH118
    return None


def torch_here(places: list[str]) -> str | None:
    """Where torch can be found although it should be missing, or None."""
    for path in places:
        if os.path.isdir(path) and os.listdir(path):  # noqa: PTH112, PTH208
            return path
    loaded = [name for name in sys.modules if name.partition(".")[0] == "torch"]
    if loaded:
        return loaded[0]
    spec = importlib.machinery.PathFinder.find_spec("torch", sys.path)
    if spec is not None and spec.origin is not None:
        return spec.origin
    for name in ("libtorch.so", "libtorch_cpu.so", "libtorch_python.so"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return name
    return None


def optimizers_here(places: list[str], stub: str, clipping: str) -> str | None:
    """Where update rules of torch, or its clipping, can be found, or None."""
    for place in places:
        for path in Path(place, "optim").rglob("*"):
            if path.is_file() and path.read_text(encoding="utf-8") != stub:
                return str(path)
        if any(Path(place, "include").glob("*")):
            return f"{place}/include"
        path = Path(place, "nn/utils/clip_grad.py")
        if path.exists() and path.read_text(encoding="utf-8") != clipping:
            return str(path)
        compiled = list(path.parent.rglob("clip_grad*.pyc"))
        if compiled:
            return str(compiled[0])
    file = importlib.import_module("torch.optim").__file__
    if file is None or Path(file).read_text(encoding="utf-8") != stub:
        return file or "torch.optim"
    try:
        sys.modules["grading.probe.private"].fused_step()
    except RuntimeError as error:
        return None if str(error) == REFUSED else f"a fused optimizer ({error})"
    return "a fused optimizer"


def why_not(request: dict) -> str | None:
    """What can be found but should be missing, in words; None if everything is missing that should be."""
    if request["missing"] == "torch":
        found = torch_here(request["torch"])
    else:
        found = optimizers_here(request["torch"], request["stub"], request["clipping"])
    return (f"{request['missing']} can be found: {found}" if found else None) or programs()


def run(request: dict, shell: InteractiveShell) -> None:
    """Connect to the grader, say whether everything is missing, then run cells and answer questions.

    Args:
        request: `path` of the socket, `missing`, `torch` (paths), `stub` and `clipping` (texts), `filter` (hexadecimal)
    """
    answer, names = sys.modules["grading.probe.core"].answer, shell.user_ns
    has_torch = request["missing"] != "torch"
    vars(sys.modules["grading.probe.optimizers"]).update(follow_outside=False, follow_torch=has_torch)
    sys.path[:] = [path for path in sys.path if path not in ("", ".")]
    line = socket.socket(socket.AF_UNIX)
    line.connect(request["path"])
    if has_torch:
        refuse_fused_optimizers()
    refuse_programs(bytes.fromhex(request["filter"]))
    line.sendall(json.dumps({"wrong": why_not(request)}).encode() + b"\n")
    sys.path.append("")  # last: a student's file named numpy.py must not shadow numpy
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):  # nobody reads what the cells print
        os.dup2(null, standard)
    for asked in line.makefile("rb"):
        number, _, text = asked.partition(b" ")
        if text.startswith(b'{"cell":'):
            shell.run_cell(json.loads(text)["cell"], store_history=True)
            said = "{}"
        else:
            try:
                said = answer(text.decode(), names)
            except BaseException as error:  # what is left is a KeyboardInterrupt of the student's
                said = json.dumps({"error": {"type": type(error).__name__, "message": "", "line": None, "code": None}})
        line.sendall(number + b" " + said.encode() + b"\n")


def main() -> None:
    """Begin in an interpreter of its own: standard input brings one line, the request with the probes in it."""
    request = json.loads(sys.stdin.buffer.readline())
    exec(request["probes"], {})
    found = torch_elsewhere(request["roots"], request["torch"])
    if found:
        raise SystemExit(f"torch lies where nothing hides it: {found}")
    run(request, make_shell())


if __name__ == "__main__":
    main()
