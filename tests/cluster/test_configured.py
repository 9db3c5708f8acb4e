"""A file that starts a cluster: what it says, what the class gets, and what is said if it cannot be."""

import gc
import inspect
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster

from grading.cluster import configured, doctor
from grading.cluster.configured import Plan, read
from grading.cluster.connection import identity
from grading.cluster.executor import connected
from grading.cluster.security import make_certificate
from grading.course.errors import CourseError
from grading.course.folder import Course
from grading.run.pool import ClusterError
from tests.conftest import DROPS_THE_SIGN, RIGHT, graded, submit

# What dask-jobqueue drops complains when it is destroyed: a cluster that has failed while it was made, and local jobs,
# which are killed and not waited for.
DESTROYED = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
JOBS = """
cluster: dask_jobqueue.local.LocalCluster
workers: 1
wait: 120
options:
  cores: 1
  memory: 1GB
jobqueue:
  local:
    worker-extra-args: [--lifetime, 10m]
"""


@pytest.fixture
def collected() -> Iterator[None]:
    """What is destroyed after the test is destroyed now, and not in another one."""
    yield
    gc.collect()


def write(folder: Path, text: str) -> str:
    path = folder / "cluster.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_file_names_the_class_its_options_and_dasks_own_configuration(tmp_path: Path):
    name = write(tmp_path, JOBS)
    assert read(name) == Plan(
        name=name,
        path="dask_jobqueue.local.LocalCluster",
        options={"cores": 1, "memory": "1GB"},
        workers=1,
        wait=120,
        dask={"jobqueue": {"local": {"worker-extra-args": ["--lifetime", "10m"]}}},
    )
    assert read("tls://host:8786") is None and read("local:2") is None
    plan = read(write(tmp_path, "cluster: a.B"))
    assert plan is not None and (plan.workers, plan.wait, plan.options, plan.dask) == (1, 600, {}, {})


WRONG = {
    "": "is empty",
    "cluster: [": "is not YAML with names and values: while parsing a flow node",
    "- cluster": "is not YAML with names and values",
    "workers: 2": r"does not name the class .* cluster: dask_jobqueue\.SLURMCluster",
    "cluster: SLURMCluster": "does not name the class",
    "cluster: a.B\noptions: [cores]": "options must be names with values",
    "cluster: a.B\nworkers: 0": "workers must be a whole number, and at least 1",
    "cluster: a.B\nworkers: many": "workers must be a whole number",
    "cluster: a.B\nwait: -1": "wait must be a number of seconds",
    "cluster: a.B\noptions: {n_workers: 3}": "write workers: 3 instead",
    "cluster: a.B\nworker: 3": "worker has no meaning",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str):
    with pytest.raises(ClusterError, match=rf"cluster\.yaml:? .*{WRONG[text]}"):
        read(write(tmp_path, text))


def test_a_file_that_does_not_exist():
    with pytest.raises(ClusterError, match=r"CLUSTER=nowhere\.yaml: there is no such file"):
        read("nowhere.yaml")


CANNOT = {
    "cluster: dask_nowhere.KubeCluster": r"needs dask_nowhere, which is not installed\. Install it: pip install dask-n",
    "cluster: dask_jobqueue.SlurmCluster": r"dask_jobqueue has no SlurmCluster; it has: .*SLURMCluster",
    "cluster: dask_jobqueue.slum.SLURMCluster": r"dask_jobqueue\.slum cannot be imported: No module named",
    "cluster: dask_jobqueue.local.LocalCluster": "cannot start: You must specify how much cores",
    "cluster: dask_jobqueue.local.LocalCluster\noptions: {cores: 1, memory: 1GB, color: red}": "color",
}


@DESTROYED
@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("text", CANNOT)
def test_a_cluster_that_cannot_start_is_named_with_its_reason(tiny: Course, text: str):
    make_certificate(tiny.root / "cluster")
    name = write(tiny.root, text)
    with pytest.raises(ClusterError, match=rf"cluster\.yaml:? .*{CANNOT[text]}"), connected(tiny, ["averages"], name):
        pass


def test_what_is_missing_of_the_extra_is_named_with_its_command(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(configured.importlib, "import_module", missing)
    with pytest.raises(ClusterError, match=r"needs dask_jobqueue.*pip install .*\.\[cluster\]"):
        configured._class(Plan("slurm.yaml", "dask_jobqueue.SLURMCluster", {}, 1, 1.0, {}))


SLURM = "cluster: dask_jobqueue.SLURMCluster\noptions: {cores: 2, memory: 4GB}"


def test_without_the_program_that_submits_jobs(tiny: Course, monkeypatch):
    make_certificate(tiny.root / "cluster")
    monkeypatch.setenv("PATH", "/nowhere")
    lost = pytest.raises(ClusterError, match=r"sbatch is missing\. Run this where you can submit jobs")
    with lost, connected(tiny, ["averages"], write(tiny.root, SLURM)):
        pass


def test_jobs_need_a_certificate(tiny: Course):
    lost = pytest.raises(CourseError, match=r"certificate\.pem\. Make it with: python -m grading certificates")
    with lost, connected(tiny, ["averages"], write(tiny.root, SLURM)):
        pass


def test_nothing_is_sent_to_a_cluster_without_encryption(tiny: Course):
    text = "cluster: distributed.LocalCluster\noptions: {host: 0.0.0.0, dashboard_address: null}"
    lost = pytest.raises(ClusterError, match=r"tcp://\S+ would send the hidden tests and students' work\s+unencrypted")
    with lost, connected(tiny, ["averages"], write(tiny.root, text)):
        pass


def test_jobs_get_what_a_worker_of_this_project_needs(tiny: Course):
    import dask_jobqueue

    make_certificate(tiny.root / "cluster")
    plan = read(write(tiny.root, JOBS))
    assert plan is not None
    with dask.config.set(dask.config.merge(dask.config.config, plan.dask)):
        start = dask_jobqueue.local.LocalCluster
        options = configured._options(plan, start, tiny.root / "cluster", tiny.root / "logs")
    assert options["processes"] == 1 and options["nanny"] is False and options["n_workers"] == 0
    assert options["worker_extra_args"][:3] == ["--lifetime", "10m", "--no-dashboard"]
    assert options["security"].require_encryption and options["log_directory"] == str(tiny.root / "logs")
    assert "security" in inspect.signature(LocalCluster).parameters


@DESTROYED
@pytest.mark.usefixtures("collected")
@pytest.mark.slow
def test_jobs_grade_as_one_machine_does_and_end_with_the_command(tiny: Course, pool):
    submit(tiny, "ada", RIGHT)
    submit(tiny, "bob", DROPS_THE_SIGN)
    here = graded(tiny, pool)
    make_certificate(tiny.root / "cluster")
    name, said = write(tiny.root, JOBS), []
    with connected(tiny, ["averages"], name, said.append) as executor:
        addresses = list(identity(executor.client)["workers"])
        assert [address.partition("://")[0] for address in addresses] == ["tls"]
        there = graded(tiny, executor, force=True)
        (cluster,) = [executor.client.cluster]
    assert cluster.status.name == "closed"
    assert said[0] == f"Waiting up to 120 s for the worker from {name}"
    assert said[1] == "Grading on 1 thread of 1 worker"
    for student, score in (("ada", 3), ("bob", 2)):
        assert there.outcomes[student].score == here.outcomes[student].score == score


@DESTROYED
@pytest.mark.usefixtures("collected")
@pytest.mark.slow
def test_the_doctor_waits_for_the_jobs(tiny: Course):
    make_certificate(tiny.root / "cluster")
    (told,) = doctor.examine(tiny, write(tiny.root, JOBS)).values()
    assert told["refusal"] == "" and told["threads"] == "1"
