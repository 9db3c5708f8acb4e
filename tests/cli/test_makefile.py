"""What `make` says before it runs anything."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def make(*words: str) -> subprocess.CompletedProcess[str]:
    line = ["make", "--no-print-directory", "--dry-run", "PYTHON=python", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_watch_refuses_a_cluster_with_a_message():
    refused = make("watch", "CLUSTER=tls://host:8786")
    assert refused.returncode == 2 and refused.stdout == ""
    assert "make watch grades on the machine where it runs. Leave out CLUSTER, or use make grade" in refused.stderr
    assert make("watch").returncode == 0


@pytest.mark.parametrize("target", ["feedback", "report", "mutants", "demo"])
def test_targets_that_ignore_a_cluster_say_so(target: str):
    done = make(target, "CLUSTER=tls://host:8786")
    assert done.returncode == 0 and done.stdout
    assert f"CLUSTER is for grade, regrade, doctor and bench: make {target} runs on this machine only" in done.stderr
    assert make(target).stderr == ""


@pytest.mark.parametrize("target", ["grade", "regrade", "doctor", "bench"])
def test_targets_that_use_a_cluster_get_its_address(target: str):
    done = make(target, "CLUSTER=yes")
    assert done.stderr == "" and "--cluster" in done.stdout


# A Python that says it is another version, and makes no environment.
PRETENDS = """#!/bin/sh
case "$1" in
-c) exec {python} -c "import sys; sys.version_info = ({version}, 1); $2" ;;
--version) echo "Python {name}" ;;
*) exit 1 ;;
esac
"""


def create(folder: Path, versions: dict[str, str]) -> str:
    """What `make .venv/ready` says, where only these Pythons are installed: the version by name."""
    programs = folder / "bin"
    programs.mkdir()
    for program in ("sh", "touch"):
        (programs / program).symlink_to(shutil.which(program))
    for name, version in versions.items():
        path = programs / name
        path.write_text(
            PRETENDS.format(python=sys.executable, version=version.replace(".", ", "), name=version), encoding="utf-8"
        )
        path.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    line = [shutil.which("make"), ".venv/ready"]
    done = subprocess.run(line, cwd=folder, env={"PATH": str(programs)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    return done.stdout


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"python3": "3.11"}, "3.11"),
        ({"python3": "3.14"}, "3.14"),
        ({"python3": "3.10", "python3.13": "3.13"}, "3.13"),
        ({"python3": "3.15", "python3.11": "3.11", "python3.12": "3.12"}, "3.12"),
        ({"python3.11": "3.11"}, "3.11"),
    ],
)
def test_make_finds_any_python_that_has_wheels(tmp_path: Path, versions: dict[str, str], chosen: str):
    assert f"with Python {chosen} " in create(tmp_path, versions)


def test_a_python_without_the_packages_is_refused_with_the_remedy(tmp_path: Path):
    python = tmp_path / "python"
    for options, code in (("", 0), ("-S", 2)):  # -S: without site-packages
        python.write_text(f'#!/bin/sh\nexec {sys.executable} {options} "$@"\n', encoding="utf-8")
        python.chmod(0o755)
        line = ["make", "--no-print-directory", "check-python", f"PYTHON={python}"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, f"{python} -m pip install" in done.stdout) == (code, bool(code)), done


@pytest.mark.parametrize("versions", [{}, {"python3": "3.10"}, {"python3": "3.15"}])
def test_without_a_python_make_says_which_ones_it_needs(tmp_path: Path, versions: dict[str, str]):
    said = create(tmp_path, versions)
    assert "needs Python 3.11, 3.12, 3.13 or 3.14" in said and "Creating" not in said
