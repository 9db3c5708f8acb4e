"""Folders that a bare kernel sees in the place of torch's optimizers, see `grading.kernels.without_optimizers`."""

import importlib.util
import shutil
import tempfile
from functools import lru_cache
from multiprocessing.util import Finalize
from pathlib import Path

from grading.course import temporary_folders
from grading.sandbox import bubblewrap

# In the place of every module of torch.optim. It can be used, so that cells which try torch.optim out run to their end.
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


@lru_cache(maxsize=1)
def masks() -> dict[str, str]:
    """Make a package without optimizers; what is to be seen in the place of what, see `bubblewrap.command`."""
    folder = Path(tempfile.mkdtemp(prefix=temporary_folders.prefix("bare")))
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)  # a forked worker runs no functions of `atexit`
    torch = Path(importlib.util.find_spec("torch").origin).resolve().parent
    empty, stubs = folder / "empty", folder / "optim"
    empty.mkdir()
    for path in (torch / "optim").rglob("*.py"):
        stub = stubs / path.relative_to(torch / "optim")
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(NO_OPTIMIZER, encoding="utf-8")
    bubblewrap.give_away(folder)
    hidden = {str(torch / "optim"): str(stubs), str(torch / "include"): str(empty)}  # C++ declares them as well
    # A conda environment may hold the packages that it was made from.
    caches = [Path(shown) / "pkgs" for shown in bubblewrap.python_folders()]
    return hidden | {str(cache): str(empty) for cache in caches if cache.is_dir()}
