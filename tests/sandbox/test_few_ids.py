"""Root in a container where only some user ids exist: students' code is isolated there, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grading.course.folder import Course
from grading.gradebook import records
from grading.sandbox.bubblewrap import unprivileged
from tests.conftest import RIGHT, submit

TELLS = """
import os, socket
def refused(action, argument):
    try:
        action(argument)
    except OSError:
        return True
print("tried", os.getuid(), refused(os.setuid, 0), refused(os.chroot, "/"), refused(socket.sethostname, "other"))
"""
ALONE = ("unshare", "--user", "--map-root-user")


def why_not() -> str:
    done = subprocess.run([*ALONE, "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() or "not allowed" if done.returncode else ""


def maps(folder: Path, *texts: str) -> tuple[Path, Path]:
    for name, text in zip("ug", texts):
        (folder / name).write_text(text, encoding="ascii")
    return folder / "u", folder / "g"


WHOLE = "         0          0 4294967295\n"
ROOTLESS = "         0       1000          1\n         1     100000      65536\n"  # podman's
SINGLE = "         0       1000          1\n"


@pytest.mark.parametrize(
    ("users", "groups", "expected"),
    [
        (WHOLE, WHOLE, range(100_000, 200_000)),
        (ROOTLESS, ROOTLESS, range(1000, 65537)),
        (ROOTLESS, SINGLE, range(0)),
        (SINGLE, SINGLE, range(0)),
        ("0 0 150000\n", WHOLE, range(100_000, 150_000)),
        ("0 5 1\n500 6 2000\n", "0 5 1\n700 6 1000\n", range(1000, 1700)),
    ],
)
def test_students_code_gets_an_id_that_exists_and_is_not_the_systems(tmp_path, users, groups, expected):
    assert unprivileged(maps(tmp_path, users, groups)) == expected


@pytest.mark.skipif(bool(why_not()), reason=f"no user namespaces here: {why_not()}")
@pytest.mark.parametrize("warm", ["yes", "no"])
def test_root_alone_grades_and_students_code_has_no_rights(tiny: Course, warm: str):
    submit(tiny, "ada", f"{RIGHT}\n{TELLS}")
    line = [*ALONE, sys.executable, "-m", "grading", "--root", str(tiny.root), "grade"]
    said = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "WARM": warm})
    assert said.returncode == 0, said.stdout + said.stderr
    record = records.read(tiny, "averages")["ada"]
    assert record.score == 3 and record.isolated
    graded = (tiny.root / "autograded" / "ada" / "averages" / "averages.ipynb").read_text(encoding="utf-8")
    assert "tried 1000 True True True" in graded, graded
