"""What can be run in the jail, and what comes back. Plain data; no knowledge of tests or rewards.

`Calls` runs a program's function on inputs, `Script` runs a whole program on stdin, `Session` lets driver code in a second
process use the program's functions, `Command` runs a tool of the system or what it has built. A `unit` number groups calls
that share one time limit.
"""

from __future__ import annotations

import marshal
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.sandbox.inside import wire


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Limits of one run: wall and CPU seconds per unit, MiB of real memory, processes, bytes of output, MiB per file."""

    wall_s: float = 5.0
    cpu_s: float = 3.0
    memory_mb: int = 512
    processes: int = 16
    output_bytes: int = 1 << 20
    file_mb: int = 16


@dataclass(frozen=True, kw_only=True)
class Program:
    """A Python program: its source, trusted source to be run before it, and the function it must define (if any)."""

    source: str
    preamble: str = ""
    entry_point: str = ""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Call the entry point once per `(unit, args, kwargs)`, in order, in one process. Values must be plain data."""

    program: Program
    calls: Sequence[tuple[int, tuple[Any, ...], dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Script:
    """Run the program as `__main__` with `stdin`; what it prints comes back as `Run.output`."""

    program: Program
    stdin: str


@dataclass(frozen=True, kw_only=True)
class Session:
    """Run `(unit, kind, code)` test code in a second process. kind `assert`: run it; `check`: call its `check(candidate)`."""

    program: Program
    drives: Sequence[tuple[int, str, str]]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Run `argv` in the folder that holds `files`, with `stdin`, in a jail of profile `tools`. `argv[0]`: a tool, or `./program`.

    Standard output comes back as `Run.output`. The one frame after `ready` is `("not_started", reason)` or `("ended", wait
    status, standard error, proof, file)`: standard error and the file named `fetch` up to `error_bytes` and `fetch_bytes`
    (the file perhaps one byte more: it was longer), None for a file that is not there. With `must_prove` descriptor 3 is a
    socket that holds a secret of 16 bytes; `proof` is True if the program has sent it back. `reserves_memory` lifts the limit
    on address space for programs that reserve far more than they use; real memory stays limited.
    """

    argv: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""
    fetch: str = ""
    fetch_bytes: int = 0
    error_bytes: int = 1 << 16
    must_prove: bool = False
    reserves_memory: bool = False


Job = Calls | Script | Session | Command


@dataclass
class Run:
    """What one run left behind. Frames are tuples of plain data from the guest and the driver, in order of arrival.

    `reason` is one of `wire.EXITED, WALL, CPU, MEMORY, ABORTED`; statuses are wait statuses (-1: no such process);
    `malformed` says how the guest's frames were broken, or is empty. `units_begun` is 0 if the
    program ended while it was loaded. `output_exceeded` means that output was cut.
    """

    guest: list[tuple[Any, ...]] = field(default_factory=list)
    driver: list[tuple[Any, ...]] = field(default_factory=list)
    output: bytes = b""
    output_exceeded: bool = False
    malformed: str = ""
    reason: int = wire.EXITED
    guest_status: int = -1
    driver_status: int = -1
    units_begun: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


def units_of(job: Job) -> int:
    """How many units (time limits) a job has."""
    if isinstance(job, Script | Command):
        return 1
    rows: Sequence[tuple[Any, ...]] = job.calls if isinstance(job, Calls) else job.drives
    return max(1, len({row[0] for row in rows}))


def requests(job: Job, bounds: Bounds) -> tuple[bytes, bytes]:
    """The request blocks for the guest and for the driver (empty: no driver)."""
    limits: dict[str, Any] = {
        "memory_mb": bounds.memory_mb,
        "file_mb": bounds.file_mb,
        "processes": bounds.processes,
        "output_bytes": bounds.output_bytes,
        "cpu_total_s": math.ceil(bounds.cpu_s * units_of(job)) + 1,
    }
    if isinstance(job, Command):
        return _block({**limits, **_command(job, bounds), "mode": "command"}), b""
    program = job.program
    common = {**limits, "preamble": program.preamble, "entry_point": program.entry_point}
    guest = {**common, "source": program.source}
    if isinstance(job, Calls):
        return _block({**guest, "mode": "calls", "calls": list(job.calls)}), b""
    if isinstance(job, Script):
        return _block({**guest, "mode": "script", "stdin": job.stdin}), b""
    return _block({**guest, "mode": "session"}), _block({**common, "drives": list(job.drives)})


_NO_LIMIT_MB = 1 << 40


def _command(job: Command, bounds: Bounds) -> dict[str, Any]:
    """The command's own part of its request. Its files must fit, however small the files that it may write itself."""
    largest = max(map(len, (job.stdin, *job.files.values())))
    return {
        "argv": list(job.argv),
        "files": dict(job.files),
        "stdin": job.stdin,
        "fetch": job.fetch,
        "fetch_bytes": job.fetch_bytes,
        "error_bytes": job.error_bytes,
        "must_prove": job.must_prove,
        "memory_mb": _NO_LIMIT_MB if job.reserves_memory else bounds.memory_mb,
        "file_mb": max(bounds.file_mb, (largest >> 20) + 1),
    }


def _block(request: dict[str, Any]) -> bytes:
    data = marshal.dumps(request)
    return wire.LENGTH.pack(len(data)) + data
