"""The cores that a process may use: affinity, the cgroup's quota, SLURM."""

import os
from pathlib import Path

import pytest

from grading.course import cores


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    (tmp_path / "own").write_text("0::/user/job\n")
    (tmp_path / "user" / "job").mkdir(parents=True)
    return tmp_path


def test_affinity_and_slurm_limit_the_number(monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(cores, "quotas", lambda: [])
    before = os.sched_getaffinity(0)
    assert cores.usable() == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores.usable() == 1
    finally:
        os.sched_setaffinity(0, before)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert cores.usable() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1000000")
    assert cores.usable() == len(before)


@pytest.mark.parametrize(("quota", "number"), [(0.5, 1), (1.0, 1), (1.2, 2)])
def test_a_fraction_of_a_core_counts_as_one_core(monkeypatch, quota, number):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(cores, "quotas", lambda: [quota])
    assert cores.usable() == number


def test_the_quota_of_a_cgroup_or_of_a_parent_is_found(cgroups):
    assert cores.quotas(cgroups / "own", cgroups) == []
    (cgroups / "user" / "job" / "cpu.max").write_text("max 100000\n")
    assert cores.quotas(cgroups / "own", cgroups) == []
    (cgroups / "user" / "cpu.max").write_text("150000 100000\n")
    assert cores.quotas(cgroups / "own", cgroups) == [1.5]


def test_the_quota_of_version_1_is_found(cgroups):
    (cgroups / "own").write_text("5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n")
    top = cgroups / "cpu,cpuacct"  # in a container the cgroup of the container is at the top
    top.mkdir()
    (top / "cpu.cfs_quota_us").write_text("200000\n")
    (top / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.quotas(cgroups / "own", cgroups) == [2.0]


def test_without_cgroups_there_is_no_quota(tmp_path):
    assert cores.quotas(tmp_path / "none", tmp_path) == []
