"""An environment like this one, in which the package is installed from a wheel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def install(folder: Path) -> Path:
    """Make the environment in this folder; its Python."""
    shutil.copytree(ROOT / "grading", folder / "source" / "grading", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run([*pip, *build], check=True)
    shutil.copytree(sys.prefix, folder / "env", symlinks=True, copy_function=link_or_copy)
    python = folder / "env" / "bin" / "python"
    packages = next((folder / "env").glob("lib/python*/site-packages"))
    for path in [
        *packages.glob("__editable__*"),
        *packages.glob("optimization_course-*"),
        *packages.glob("*.egg-link"),
    ]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (wheel,) = folder.glob("*.whl")
    options = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *options], check=True)
    return python


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)
