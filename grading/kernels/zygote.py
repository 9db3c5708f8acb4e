"""A warm interpreter inside the sandbox that forks a kernel for each submission. It knows nothing of the course.

`grading.kernels.zygote_client` runs this file as source text, so it imports only what the sandbox has. It imports
everything once. For each worker of the grader that calls, it forks one that serves this worker alone, and that one
forks the kernels. Each kernel gets namespaces of its own: it sees neither these interpreters nor another kernel, and
has a private scratch folder in memory.

Only the children of a process that calls unshare(2) are in a new process namespace. To come back from there afterward
it needs rights over the namespace that it is in itself: so the interpreter begins by making that one, too.
"""

import contextlib
import ctypes
import fcntl
import functools
import gc
import importlib
import json
import linecache
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import types
from collections.abc import Callable
from types import FrameType
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 8192, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 24, 38, 22
SECCOMP_MODE_FILTER = 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
CAPABILITY_VERSION_3 = 0x20080522

# What a kernel imports only when it starts, or shows its first traceback or figure.
KERNEL_MODULES = (
    "faulthandler",
    "tracemalloc",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.debugger_backport",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.core.ultratb",
    "IPython.extensions.storemagic",
    "matplotlib_inline.backend_inline",
    "sqlite3",
    "tornado.locks",
    "tornado.platform.asyncio",
    "tornado.queues",
)

# What nbclient adds to the command line of a kernel.
ARGUMENTS = ["--HistoryManager.hist_file=:memory:"]


def warm_up() -> None:
    """Import what kernels and notebooks import, and use it once: the first figure and the first step cost the most."""
    # Each kernel would import it again; nobody debugs here.
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # None is how Python forbids an import
    for name in KERNEL_MODULES:
        with contextlib.suppress(ImportError):  # another version may have no such module
            importlib.import_module(name)
    import_for_notebooks()
    import matplotlib.pyplot as plt
    import numpy as np
    import plotly.graph_objects

    x = use_torch()
    import torch

    torch.optim.Adam([x]).step()
    figure, axes = plt.subplots()
    axes.plot(np.arange(3), label="$x_1$")
    axes.legend()
    figure.savefig("/tmp/warm.png")
    plt.close(figure)
    os.remove("/tmp/warm.png")
    plot = {"data": [{"type": "scatter", "x": [1, 2], "y": [3, 4]}]}
    plotly.io.to_html(plot, include_plotlyjs=False, validate=False)
    show_a_traceback()


def import_for_notebooks() -> None:
    """What the notebooks of the course import, except torch."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot
    import plotly.io  # noqa: F401


def use_torch() -> Any:
    """Import torch, and differentiate for the first time; the tensor."""
    import torch

    torch.set_num_threads(1)  # a thread pool would not survive a fork
    sys.modules["grading.probe.private"].postpone_compiler()
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    (x * x).backward()
    return x


def show_a_traceback() -> None:
    """Format a traceback: for the first one, IPython looks up the file of every module."""
    from IPython.core.ultratb import AutoFormattedTB

    linecache.cache["/warm.py"] = (4, None, ["1 / 0\n"], "/warm.py")
    try:
        exec(compile("1 / 0\n", "/warm.py", "exec"), {})
    except ZeroDivisionError:
        AutoFormattedTB(mode="Context").structured_traceback(*sys.exc_info())
    del linecache.cache["/warm.py"]


def prepare_kernels(cells: list[str]) -> Callable[[dict], None]:
    """Do once what every kernel would do at startup, and return what each kernel still has to do.

    Python counts references, so even reading an object writes to its memory and copies a shared page. Work done here
    keeps those pages shared.
    """
    warm_up()
    from ipykernel.kernelapp import IPKernelApp

    private = sys.modules["grading.probe.private"]
    private.remember_texts(functools.lru_cache(maxsize=1024), cells, lambda tree: tree)
    private.remember_names(functools.lru_cache(maxsize=1024), cells)
    private.spare_modules()
    IPKernelApp.instance().parse_command_line(ARGUMENTS)  # this also sets up logging, for all loggers that there are

    def begin(told: dict) -> None:
        sys.argv = ["ipykernel_launcher", *told["arguments"]]
        app = IPKernelApp.instance()
        if sys.argv[1:2] == ["-f"] and sys.argv[3:] == ARGUMENTS:  # they are parsed already
            private.start_parsed(app, sys.argv[1:], {"connection_file": sys.argv[2]})
        app.initialize(sys.argv[1:])
        app.start()

    return begin


def prepare_followers(prepare: dict) -> Callable[[dict], None]:
    """Do once what every follower would do at startup, and return the rest, see `follower_inside.run`."""
    follower = types.ModuleType("follower_inside")
    exec(compile(prepare["follower"], "/grading/follower_inside.py", "exec"), vars(follower))
    found = follower.torch_elsewhere(prepare["roots"], prepare["torch"])
    if found:
        raise SystemExit(f"torch lies where nothing hides it: {found}")
    import_for_notebooks()
    if prepare["missing"] != "torch":
        use_torch()
    shell = follower.make_shell(functools.lru_cache(maxsize=1024), prepare["cells"])
    return lambda told: follower.run(told, shell)


def main() -> None:
    """Wait for a first call, warm up, and fork a process for each call.

    Standard input delivers one line, a JSON object with the probes' source and the cells that all notebooks share.
    When it is closed, this process ends, and so does everything that it has forked.
    """
    exchange = sys.argv[1]
    be_first()
    door = socket.socket(socket.AF_UNIX)
    door.bind(f"{exchange}/zygote")
    door.listen()
    os.write(1, b"listening\n")
    prepare = json.loads(sys.stdin.buffer.readline() or "null")
    calls: list[socket.socket | int] = [door, 0]
    if prepare is None or door not in select.select(calls, [], [])[0]:
        os._exit(0)
    gc.disable()  # until `freeze`: collecting garbage between imports takes an eighth of the time
    exec(prepare["probes"], {})
    begin = prepare_followers(prepare) if prepare["missing"] else prepare_kernels(prepare["cells"])
    freeze()
    if len(os.listdir("/proc/self/task")) != 1:
        raise SystemExit("a thread is running: it would not survive a fork")
    signal.signal(signal.SIGCHLD, wait_for_some)
    while 0 not in select.select(calls, [], [])[0]:
        line, _ = door.accept()
        if os.fork() == 0:
            door.close()
            serve(line, exchange, begin)
        line.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, lambda number, frame: os._exit(0))
    signal.alarm(2)  # wait at most this long
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # each child ends with its worker; waiting adds its processor time to this process's
    os._exit(0)  # nothing to clean up: everything is inside this sandbox


def wait_for_some(number: int, frame: FrameType | None) -> None:
    """Reap children that served a worker that has exited."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(line: socket.socket, exchange: str, begin: Callable[[dict], None]) -> None:
    """Fork the kernels of one worker: read requests, one JSON object a line, and answer each.

    Args:
        begin: starts the kernel after it has dropped all rights; called with the `told` of the request.
    """
    wake, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    home = os.open("/proc/self/ns/pid", os.O_RDONLY)
    requests = b""
    kernels: dict[str, int] = {}
    names: dict[int, str] = {}
    calls: list[socket.socket | int] = [line, wake]
    say(line, ready=True)
    while True:
        readable, _, _ = select.select(calls, [], [])
        if wake in readable:
            os.read(wake, 4096)
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if pid == 0:
                    break
                name = names.pop(pid)
                del kernels[name]
                say(line, ended=name, status=os.waitstatus_to_exitcode(status))
        if line in readable:
            data = line.recv(65536)
            if not data:
                for pid in kernels.values():
                    kill(pid)
                os._exit(0)
            requests += data
            *whole, requests = requests.split(b"\n")
            for request in map(json.loads, whole):
                name = request["name"]
                if "kill" in request:
                    if name in kernels:
                        kill(kernels[name])
                    continue
                call(LIBC.unshare, NEWPID)
                pid = os.fork()
                if pid == 0:
                    become_kernel(request, exchange, [wake, alarm, line.fileno(), home], begin)
                call(LIBC.setns, home, NEWPID)
                names[pid], kernels[name] = name, pid
                say(line, started=name, pid=pid)


def freeze() -> None:
    """Keep garbage collection in a kernel from touching, and so copying, the memory that all kernels share.

    Collecting first would take a fifth of a second and gain very little.
    """
    gc.freeze()
    gc.enable()


def say(line: socket.socket, **words: Any) -> None:
    """Send one line, or exit if the other side has closed the connection."""
    try:
        line.sendall(json.dumps(words).encode() + b"\n")
    except OSError:
        os._exit(0)


def kill(pid: int) -> None:
    """End a kernel, if it has not ended by itself in the meantime."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def be_first() -> None:
    """Continue in a child that is the first process of its own PID namespace; the parent only waits for it."""
    new_namespaces(NEWUSER | NEWPID)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) % 256)


def new_namespaces(kinds: int) -> None:
    """Enter new namespaces, a user namespace among them, with the same user and group ids."""
    uid, gid = os.getuid(), os.getgid()
    call(LIBC.unshare, kinds)
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{file}", "w") as stream:
            stream.write(text)


def become_kernel(request: dict, exchange: str, zygote_files: list[int], begin: Callable[[dict], None]) -> None:
    """Become the first process of new namespaces: hide the rest of the sandbox, drop all rights, run a kernel."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        new_namespaces(NEWUSER | NEWNS | NEWNET | NEWIPC)
        open_loopback()
        null = os.open("/dev/null", os.O_RDWR)
        log = os.open(f"{request['folder']}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, file in ((0, null), (1, log), (2, log)):
            os.dup2(file, number)
        for number in zygote_files:  # only those: matplotlib, for one, keeps its font files open
            os.close(number)
        os.close(null)
        os.close(log)
        os.setsid()
        hide(exchange, request["folder"], request["bytes"], request["inodes"], request["python"])
        shutil.copytree(f"{request['folder']}/files", "/scratch", dirs_exist_ok=True)
        os.chdir("/scratch")
        for name, value in request["limits"].items():
            kind = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(kind, (value, value))
        drop_capabilities()
        filter_calls(bytes.fromhex(request["filter"]))
        fresh_random_state()
        begin(request["told"])
        os._exit(0)
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(71)


def hide(exchange: str, folder: str, size: int, inodes: int, python: list[str]) -> None:
    """Mount private folders over every path that leads to other kernels or to the zygote.

    This Python's own folders keep their places, even in /tmp.
    """
    options = f"size={size},nr_inodes={inodes},mode=755".encode()
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    os.makedirs("/scratch/own", exist_ok=True)
    mount(folder, "/scratch/own", None, MS_BIND)
    kept = [path for path in python if path.startswith("/tmp/")]
    for number, path in enumerate(kept):
        os.makedirs(f"/scratch/kept-{number}", exist_ok=True)
        mount(path, f"/scratch/kept-{number}", None, MS_BIND | MS_REC)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)
    for number, path in enumerate(kept):
        os.makedirs(path, exist_ok=True)
        mount(f"/scratch/kept-{number}", path, None, MS_MOVE)
    os.makedirs(exchange, exist_ok=True)
    mount("tmpfs", exchange, "tmpfs", MS_NOSUID | MS_NODEV, b"size=1m,mode=755")
    os.mkdir(folder)
    mount("/scratch/own", folder, None, MS_MOVE)
    mount("tmpfs", "/scratch", "tmpfs", MS_NOSUID | MS_NODEV, options)
    mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, b"size=0,mode=555")
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, options)
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, b"newinstance,ptmxmode=0666,mode=600")


def mount(source: str | None, target: str | None, kind: str | None, flags: int, options: bytes | None = None) -> None:
    """mount(2)."""
    encode = lambda text: None if text is None else text.encode()  # noqa: E731
    call(LIBC.mount, encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), options)


def open_loopback() -> None:
    """Enable the loopback interface: over it, ipykernel receives what a child process prints, for example."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def drop_capabilities() -> None:
    """Drop all rights over the new namespaces, also for programs that are started later."""
    for number in range(64):
        if LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0):
            break
    call(LIBC.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    call(LIBC.capset, header, (ctypes.c_uint32 * 6)())


def filter_calls(program: bytes) -> None:
    """Install a seccomp filter, see `grading/sandbox/seccomp.py`, where the system supports it."""
    held = ctypes.create_string_buffer(program, len(program))
    LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(held)), 0, 0)


def fresh_random_state() -> None:
    """Forks of one interpreter must not share their random numbers."""
    import random

    import numpy as np

    random.seed()
    np.random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


def call(function: Any, *arguments: Any) -> None:
    """Call a C function, and raise the error that it reports."""
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
