"""Submissions that eat, flood, break and escape, graded in one batch between good ones.

Each good student keeps full points, each bad one ends in a named state, nothing outside a submission's scratch folder
is read or changed, and no process is left. `make test` grades those that take little, `make test-slow` the rest.
"""

import contextlib
import json
import os
import resource
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook import records
from grading.intake.submission import MAX_NOTEBOOK, MAX_PATHS, Submission
from grading.report.feedback import feedback
from grading.report.page import report
from grading.run import sanitizing
from grading.run.conversion import Converter
from grading.run.finishing import Ready, Writer
from tests.conftest import RIGHT, Graded, graded, once, submit
from tests.processes import processes_with

# What runs before a right answer, the state in which it must end, and the points that may still be earned.
PROGRAMS = {
    "loops_and_swallows_interrupts": (
        """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass""",
        "cell_timed_out",
    ),
    "raises_system_exit": ("import sys\nsys.exit(3)", "graded"),
    "recurses": ("import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f() + 1\nf()", None),
    "forks_without_end": (
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass""",
        None,
    ),
    "takes_twenty_gib": ("held = bytearray(20 * 2**30)", "graded"),
    "takes_memory_in_small_processes": (
        """
import os, time
for _ in range(20):
    if os.fork() == 0:
        held = bytearray(300 * 2**20)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(60)
time.sleep(60)""",
        "kernel_died",
    ),
    "prints_half_a_gb_in_one_line": ("print('x' * 500_000_000)", None),
    "prints_a_million_lines": ("for i in range(1_000_000): print(i)", None),
    "shows_a_huge_picture": ("from IPython.display import HTML\nHTML('x' * 30_000_000)", None),
    "computes_in_sessions_of_their_own": (
        """
import os, time
for _ in range(14):
    if os.fork() == 0:
        os.setsid()
        end = time.monotonic() + 8
        while time.monotonic() < end:
            pass
        os._exit(0)""",
        "graded",
    ),
    "talks_to_the_machine_below": (
        """
import socket
for family in (socket.AF_VSOCK, socket.AF_CAN, socket.AF_PACKET, 29, 31, 38, 44):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            raise SystemExit(socket.socket(family, kind))
        except OSError:
            pass""",
        "graded",
    ),
    "leaves_a_shell_with_the_graders_rights": (
        """
import os, shutil
from ipykernel.connect import get_connection_file
for folder in {os.path.dirname(get_connection_file()), "/scratch", "/tmp", "/dev/shm"}:
    os.chmod(folder, 0o777)
    shutil.copyfile("/bin/sh", folder + "/shell")
    try:
        os.chmod(folder + "/shell", 0o4755)
        raise SystemExit(folder)
    except OSError:
        pass""",
        "graded",
    ),
    "fills_every_disk": (
        """
for folder in (".", "/tmp", "/dev/shm"):
    try:
        for i in range(400):
            with open(f"{folder}/full{i}", "wb") as file:
                file.write(bytes(10**7))
    except OSError:
        pass""",
        "graded",
    ),
    "fills_the_sockets_folder": (
        """
import os, time
from ipykernel.connect import get_connection_file
folder = os.path.dirname(get_connection_file())
for place in (folder, os.path.dirname(folder)):
    try:
        for i in range(100):
            with open(f"{place}/full{i}", "wb") as file:
                file.write(bytes(10**6))
    except OSError:
        pass
time.sleep(3)""",
        "kernel_died",
    ),
    "fills_the_sockets_folder_with_nothing": (
        """
import os, time
from ipykernel.connect import get_connection_file
os.chdir(os.path.dirname(get_connection_file()))
for i in range(60_000):
    open(f"empty{i}", "w").close()
time.sleep(3)""",
        "kernel_died",
    ),
    "makes_folders_too_deep_to_look_into": (
        """
import os, time
from ipykernel.connect import get_connection_file
os.chdir(os.path.dirname(get_connection_file()))
for i in range(1900):
    os.mkdir("d")
    os.chdir("d")
time.sleep(3)""",
        "kernel_died",
    ),
    "ends_soon_after_a_message_that_is_too_large": (
        """
import os, threading
threading.Timer(1, os._exit, (0,)).start()
print("x" * 60_000_000)""",
        "kernel_died",
    ),
    "opens_thousands_of_files": (
        """
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
for file in held:
    file.close()""",
        "graded",
    ),
    "starts_thousands_of_threads": (
        """
import threading, time
try:
    for _ in range(5000):
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
except RuntimeError:
    pass""",
        None,
    ),
    "leaves_children_behind": (
        """
import subprocess
for _ in range(20):
    subprocess.Popen(["sleep", "600"], start_new_session=True)""",
        "graded",
    ),
    "signals_everybody": (
        """
import os, signal
for pid in (os.getppid(), -1, *range(2, 400)):
    try:
        if pid:
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass""",
        None,
    ),
    "traces_its_parent": (
        """
import ctypes, os
attach = ctypes.CDLL(None).ptrace
traced = [pid for pid in range(1, 300) if pid != os.getpid() and attach(16, pid, 0, 0) == 0]
assert not traced, traced""",
        "graded",
    ),
    "connects": (
        """
import socket
reached = []
for address in (("127.0.0.1", PORT), ("1.1.1.1", 53), ("10.0.0.1", 80)):
    try:
        reached.append(socket.create_connection(address, timeout=1))
    except OSError:
        pass
assert not reached, reached""",
        "graded",
    ),
    "reads_the_course": (
        """
import os, sys
needed = (sys.base_prefix + sys.prefix).split("/")
seen = [path for path in ("ROOT", "/etc/shadow", "/var/log") if os.path.exists(path)]
for home in ("/root", "/home"):
    seen += [name for name in (os.listdir(home) if os.path.isdir(home) else []) if name not in needed]
assert not seen, seen""",
        "graded",
    ),
    "writes_outside": (
        """
written = []
for path in ("ROOT/x", "../x", "../../x", "/x", "/usr/x", "/etc/x", "/bin/x"):
    try:
        open(path, "w").close()
        written.append(path)
    except OSError:
        pass
assert not written, written""",
        "graded",
    ),
    "mounts_and_makes_devices": (
        """
import ctypes, os
os.makedirs("m", exist_ok=True)
assert ctypes.CDLL(None).mount(b"proc", b"m", b"proc", 0, None) != 0
try:
    os.mknod("sda", 0o60600, os.makedev(8, 0))
except PermissionError:
    made = False
else:
    made = True
assert not made""",
        "graded",
    ),
    "has_many_cells_that_loop": (["while True: pass"] * 4, None),
    "ends_python_later": (
        ["import os, threading; threading.Timer(0.3, os._exit, (1,)).start()", "import time; time.sleep(1)"],
        "kernel_died",
    ),
    "takes_all_cells_away": ("get_ipython().run_cell = None", "kernel_died"),
    "writes_garbage_into_every_socket": (
        """
import os
for number in range(200):
    try:
        os.set_blocking(number, False)
        os.write(number, b'\\xff{"value": 1}\\n\\n7 {"value": 1}\\n' * 1000)
    except OSError:
        pass""",
        "kernel_died",
    ),
    "computes_in_a_crowd": (
        """
import os, time
for _ in range(100):
    if os.fork() == 0:
        os.setsid()
        while True: pass
time.sleep(30)""",
        None,
    ),
    "takes_memory_that_no_process_has": (
        """
import ctypes, os
try:
    os.memfd_create("x")
except OSError:
    refused = ctypes.CDLL(None).shmget(0, 2**20, 0o1600) < 0
assert refused""",
        "graded",
    ),
    "changes_one_display_many_times": (
        """
from IPython.display import display, update_display
for _ in range(150):
    display({"text/plain": "x"}, raw=True, display_id="d")
update_display({"text/plain": "y" * 8_000_000}, raw=True, display_id="d")""",
        "graded",
    ),
}


def deep(path: Path) -> None:
    path.write_text("[" * 100_000 + "]" * 100_000, encoding="utf-8")


def nested_cell(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('"metadata": {}', '"metadata": ' + '{"a": ' * 5000 + "1" + "}" * 5000), encoding="utf-8"
    )


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_NOTEBOOK + 1)


def huge_cell(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"].append(new_code_cell("x = '" + "y" * 20_000_000 + "'"))
    path.write_text(json.dumps(notebook), encoding="utf-8")


def with_cells(*cells: dict):
    """Add cells, as they are, to a notebook's file."""

    def spoil(path: Path) -> None:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"] += cells
        path.write_text(json.dumps(notebook), encoding="utf-8")

    return spoil


def markdown(text: str, **more: object) -> dict:
    return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": text, **more}


def code(text: str) -> dict:
    return {"cell_type": "code", "id": "c", "metadata": {}, "source": text, "outputs": [], "execution_count": None}


def odd_numbers(path: Path) -> None:
    numbers = {"points": 12345, "schema_version": 23456, "solution": 34567}
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"]["nbgrader"] = {**cell["metadata"].get("nbgrader", {}), **numbers}
    text = json.dumps(notebook).replace("12345", "9" * 4000).replace("23456", "1e999").replace("34567", "NaN")
    path.write_text(text, encoding="utf-8")


def broken_halves(path: Path) -> None:
    text = (
        path.read_text(encoding="utf-8")
        .replace('"id": "', '"id": "\\ud800')
        .replace('"grade_id": "', '"grade_id": "\\udfff')
    )
    path.write_text(text.replace("# Averages", "\\ud800" * 100_000), encoding="utf-8")


def crowded(path: Path) -> None:
    for number in range(MAX_PATHS + 1):
        (path.parent / f"{number}.txt").touch()


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def linked(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.symlink_to("/etc")


def endless_link(path: Path) -> None:
    (path.parent / "loop").symlink_to(path.parent)
    (path.parent / "data.bin").write_bytes(bytes(range(256)) * 4000)


FILES = {
    "empty": (lambda path: path.write_bytes(b""), "notebook_unreadable"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 1000), "notebook_unreadable"),
    "deep_json": (deep, "notebook_unreadable"),
    "deep_metadata": (nested_cell, None),
    "huge": (huge, "notebook_unreadable"),
    "huge_cell": (huge_cell, None),
    "cut_off": (lambda path: path.write_text(path.read_text(encoding="utf-8")[:-200]), "notebook_unreadable"),
    "cells_null": (lambda path: path.write_text('{"cells": null, "nbformat": 4, "nbformat_minor": 5}'), None),
    "cells_of_numbers": (lambda path: path.write_text('{"cells": [1, 2], "metadata": {}, "nbformat": 4}'), None),
    "from_the_future": (
        lambda path: path.write_text(path.read_text(encoding="utf-8").replace('"nbformat": 4', '"nbformat": 9')),
        None,
    ),
    "old_format": (
        lambda path: path.write_text('{"worksheets": [{"cells": []}], "metadata": {}, "nbformat": 3}'),
        "repaired",
    ),
    "quadratic_markdown": (with_cells(markdown("![" * 250_000), markdown("![a](attachment:" * 30_000)), "graded"),
    "takes_hours_to_read": (with_cells(*[markdown("![a](attachment:" * 4000) for _ in range(400)]), "not_gradable"),
    "hundreds_of_magics": (with_cells(code("%time x\n" * 490 + "#" * 20_000)), None),
    "braces": (
        with_cells(code("{}" * 24_000), code(".".join("a" * 20_000)), code("\ufeff" + "a=1;" * 150_000)),
        None,
    ),
    "hundred_thousand_cells": (with_cells(*[code("")] * 100_000), "notebook_unreadable"),
    "ten_thousand_pictures": (
        with_cells(markdown("x", attachments={f"{i}.png": {"image/png": "AAAA"} for i in range(10_000)})),
        "graded",
    ),
    "fifty_megabytes": (with_cells(markdown("x" * 50_000_000)), "notebook_unreadable"),
    "odd_numbers": (odd_numbers, "repaired"),
    "broken_halves": (broken_halves, "repaired"),
    "crowded": (crowded, "repaired"),
    "folder": (folder_instead, "notebook_missing"),
    "pipe": (pipe_instead, "notebook_missing"),
    "linked_folder": (linked, "symbolic_link"),
    "link_to_itself": (endless_link, "repaired"),
}
KNOWN = set(records.WORDS) - {records.NOT_GRADABLE}
GOOD = [f"good_{number}" for number in range(6)]
# Those that take much, while others of their kind take less.
LONG = {
    "braces",
    "computes_in_a_crowd",
    "fifty_megabytes",
    "fills_the_sockets_folder_with_nothing",
    "forks_without_end",
    "has_many_cells_that_loop",
    "hundred_thousand_cells",
    "hundreds_of_magics",
    "prints_half_a_gb_in_one_line",
    "starts_thousands_of_threads",
    "ten_thousand_pictures",
}
CLASSES = {
    "quick": [name for name in (*PROGRAMS, *FILES) if name not in LONG],
    "rest": [name for name in (*PROGRAMS, *FILES) if name in LONG],
}


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    """Parametrize a test with students, each in the class that is graded with it."""
    slow = [pytest.mark.slow]
    found = [
        pytest.param(
            *(("rest", name) if name in LONG else ("quick", name)), id=name, marks=slow if name in LONG else []
        )
        for name in names
    ]
    return pytest.mark.parametrize(("siege", "student"), found, indirect=["siege"])


@dataclass
class Siege(Graded):
    """A class that was besieged.

    Attributes:
        marker: a word in the environment of the processes that graded.
        changed: the files of the course that are other than before.
        stages: how long the grader's process took for each stage of each student, as (student, stage) and seconds.
        most_memory: what the grader itself has taken at most, in KiB.
    """

    marker: str
    changed: list[str]
    stages: dict[tuple[str, str], float]
    most_memory: int


@contextlib.contextmanager
def timed() -> Iterator[dict[tuple[str, str], float]]:
    """Measure the stages of all submissions that are graded meanwhile."""
    took: dict[tuple[str, str], float] = {}

    def timed(stage: str, clock, method, submission=lambda converter, *rest: converter.submission):
        def call(*arguments, **named):
            began = clock()
            try:
                return method(*arguments, **named)
            finally:
                took[submission(*arguments).student, stage] = clock() - began

        return call

    def saved(writer: Writer, ready: Ready) -> Submission:
        return ready.converter.submission

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Converter, "__init__", timed("look", time.thread_time, Converter.__init__))
        patch.setattr(Converter, "sanitize", timed("sanitize", time.monotonic, Converter.sanitize))
        patch.setattr(Writer, "_write_files", timed("save", time.thread_time, Writer._write_files, saved))
        yield took


def besiege(class_: str, released: Path, folder: Path) -> tuple:
    """Grade one of the `CLASSES`, in the order of the names, so that the good students stand in between.

    Returns what a `Siege` has besides the course.
    """
    course = Course(Path(shutil.copytree(released, folder / "course")))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # somebody listens there
        for name in CLASSES[class_]:
            hand_in(course, name, port)
        for number, name in enumerate(GOOD):
            submit(course, f"{'acfpsz'[number]}_{name}", RIGHT)
        before = {path: path.read_bytes() for path in course.root.rglob("*") if is_theirs(course.root, path)}
        with pytest.MonkeyPatch.context() as patch, timed() as stages:
            patch.setenv("MARKER", marker := f"siege-{class_}")
            patch.setattr(sanitizing, "SECONDS", 2.0)
            done = graded(course, warm=True, jobs=2)  # as `make grade` does it, with what its workers share
    changed = [str(path) for path, text in before.items() if not path.is_file() or path.read_bytes() != text]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return done.outcomes, done.seconds, marker, changed, stages, memory


def hand_in(course: Course, name: str, port: int) -> None:
    if name in FILES:
        FILES[name][0](submit(course, name, RIGHT))
        return
    code = PROGRAMS[name][0]
    codes = code if isinstance(code, list) else [code.replace("ROOT", str(course.root)).replace("PORT", str(port))]
    cells = [new_code_cell(text) for text in codes]
    submit(course, name, RIGHT, lambda notebook: notebook.cells.__setitem__(slice(0, 0), cells))


@pytest.fixture(scope="session")
def sieges(tmp_path_factory: pytest.TempPathFactory, released: Path) -> Callable[[str], Siege]:
    """One of the `CLASSES`, graded once."""

    @cache
    def of(class_: str) -> Siege:
        folder, made = once(tmp_path_factory, f"siege-{class_}", partial(besiege, class_, released))
        return Siege(Course(folder / "course"), *made)

    return of


@pytest.fixture(params=["quick", pytest.param("rest", marks=pytest.mark.slow)])
def siege(request: pytest.FixtureRequest, sieges: Callable[[str], Siege]) -> Siege:
    """One of both."""
    return sieges(request.param)


def is_theirs(root: Path, path: Path) -> bool:
    """Whether grading must leave a file alone."""
    top = path.relative_to(root).parts[0]
    return top in ("source", "release", "submitted", "mistakes", "nbgrader_config.py") and path.is_file()


def test_every_good_student_gets_full_points(siege):
    good = [student for student in siege.outcomes if "_good_" in student]
    assert {student: siege.scores(student) for student in good} == {student: (2, 1) for student in good}
    assert {siege.outcomes[student].state for student in good} == {"graded"} and len(good) == len(GOOD)


@each([*PROGRAMS, *FILES])
def test_every_hostile_submission_ends_in_a_known_state(siege, student):
    wanted = {**PROGRAMS, **FILES}[student][1]
    ended = siege.outcomes[student]
    assert wanted in (None, ended.state), f"{ended.state}: {ended.reason}"
    assert ended.state == "graded" or ended.reason, ended
    assert "Traceback" not in ended.reason and ended.state in (wanted, *KNOWN), ended.reason


@each(name for name, (_, state) in PROGRAMS.items() if state)
def test_one_bad_cell_costs_no_point_of_the_others(siege, student):
    assert siege.scores(student) == (2, 1), siege.outcomes[student]


@each(
    [
        "traces_its_parent",
        "connects",
        "reads_the_course",
        "writes_outside",
        "mounts_and_makes_devices",
        "talks_to_the_machine_below",
        "leaves_a_shell_with_the_graders_rights",
    ]
)
def test_no_forbidden_operation_worked(siege, student):
    errors = [output for output in siege.notebook(student).cells[0].outputs if output.output_type == "error"]
    assert not errors, errors


QUICK = pytest.mark.parametrize("siege", ["quick"], indirect=True)


@QUICK
def test_memory_taken_by_many_processes_is_reported(siege):
    assert "This cell was ended: more than 1 GiB of memory" in siege.outcomes["takes_memory_in_small_processes"].reason


@QUICK
def test_a_submission_that_takes_too_long_to_read_is_reported(siege):
    reason = siege.outcomes["takes_hours_to_read"].reason
    assert "it took more than 2 s" in reason


def test_no_stage_of_any_submission_takes_long(siege):
    """Bounds are wide: this process and those that read submissions share the processors with all others."""
    most = {"look": 5, "sanitize": 60, "save": 5}
    slow = {key: seconds for key, seconds in siege.stages.items() if seconds > most[key[1]]}
    assert not slow and {stage for _, stage in siege.stages} == most.keys(), slow


def test_pages_and_report_of_hostile_submissions_take_no_longer(siege):
    odd = {"quadratic_markdown", "hundreds_of_magics", "braces", "ten_thousand_pictures", "broken_halves"}
    hostile = sorted(odd & siege.outcomes.keys())
    assert hostile
    feedback(siege.course, "averages", students=hostile)
    for student in hostile:
        page = siege.course.root / "feedback" / student / "averages" / "averages.html"
        assert page.stat().st_size < 5_000_000, student
    began = time.thread_time()
    assert report(siege.course, "averages").is_file()
    assert time.thread_time() - began < 20


def test_no_notebook_is_flooded(siege):
    sizes = {path: path.stat().st_size for path in (siege.course.root / "autograded").rglob("*.ipynb")}
    assert {path.parts[-3] for path, size in sizes.items() if size > 10**6} <= {"huge_cell"}


def test_nothing_of_the_course_has_changed_and_no_process_is_left(siege):
    assert siege.changed == []
    left = [line for line in processes_with(f"MARKER={siege.marker}") if "resource_tracker" not in line]
    # The process that workers are forked from ends with the grader, which is this process.
    assert len(left) <= 1 and all("forkserver" in line for line in left), left


def test_the_grader_itself_needs_little_memory(siege):
    assert siege.most_memory < 2_000_000  # KiB


@QUICK
def test_the_notebook_shows_where_output_was_cut(siege):
    texts = [str(output.get("text")) for output in siege.notebook("prints_a_million_lines").cells[0].outputs]
    assert any("The output is cut here, after 100,000 characters." in text for text in texts) or any(
        "Output truncated" in text for text in texts
    )
    assert notebooks.kind(siege.notebook("prints_a_million_lines").cells[-1]) == "test"
