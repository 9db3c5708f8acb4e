"""Machines on a network: a network namespace and a folder for each, joined by a switch in a namespace of its own.

Nothing of this machine's network is touched, so its firewall has no say and tests may run side by side.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

LISTENS = "0A"  # the state of a socket in /proc/net/tcp
# Without the checkout and with the rights of who tests; then the process id is that of the command.
INSIDE = 'mount -t tmpfs none "$1" && echo $$ >"$2" && exec setpriv --reuid "$3" --regid "$4" --clear-groups "${@:5}"'
CONNECT = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(address)
    except OSError:
        pass
"""


def as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


@cache
def why_not() -> str:
    """Why no network can be made here; empty if one can."""
    for program in ("ip", "setpriv", *as_root()[:1]):
        if shutil.which(program) is None:
            return f"{program} is missing"
    try:
        with contextlib.ExitStack() as stack:
            network = Network(Path(tempfile.gettempdir()), Path(sys.executable))
            stack.callback(network.close)
            network.machine("probe")
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip() or 'not allowed'}"
    return ""


@dataclass
class Machine:
    """A namespace with an address, and what runs there."""

    name: str
    address: str
    folder: Path
    python: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Of the command that was started last."""
        return int((self.folder / "pid").read_text())

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """Run `python -m grading` there; what it says goes to the log."""
        return self._run("-m", "grading", *arguments, **environment)

    def serve(self, *arguments: str, **environment: str) -> str:
        """Run it until it says at which address it is."""
        process = self.start(*arguments, **environment)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if found := re.search(r"^\w+ at (\S+)", self.log, re.MULTILINE):
                return found[1]
            time.sleep(0.1)
        raise AssertionError(self.log)

    def listening(self) -> list[str]:
        """Where something listens there, by the system's word; the addresses of this machine are filled in."""
        found = []
        for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]:
            local, _, state = line.split()[1:4]
            if state == LISTENS:
                host, port = local.split(":")
                text = socket.inet_ntoa(int(host, 16).to_bytes(4, sys.byteorder))
                hosts = [self.address, "127.0.0.1"] if text == "0.0.0.0" else [text]
                found += [f"{host}:{int(port, 16)}" for host in hosts]
        return sorted(found)

    def reaches(self, addresses: list[str]) -> list[str]:
        """To which of these a process on this machine can connect."""
        line = [*as_root(), "ip", "netns", "exec", self.name, str(self.python), "-c", CONNECT, *addresses]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()

    def cut(self) -> None:
        """Pull the cable."""
        run("ip", "-n", self.name, "link", "set", "eth0", "down")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def _run(self, *arguments: str, **environment: str) -> subprocess.Popen:
        pid = self.folder / "pid"
        pid.unlink(missing_ok=True)
        given = {**os.environ, "TMPDIR": str(self.folder / "tmp"), **environment}
        line = [*as_root(), "env", *(f"{name}={value}" for name, value in given.items())]
        line += ["ip", "netns", "exec", self.name, "bash", "-c", INSIDE, "bash", str(ROOT), str(pid)]
        line += [str(os.getuid()), str(os.getgid()), str(self.python), *arguments]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(line, cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.signal(signal.SIGCONT)
        for process in self.processes:
            if process.poll() is None:
                with contextlib.suppress(OSError, ValueError):
                    self.signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    self.signal(signal.SIGKILL)
                    process.wait()


@dataclass
class Network:
    """Machines that reach each other and nothing else."""

    folder: Path
    python: Path
    machines: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"course{os.getpid()}"
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "add", "switch", "type", "bridge")
        run("ip", "-n", self.name, "link", "set", "switch", "up")

    def machine(self, name: str) -> Machine:
        number = len(self.machines) + 1
        made = Machine(f"{self.name}{name}", f"10.0.0.{number}", self.folder / name, self.python)
        run("ip", "netns", "add", made.name)
        self.machines.append(made)
        cable = ["type", "veth", "peer", "name", "eth0", "netns", made.name]
        run("ip", "-n", self.name, "link", "add", f"port{number}", *cable)
        run("ip", "-n", self.name, "link", "set", f"port{number}", "master", "switch", "up")
        run("ip", "-n", made.name, "addr", "add", f"{made.address}/24", "dev", "eth0")
        for link in ("eth0", "lo"):
            run("ip", "-n", made.name, "link", "set", link, "up")
        return made

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
        for name in [machine.name for machine in self.machines] + [self.name]:
            run("ip", "netns", "del", name)


def run(*command: str) -> None:
    subprocess.run([*as_root(), *command], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def network(folder: Path, python: Path) -> Iterator[Network]:
    made = Network(folder, python)
    try:
        yield made
    finally:
        made.close()
