"""Who may talk to whom: everything beyond this machine is encrypted, and both sides show a certificate."""

import ipaddress
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from grading.course.errors import CourseError

if TYPE_CHECKING:
    from distributed.security import Security

FOLDER = "cluster"  # of the course, for the certificate and its key; git ignores it
CERTIFICATE, KEY = "certificate.pem", "key.pem"
DAYS = 365
INSTALL = 'Install it in a checkout of the course: pip install --constraint requirements.lock ".[cluster]"'


def require_dask() -> None:
    """Raises:
    CourseError: the package `distributed` is not installed.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise CourseError(f"CLUSTER needs the package distributed, which is not installed. {INSTALL}") from None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nothing sent to it leaves the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(address: str) -> bool:
    """Whether what is sent to the scheduler at this address is encrypted, or stays on this machine."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "tls" or (parts.scheme == "tcp" and is_loopback(str(parts.hostname)))


def require_safe(address: str) -> None:
    """Check the address of a scheduler.

    Raises:
        CourseError: it is none, or what is sent there would not be encrypted.
    """
    try:
        parts = urlsplit(address)
        right = parts.scheme in ("tcp", "tls") and bool(parts.hostname and parts.port) and "@" not in address
    except ValueError:
        right = False
    if not right:
        raise CourseError(
            f"{_shown(address)!r} is not the address of a scheduler. Write local:4, tcp://127.0.0.1:8786, "
            "tls://host:8786, or the name of a file (.yaml)."
        )
    if not is_safe(address):
        raise CourseError(
            f"{address} would send the hidden tests and students' work unencrypted. Write tls://{parts.netloc}, with "
            "certificates from: python -m grading certificates (see docs/scaling.md)."
        )


def _shown(address: str) -> str:
    """An address without what may be a password."""
    return re.sub(r"(//|^).*@", r"\1...@", address, flags=re.DOTALL)


def security(folder: Path) -> "Security":
    """Dask's settings for encrypted connections with the certificate in this folder, which serves all sides.

    Raises:
        CourseError: there is no certificate, or others may read its key.
    """
    from distributed.security import Security

    certificate, key = folder / CERTIFICATE, folder / KEY
    for path in (certificate, key):
        if not path.is_file():
            raise CourseError(
                f"tls:// needs {path}. Make it with: python -m grading certificates, once, and copy the folder to the "
                "other machines."
            )
    if key.stat().st_mode & 0o077:
        raise CourseError(f"Other users may read {key}. Run: chmod 600 {key}")
    files = {f"tls_{role}_cert": str(certificate) for role in ("scheduler", "worker", "client")}
    files |= {f"tls_{role}_key": str(key) for role in ("scheduler", "worker", "client")}
    return Security(tls_ca_file=str(certificate), require_encryption=True, **files)


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate and its key with openssl. Returns the folder. No other one is trusted.

    Raises:
        CourseError: there is one already, or openssl is missing or fails.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    if certificate.exists() or key.exists():
        raise CourseError(f"{folder} holds a certificate already. Delete the folder to make a new one.")
    program = shutil.which("openssl")
    if program is None:
        raise CourseError("openssl is missing. Install it (Debian, Ubuntu: apt install openssl).")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    line = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    line += ["-days", str(DAYS), "-subj", "/CN=grading", "-keyout", str(key), "-out", str(certificate)]
    # Python 3.13 rejects an authority whose certificate does not name the purpose of its key.
    line += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        key.unlink()
        raise CourseError(f"openssl could not make a certificate: {done.stderr.strip().splitlines()[-1:]}")
    return folder
