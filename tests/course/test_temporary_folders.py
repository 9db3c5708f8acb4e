"""Temporary folders: swept when their process has ended, and only then."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from grading.course import temporary_folders


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


MAKE = """
import tempfile
from grading.course import temporary_folders
tempfile.mkdtemp(prefix=temporary_folders.prefix('kernels'))
"""


def test_a_folder_is_swept_when_its_process_has_ended(place):
    subprocess.run([sys.executable, "-c", MAKE], check=True, env={**os.environ, "TMPDIR": str(place)})
    (folder,) = place.iterdir()
    (folder / "inner").mkdir()
    temporary_folders.sweep()
    assert not list(place.iterdir())


def test_a_folder_that_is_deep_and_forbidden_is_removed(place):
    before, folder = Path.cwd(), place / "grading"
    folder.mkdir()
    os.chdir(folder)
    for _ in range(1500):
        os.mkdir("d")  # noqa: PTH102 - the whole path is too long for a name
        os.chdir("d")
    os.chdir(before)
    (folder / "d").chmod(0)
    temporary_folders.remove(folder)
    assert not folder.exists()


def test_a_folder_stays_while_its_process_runs():
    folder = Path(tempfile.mkdtemp(prefix=temporary_folders.prefix("kernels")))
    temporary_folders.sweep()
    assert folder.is_dir()


def test_a_link_is_not_followed(place):
    (place / "kept").mkdir(mode=0o500)
    link = place / temporary_folders.prefix("kernels").replace(f"-{os.getpid()}-", "-999999999-")
    link.symlink_to(place / "kept")
    temporary_folders.sweep()
    assert (place / "kept").stat().st_mode & 0o777 == 0o500 and link.is_symlink()


@pytest.mark.parametrize("name", ["grading-1-999999999-kernels-x", "grading-notes", "other", "grading-x-y-z-w"])
def test_other_folders_stay(place, name):
    (place / name).mkdir()
    temporary_folders.sweep()
    assert (place / name).is_dir()


def test_a_long_tmpdir_leaves_room_for_a_sockets_path(place, monkeypatch):
    long = place / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = temporary_folders.closed("kernel")
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(f"{folder}/{'x' * 12}-65535")
    finally:
        temporary_folders.remove(folder.parent)
