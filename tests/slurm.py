"""A SLURM of its own for tests, from Debian's packages: munged, slurmctld and slurmd on loopback, in one folder."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
SETTINGS = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def program(name: str) -> str | None:
    return shutil.which(name, path=PATH)


@cache
def why_not() -> str:
    """What is missing here; empty if nothing is."""
    missing = [name for name in PROGRAMS if program(name) is None]
    return f"{', '.join(missing)} missing (Debian: apt-get install slurm-wlm munge)" if missing else ""


@dataclass
class Slurm:
    """A running SLURM with one node of four cores. Its commands need `SLURM_CONF` in their environment."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "slurm.conf"

    def ask(self, *command: str) -> str:
        """What a command of SLURM prints."""
        environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.settings)}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    def running(self) -> list[str]:
        """The numbers of the running jobs."""
        return self.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """Start it, and stop it at the end."""
    made = Slurm(folder)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    host, user = socket.gethostname().partition(".")[0], pwd.getpwuid(os.getuid()).pw_name
    made.settings.write_text(SETTINGS.format(host=host, user=user, folder=folder, ports=free_ports(2)), "utf-8")
    version = subprocess.run([str(program("slurmd")), "-V"], capture_output=True, text=True, check=True).stdout
    # No job gets a cgroup, because who tests may have none to give. Before 23.11 slurmd loads a plugin all the same.
    plugin = "disabled" if "slurm-wlm 22." not in version and "slurm-wlm 23.02" not in version else "cgroup/v1"
    (folder / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n", "utf-8")
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munge = [f"--{option}={folder / f'munge.{name}'}" for option, name in files.items()]
    lines = [["munged", "--foreground", "--force", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]]
    processes: list[subprocess.Popen] = []
    try:
        for name, *options in lines:
            environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(made.settings)}
            with (folder / f"{name}.out").open("wb") as log:
                line = [str(program(name)), *options]
                processes.append(subprocess.Popen(line, stdout=log, stderr=log, cwd=folder, env=environment))
            if name == "munged":
                wait_until(lambda: (folder / "munge.socket").exists(), folder)
        wait_until(lambda: "idle" in made.ask("sinfo", "--noheader", "--format=%t"), folder)
        yield made
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(ready: Callable[[], object], folder: Path, seconds: float = 60) -> None:
    """Wait for something; the error shows the logs in the folder."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.CalledProcessError):
            if ready():
                return
        time.sleep(0.2)
    logs = [
        path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.out")) + sorted(folder.glob("*.log"))
    ]
    raise AssertionError("SLURM does not start:\n" + "\n".join(logs))
