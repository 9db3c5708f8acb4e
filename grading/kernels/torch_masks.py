"""What a follower sees instead of torch or its optimizers, see `grading.kernels.follower`."""

import sys
import tempfile
from enum import StrEnum
from functools import lru_cache
from importlib.util import find_spec
from multiprocessing.util import Finalize
from pathlib import Path
from shutil import rmtree

from grading.course import temporary_folders
from grading.sandbox import bubblewrap

# Replaces every module of torch.optim. It accepts any use, so that cells which try torch.optim out run to their end.
NO_OPTIMIZER = """
class Optimizer:
    def __init__(self, params=(), *args, **kwargs):
        self.param_groups, self.state, self.defaults = [], {}, {}

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Optimizer
"""
# Replaces torch's gradient clipping, which is an exercise too.
NO_CLIPPING = """
def refused(*args, **kwargs):
    raise RuntimeError("torch's own clipping is not here: write it yourself")


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return refused
"""
PACKAGES = "lib*/python3*/*-packages/torch"  # where a folder of Python's may hold torch; one of conda's also in:
CLIPPING = "nn/utils/clip_grad.py"
COMPILED = "nn/utils/__pycache__"  # holds the clipping once more
CONDA = "envs/*/" + PACKAGES


class Missing(StrEnum):
    """What a follower lacks."""

    TORCH = "torch"
    OPTIMIZERS = "torch's optimizers"  # and its clipping of gradients


@lru_cache(maxsize=2)
def masks(missing: Missing) -> dict[str, str]:
    """The folders that hide torch or its optimizers: for each path inside the sandbox, a folder made here."""
    folder = Path(tempfile.mkdtemp(prefix=temporary_folders.prefix("bare")))
    Finalize(None, rmtree, (folder, True), exitpriority=0)  # a forked worker runs no functions of `atexit`
    empty, stubs = folder / "empty", folder / "optim"
    empty.mkdir()
    hidden = {}
    for place, torch in torch_places().items():
        if missing is Missing.TORCH:
            hidden[place] = str(empty)
            continue
        for path in (torch / "optim").rglob("*.py"):
            stub = stubs / path.relative_to(torch / "optim")
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text(NO_OPTIMIZER, encoding="utf-8")
        hidden |= {f"{place}/optim": str(stubs), f"{place}/include": str(empty)}  # C++ declares them as well
        if (torch / CLIPPING).is_file():
            (folder / "clipping.py").write_text(NO_CLIPPING, encoding="utf-8")
            hidden[f"{place}/{CLIPPING}"] = str(folder / "clipping.py")
        if (torch / COMPILED).is_dir():
            hidden[f"{place}/{COMPILED}"] = str(empty)
    # A conda environment may hold the packages that it was made from.
    shown = bubblewrap.python_folders()
    hidden |= {f"{path}/pkgs": str(empty) for path in shown if Path(path, "pkgs").is_dir()}
    bubblewrap.give_away(folder)
    return hidden


@lru_cache(maxsize=1)
def torch_places() -> dict[str, Path]:
    """Every path of torch inside the sandbox, with its folder on the host.

    The two may differ: a folder behind a symbolic link is mounted under the link's name. An environment and the Python
    that it was made from may each have a torch.
    """
    found = {Path(parent).joinpath("torch").resolve() for parent in sys.path if parent}
    spec = find_spec("torch")
    if spec is not None and spec.origin is not None:
        found |= {Path(spec.origin).parent, Path(spec.origin).resolve().parent}
    for root in {*bubblewrap.python_folders(), "/usr", "/usr/local"}:
        found |= {path.resolve() for pattern in (PACKAGES, CONDA) for path in Path(root).glob(pattern)}
    places: dict[str, Path] = {}
    for torch in found:
        if torch.is_dir():
            places |= dict.fromkeys(bubblewrap.seen_at(torch), torch.resolve())
    return places
