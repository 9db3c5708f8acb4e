"""A seccomp filter for students' code: it refuses system calls that make namespaces or hide memory from the limits.

It is a second wall. No notebook needs what it refuses: memory and keys that belong to no process, mounts and
namespaces, access to other processes. See seccomp(2), and linux/filter.h for the program.
"""

import errno
import platform
import struct
from functools import lru_cache

# By name: the numbers on x86_64 and on aarch64.
FORBIDDEN = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "msgget": (68, 186),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
PROGRAMS = {"execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None)}
CLONE, CLONE3 = (56, 220), (435, 435)
CLONE_THREAD = 0x00010000
NAMESPACES = 0x7E020000  # the flags of clone(2) that make any
SOCKET, FAMILIES = (41, 198), (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK; a namespace holds no others
# Where the mode is an argument: a file that runs with its owner's rights could be left on the machine.
MODES = {"chmod": (90, None, 1), "fchmod": (91, 52, 1), "fchmodat": (268, 53, 2), "fchmodat2": (452, 452, 2)}
MODES |= {"open": (2, None, 2), "openat": (257, 56, 3), "creat": (85, None, 1), "mknod": (133, None, 1)}
MODES |= {"mknodat": (259, 33, 2)}
OPENAT2 = (437, 437)  # its mode lies in memory
SET_ID = 0o6000
ARGUMENTS = (16, 24, 32, 40)  # where seccomp_data has them
SETSOCKOPT = (54, 208)
SOL_SOCKET, SO_SNDBUF, SO_RCVBUF = 1, 7, 8  # what waits in sockets is memory that no limit counts
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
X32 = 0x40000000  # numbers from here on are other names for the same calls on x86_64

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT = 0, 4, 16, 24, 32  # where seccomp_data has them
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


@lru_cache
def program(machine: str = platform.machine()) -> bytes:
    """The filter as instructions for the kernel, 8 bytes each; empty for a machine whose numbers are not known."""
    if machine not in ARCHITECTURES:
        return b""
    column, architecture = ARCHITECTURES[machine]
    refused = REFUSE | errno.EPERM
    steps: list[tuple[int, ...]] = [
        (LOAD, ARCHITECTURE),
        (EQUAL, architecture, 1, 0),
        (RETURN, refused),
        (LOAD, NUMBER),
    ]
    steps += _if((AT_LEAST, X32), refused)
    for numbers in FORBIDDEN.values():
        steps += _if((EQUAL, numbers[column]), refused)
    buffers = [(LOAD, THIRD_ARGUMENT), *_if((EQUAL, SO_SNDBUF), refused), *_if((EQUAL, SO_RCVBUF), refused)]
    larger: list[tuple[int, ...]] = [
        (LOAD, SECOND_ARGUMENT),
        (EQUAL, SOL_SOCKET, 0, len(buffers)),
        *buffers,
        (RETURN, ALLOW),
    ]
    steps += [(EQUAL, SETSOCKOPT[column], 0, len(larger)), *larger]
    # Its flags lie in memory, which no filter can read. The C library then takes the older call.
    steps += _if((EQUAL, CLONE3[column]), REFUSE | errno.ENOSYS)
    steps += [(LOAD, NUMBER), *_if((EQUAL, OPENAT2[column]), REFUSE | errno.ENOSYS)]
    steps += [(EQUAL, SOCKET[column], 0, len(FAMILIES) + 3), (LOAD, FIRST_ARGUMENT)]
    steps += [(EQUAL, family, len(FAMILIES) - place, 0) for place, family in enumerate(FAMILIES)]
    steps += [(RETURN, refused), (RETURN, ALLOW)]
    for *calls, argument in MODES.values():
        number = calls[column]
        if number is not None:
            steps += [(EQUAL, number, 0, 4), (LOAD, ARGUMENTS[argument]), *_if((ANY_BIT, SET_ID), refused)]
            steps += [(RETURN, ALLOW)]
    steps += [(EQUAL, CLONE[column], 0, 3), (LOAD, FIRST_ARGUMENT), *_if((ANY_BIT, NAMESPACES), refused)]
    steps += [(RETURN, ALLOW)]
    return _packed(steps)


@lru_cache
def no_programs(machine: str = platform.machine()) -> bytes:
    """A filter for a running process: it may start threads, but no processes and no programs.

    It comes on top of `program`, which refuses clone3(2). Empty for a machine whose numbers are not known.
    """
    if machine not in ARCHITECTURES:
        return b""
    column, _ = ARCHITECTURES[machine]
    refused = REFUSE | errno.EPERM
    steps: list[tuple[int, ...]] = [(LOAD, NUMBER)]
    for numbers in PROGRAMS.values():
        number = numbers[column]
        if number is not None:
            steps += _if((EQUAL, number), refused)
    steps += [(EQUAL, CLONE[column], 0, 3), (LOAD, FIRST_ARGUMENT), (ANY_BIT, CLONE_THREAD, 1, 0), (RETURN, refused)]
    return _packed([*steps, (RETURN, ALLOW)])


def _packed(steps: list[tuple[int, ...]]) -> bytes:
    return b"".join(struct.pack("=HBBI", code, *(jumps or (0, 0)), value) for code, value, *jumps in steps)


def _if(test: tuple[int, int], answer: int) -> list[tuple[int, ...]]:
    return [(*test, 0, 1), (RETURN, answer)]
