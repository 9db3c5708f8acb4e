"""The number of cores that this process may use: on a shared machine, fewer than it has."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def usable() -> int:
    """At least 1, and no more than the affinity, the CPU quota of a cgroup (rounded up) and SLURM allow."""
    counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    counts += [math.ceil(quota) for quota in quotas()]
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE") or ""
    counts += [int(given)] if given.isdigit() else []
    return max(1, min(counts))


def quotas(own: Path = OWN, cgroups: Path = CGROUPS) -> list[float]:
    """The CPU quotas, in cores, of the cgroup that this process is in and of those around it, of version 2 or 1.

    Args:
        own: the file that names this process's cgroup.
        cgroups: where the cgroups are mounted; in a container its own is at the top.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return []
    found = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = cgroups / controllers if controllers else cgroups
        inside = top / name.lstrip("/")
        for folder in [inside, *(parent for parent in inside.parents if parent.is_relative_to(top))]:
            found += _quota(folder)
    return found


def _quota(folder: Path) -> list[float]:
    """The quota of one cgroup; empty if it has none."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((folder / name).read_text(encoding="ascii") for name in names).split()
            quota, period = float(words[0]), float(words[1])
        except (OSError, ValueError, IndexError):  # no such file; or "max", which is no limit
            continue
        if quota > 0 and period > 0:
            return [quota / period]
    return []
