"""Each part of a cluster on a machine of its own, with no checkout and the package from a wheel, joined by a network.

The machines are network namespaces, see `tests/cluster/network.py`.
"""

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from grading.cluster.security import make_certificate
from grading.course import notebooks
from grading.course.folder import Course
from grading.gradebook import records
from tests.cluster import network
from tests.cluster.network import Machine, Network
from tests.cluster.test_executor import PROBE, slow_class
from tests.conftest import RIGHT, ROOT, submit
from tests.run.test_parcel import hand_in

pytestmark = pytest.mark.slow

PORT = 8786
MARKER = "marker.txt"
LIMITS = "\nc = get_config()\nc.Execute.timeout = 4\nc.Execute.hung_timeout = 2\nc.Execute.max_restarts = 2\n"
# Dask's limits, which are minutes for the sake of slow machines.
QUICK = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}
SPY = (
    PROBE
    + """
links = [name for _, name in socket.if_nameindex()]
print(links, [address for address in {addresses} if reaches(*address)])
"""
)


@dataclass
class Site:
    """A scheduler and workers, and the grader, which has the course."""

    network: Network
    scheduler: Machine
    grader: Machine
    course: Course

    @property
    def address(self) -> str:
        return f"tls://{self.scheduler.address}:{PORT}"

    def worker(self) -> Machine:
        made = self.machine(f"worker{len(self.network.machines)}")
        made.serve("worker", self.address, "--jobs", "1", **QUICK)
        return made

    def machine(self, name: str) -> Machine:
        made = self.network.machine(name)
        (made.folder / "tmp").mkdir(parents=True)
        (made.folder / "log").touch()
        if name != "grader":
            shutil.copytree(self.course.root / "cluster", made.folder / "cluster")
        return made

    def grade(self, *options: str, hit: Machine | None = None, fault: Callable[[], object] = lambda: None) -> str:
        """Grade the class from the grader's machine; what the command says.

        Args:
            hit: as soon as this worker executes a student's notebook, `fault` is called.
        """
        said = self.grader.log
        process = self.grader.start("--root", str(self.course.root), "grade", *options, **QUICK)
        if hit is not None:
            while not any(hit.folder.glob(f"tmp/grading-*-parcel-*/{MARKER}")):
                assert process.poll() is None, self.grader.log
                time.sleep(0.05)
            fault()
        process.wait(300)
        return self.grader.log[len(said) :]


@pytest.fixture
def site(tmp_path: Path, tiny: Course, installed: Path) -> Iterator[Site]:
    if network.why_not():
        pytest.skip(f"no network namespaces here: {network.why_not()}")
    settings = tiny.root / "nbgrader_config.py"
    settings.write_text(settings.read_text(encoding="utf-8") + LIMITS, encoding="utf-8")
    make_certificate(tiny.root / "cluster")
    with network.network(tmp_path / "machines", installed) as made:
        site = Site(made, None, None, tiny)  # type: ignore[arg-type]
        site.grader, site.scheduler = site.machine("grader"), site.machine("scheduler")
        site.scheduler.serve("scheduler", "--host", site.scheduler.address, **QUICK)
        yield site


def results(course: Course) -> dict[str, tuple]:
    """What came out for each student: the graded notebook and the record without times."""
    found = {}
    for student, record in records.read(course, "averages").items():
        path = course.root / "autograded" / student / "averages" / "averages.ipynb"
        names = ("state", "reason", "score", "tests", "suspicions", "faults", "isolated", "fingerprint")
        found[student] = notebooks.read(path), [getattr(record, name) for name in names]
    return found


def counted(said: str) -> list[str]:
    """The students in the order in which they were finished."""
    return re.findall(r"Grading averages \d+/\d+ .*last: ([\w-]+)", said)


def test_grades_are_those_of_one_machine_and_no_student_reaches_the_network(site: Site):
    workers = [site.worker(), site.worker()]
    listening = {machine.name: machine.listening() for machine in (site.scheduler, *workers)}
    for machine in (site.scheduler, *workers):  # the machines themselves reach all of this
        assert machine.reaches(listening[machine.name]) == listening[machine.name] != []
        assert not any(Path(f"/proc/{machine.pid}/root{ROOT}").iterdir())  # no checkout
    theirs = [address for addresses in listening.values() for address in addresses]
    beyond = [address for address in theirs if not address.startswith("127.")]
    assert workers[0].reaches(beyond) == beyond and f"{site.scheduler.address}:{PORT}" in beyond
    hand_in(site.course)
    pairs = sorted({(host, int(port)) for host, port in (address.rsplit(":", 1) for address in theirs)})
    spy = new_code_cell(SPY.replace("{addresses}", repr(pairs)))
    submit(site.course, "spy", RIGHT, lambda notebook: notebook.cells.insert(3, spy))
    site.grade()
    here = results(site.course)
    site.grader.start("--root", str(site.course.root), "doctor", "--cluster", site.address).wait(60)
    assert (
        len(re.findall(r"│ tls://10\.0\.0\.\d:\d+ │ as here +│ 1 +│ works +│ \S+ GiB +│ yes +│", site.grader.log)) == 2
    )
    said = site.grade("--force", "--cluster", site.address)
    assert "Grading on" in said and "No score has changed" in said
    assert sorted(counted(said)) == ["ada", "bob", "cleo", "dan", "eve", "spy"]
    there = results(site.course)
    assert there == here
    assert [there[student][1][2] for student in ("ada", "bob", "cleo", "dan", "spy")] == [3, 0, 0, 3, 3]
    assert there["spy"][0].cells[3].outputs[0].text == "['lo'] []\n"
    assert all("source" not in (path.name for path in worker.folder.rglob("*")) for worker in workers)  # wiped


FAULTS = {"frozen": lambda machine: machine.signal(signal.SIGSTOP), "cut off": lambda machine: machine.cut()}


def marked_class(course: Course, number: int) -> None:
    """Students whose notebooks take seconds, and a file by which they are recognized on a worker."""
    slow_class(course, number)
    for folder in (course.root / "submitted").glob("*/averages"):
        (folder / MARKER).touch()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_fails_and_everybody_is_graded_once(site: Site, fault: str):
    marked_class(site.course, 6)
    workers = [site.worker(), site.worker()]
    said = site.grade("--cluster", site.address, hit=workers[0], fault=lambda: FAULTS[fault](workers[0]))
    assert sorted(counted(said)) == [f"student-{number}" for number in range(6)], said
    graded = records.read(site.course, "averages")
    assert [graded[student].score for student in sorted(graded)] == [3, 0] * 3
    assert all(record.state == "graded" and record.isolated for record in graded.values())


@pytest.mark.parametrize("fault", FAULTS)
def test_the_scheduler_fails_and_the_command_ends(site: Site, fault: str):
    marked_class(site.course, 4)
    worker = site.worker()
    said = site.grade("--cluster", site.address, hit=worker, fault=lambda: FAULTS[fault](site.scheduler))
    assert "Error: The connection to the scheduler is lost. What was graded is saved" in said, said
    assert "Traceback" not in said
    ended = counted(said)
    assert len(ended) < 4 and sorted(ended) == sorted(records.read(site.course, "averages"))
