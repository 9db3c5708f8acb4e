"""What may be sent where, and the certificate."""

import subprocess
import sys
from pathlib import Path

import pytest

from grading.cluster.security import KEY, make_certificate, require_safe, security
from grading.course.errors import CourseError


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "tls://a.org:8786"]
)
def test_addresses_that_are_safe_are_accepted(address: str):
    require_safe(address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://localhost.example.org:8786", "tcp://0.0.0.0:8786"])
def test_nothing_goes_unencrypted_beyond_this_machine(address: str):
    with pytest.raises(CourseError, match=r"unencrypted\. Write tls://"):
        require_safe(address)


@pytest.mark.parametrize("address", ["", "10.0.0.1:8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tls://a:b", "x"])
def test_invalid_addresses_are_refused(address: str):
    with pytest.raises(CourseError, match="not the address of a scheduler"):
        require_safe(address)


def test_a_certificate_is_made_once_and_its_key_is_private(tmp_path: Path):
    with pytest.raises(CourseError, match=r"certificate\.pem\. Make it with"):
        security(tmp_path / "cluster")
    folder = make_certificate(tmp_path / "cluster")
    assert security(folder).require_encryption
    with pytest.raises(CourseError, match="holds a certificate already"):
        make_certificate(folder)
    assert folder.stat().st_mode & 0o077 == 0 and (folder / KEY).stat().st_mode & 0o077 == 0
    (folder / KEY).chmod(0o644)
    with pytest.raises(CourseError, match="Other users may read"):
        security(folder)


def test_without_a_cluster_nothing_of_dask_is_imported():
    modules = "grading.cli.main, grading.run.grade, grading.run.watch, grading.run.regrade, grading.run.parcel"
    asks = f"import {modules}, sys; print([name for name in ('dask', 'distributed') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
