"""A class graded through a real SLURM, which is started for the test; its jobs are workers with TLS."""

from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from grading.cluster.executor import connected
from grading.cluster.security import make_certificate
from grading.course.folder import Course
from grading.gradebook.records import Record
from grading.run.pool import ClusterError
from tests import slurm as real
from tests.cluster.test_configured import write
from tests.cluster.test_executor import slow_class
from tests.conftest import graded
from tests.slurm import Slurm, wait_until

pytestmark = pytest.mark.slow

JOBS = """
cluster: dask_jobqueue.SLURMCluster
workers: 2
wait: 240
options: {cores: 1, memory: 2GB}
jobqueue:
  slurm:
    walltime: "00:20:00"
    scheduler-options: {host: 127.0.0.1}
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch) -> Iterator[Slurm]:
    if real.why_not():
        pytest.skip(f"no SLURM here: {real.why_not()}")
    with real.slurm(tmp_path / "slurm") as made:
        monkeypatch.setenv("SLURM_CONF", str(made.settings))
        yield made


def test_a_job_is_canceled_and_everybody_gets_the_grade_of_one_machine(tiny: Course, slurm: Slurm, pool: Executor):
    slow_class(tiny, 4)
    here = graded(tiny, pool)
    make_certificate(tiny.root / "cluster")
    ended: list[str] = []
    canceled: list[str] = []
    said: list[str] = []

    def done(record: Record) -> None:
        ended.append(record.student)
        if len(ended) == 1:
            canceled.append(slurm.running()[0])
            slurm.ask("scancel", canceled[0])

    with connected(tiny, ["averages"], write(tiny.root, JOBS), said.append) as executor:
        wait_until(lambda: executor.workers == 2, slurm.folder, 240)
        before = slurm.running()
        there = graded(tiny, executor, force=True, done=done)
        assert canceled[0] in before and canceled[0] not in slurm.running()
    wait_until(lambda: not slurm.running(), slurm.folder)
    assert sorted(ended) == [f"student-{number}" for number in range(4)]
    for student, expected in here.outcomes.items():
        record = there.outcomes[student]
        assert record.state == "graded" and record.isolated
        for name in ("score", "tests", "suspicions", "faults", "fingerprint"):
            assert getattr(record, name) == getattr(expected, name)
    assert [there.outcomes[student].score for student in sorted(ended)] == [3, 0] * 2
    assert said[0].startswith("Waiting up to 240 s for the first of 2 workers from"), said
    assert any(words.startswith("Grading on") for words in said), said
    assert list((tiny.root / "build" / "cluster").glob("dask-worker-*.err"))  # where what jobs print is kept


def test_a_job_that_slurm_refuses_is_told_with_its_words(tiny: Course, slurm: Slurm):
    make_certificate(tiny.root / "cluster")
    name = write(tiny.root, JOBS.replace("memory: 2GB", "memory: 2GB, queue: nowhere"))
    refused = pytest.raises(ClusterError, match=r"no worker can be started: .*invalid partition specified: nowhere")
    with refused, connected(tiny, ["averages"], name):
        pass
