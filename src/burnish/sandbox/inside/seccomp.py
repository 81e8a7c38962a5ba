"""The seccomp filter: an allow-list of system calls, hand-assembled as classic BPF for x86-64 and aarch64.

Hostile calls kill the process (SIGSYS, which the judge reports as an escape attempt), unknown new calls answer ENOSYS so
that the C library falls back, everything else that is not allowed answers EPERM. Arguments are inspected where they
matter: no namespaces through clone, no limits or affinity of other processes, no prctl but naming threads, no signals by way
of descriptors, no memory that is held without being resident in any process (shared anonymous, huge pages, swapped out).
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable

from . import syscalls

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06
_NEWEST = 451
"""System calls from this number on are younger than the tables."""
_NEW_NAMESPACE_OR_PARENT = 0x7E028000
_CLONE_THREAD = 0x10000
_PRCTL_ALLOWED = (3, 15, 16, 22, 0x53564D41)
"""GET_DUMPABLE, SET_NAME, GET_NAME, SET_SECCOMP (filters only ever add up), SET_VMA (the allocator names its memory)."""
_FCNTL_DENIED = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: a descriptor that signals another process when it becomes ready."""
_IOCTL_DENIED = (0x8901, 0x8902)
"""FIOSETOWN, SIOCSPGRP: the same for sockets."""
_MADVISE_DENIED = (21,)
"""MADV_PAGEOUT: memory in swap is not resident, so the warden would not see it."""
_MAP_SHARED_ANONYMOUS, _MAP_HUGE = 0x21, 0x40000


def supported() -> bool:
    """True on the two machines whose numbers are known here."""
    return os.uname().machine in _ARCHITECTURES


def no_signals() -> bytes:
    """A filter on top of `program`: this process can signal nobody, whatever else shares its user and process space."""
    _, column = _ARCHITECTURES[os.uname().machine]
    code = [_op(_LOAD, 0), *_in_ranges(_numbers(syscalls.SIGNALS, column).values(), _ERRNO | errno.EPERM), _op(_RETURN, _ALLOW)]
    return b"".join(code)


def only_computing() -> bytes:
    """A filter on top of `program`: this process can read, write, allocate and end, and nothing else."""
    _, column = _ARCHITECTURES[os.uname().machine]
    code = [_op(_LOAD, 0), *_in_ranges(_numbers(syscalls.COMPUTING, column).values(), _ALLOW), _op(_RETURN, _ERRNO | errno.EPERM)]
    return b"".join(code)


def no_signals_to(process: int) -> bytes:
    """A filter on top of `program`: to signal `process` is hostile; whole groups and processes known by descriptor cannot be signalled."""
    _, column = _ARCHITECTURES[os.uname().machine]
    number = _numbers(syscalls.SIGNALS, column)
    denied = _op(_RETURN, _ERRNO | errno.EPERM)
    code = [_op(_LOAD, 0), *_in_ranges([number.pop("pidfd_send_signal")], _ERRNO | errno.EPERM)]
    for call in number.values():
        body = [
            _op(_LOAD, 16),
            _op(_EQUAL, process, 0, 1),
            _op(_RETURN, _KILL),
            _op(_EQUAL, 0, 1, 0),
            _op(_AT_LEAST, 1 << 31, 0, 1),
            denied,
            _op(_RETURN, _ALLOW),
        ]
        code += [_op(_EQUAL, call, 0, len(body)), *body]
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def program(allow_fork: bool = True, allow_exec: bool = False) -> bytes:
    """The filter as packed `struct sock_filter` records. Without `allow_fork` only threads can be created."""
    architecture, column = _ARCHITECTURES[os.uname().machine]
    code = [_op(_LOAD, 4), _op(_EQUAL, architecture, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, 0)]
    if column == 0:
        code += [_op(_AT_LEAST, 0x40000000, 0, 1), _op(_RETURN, _KILL)]
    allowed = _numbers(syscalls.ALLOWED, column).values()
    forks = _numbers(syscalls.FORK, column).values() if allow_fork else ()
    execs = _numbers(syscalls.EXEC, column).values() if allow_exec else ()
    code += _in_ranges([*allowed, *forks, *execs], _ALLOW)
    code += _in_ranges(_numbers(syscalls.HOSTILE, column).values(), _KILL)
    code += _inspected(_numbers(syscalls.INSPECTED, column), allow_fork)
    code += [_op(_AT_LEAST, _NEWEST, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS), _op(_RETURN, _ERRNO | errno.EPERM)]
    return b"".join(code)


def _op(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, when_true, when_false, value)


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = (entry.split(":") for entry in table.split())
    return {name: int(numbers[column]) for name, *numbers in rows if int(numbers[column]) >= 0}


def _in_ranges(numbers: Iterable[int], action: int) -> list[bytes]:
    """Three instructions per run of consecutive numbers."""
    code = []
    for first, last in _runs(sorted(numbers)):
        code += [_op(_AT_LEAST, first, 0, 2), _op(_GREATER, last, 1, 0), _op(_RETURN, action)]
    return code


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _inspected(number: dict[str, int], allow_fork: bool) -> list[bytes]:
    denied = _op(_RETURN, _ERRNO | errno.EPERM)
    allow = _op(_RETURN, _ALLOW)
    kill = _op(_RETURN, _KILL)
    clone = [_op(_LOAD, 16), _op(_ANY_BIT, _NEW_NAMESPACE_OR_PARENT, 0, 1), kill]
    clone += [] if allow_fork else [_op(_ANY_BIT, _CLONE_THREAD, 1, 0), denied]
    prctl = [_op(_LOAD, 16)]
    for option in _PRCTL_ALLOWED:
        prctl += [_op(_EQUAL, option, 0, 1), allow]
    own_process = [_op(_LOAD, 16), _op(_EQUAL, 0, 1, 0), denied, allow]
    mmap = [_op(_LOAD, 40), _op(_ANY_BIT, _MAP_HUGE, 0, 1), denied]
    mmap += [_op(_AND, _MAP_SHARED_ANONYMOUS), _op(_EQUAL, _MAP_SHARED_ANONYMOUS, 0, 1), denied, allow]
    bodies = {
        "clone": [*clone, allow],
        "clone3": [_op(_RETURN, _ERRNO | errno.ENOSYS)],
        "prctl": [*prctl, denied],
        "prlimit64": own_process,
        "sched_setaffinity": own_process,
        "fcntl": _without(1, _FCNTL_DENIED),
        "ioctl": _without(1, _IOCTL_DENIED),
        "madvise": _without(2, _MADVISE_DENIED),
        "mmap": mmap,
    }
    code = []
    for name, body in bodies.items():
        code += [_op(_EQUAL, number[name], 0, len(body)), *body]
    return code


def _without(argument: int, values: Iterable[int]) -> list[bytes]:
    """Allow the call unless its argument (from 0) has one of these values."""
    code = [_op(_LOAD, 16 + 8 * argument)]
    for value in values:
        code += [_op(_EQUAL, value, 0, 1), _op(_RETURN, _ERRNO | errno.EPERM)]
    return [*code, _op(_RETURN, _ALLOW)]
