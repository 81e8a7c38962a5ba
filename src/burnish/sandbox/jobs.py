"""What can be run in the jail, and what comes back. Plain data; no knowledge of tests or rewards.

`Calls` runs a program's function on inputs, `Script` runs a whole program on stdin, `Session` lets driver code in a second
process use the program's functions, `Suite` does so for a pytest file, `Shared` runs program and test code in one. A `unit` number
groups calls that share one time limit.
"""

from __future__ import annotations

import marshal
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

from burnish.sandbox.inside import wire


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Limits of one run: wall and CPU seconds per unit, MiB of real memory, processes, bytes of output, MiB per file.

    `total_wall_s` bounds all units together, from the start of the run on; 0 is no such limit.
    """

    wall_s: float = 5.0
    cpu_s: float = 3.0
    memory_mb: int = 512
    processes: int = 16
    output_bytes: int = 1 << 20
    file_mb: int = 16
    total_wall_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A Python program: its source, the task's own source to be run before it, and the function it must define (if any)."""

    source: str
    preamble: str = ""
    entry_point: str = ""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Call the entry point once per `(unit, args, kwargs)`, in order, in one process. Values must be plain data.

    `ways`, if given, says for each call how it is made: `()` plainly; with `"list"` what it returns is made a list if it is
    iterable; with `"arguments"` the answer is a pair of what it returned and its arguments afterwards; `("new",)` keeps the
    object it returns and answers None; `("method", name)` calls a method of the object kept last.
    """

    program: Program
    calls: Sequence[tuple[int, tuple[Any, ...], dict[str, Any]]]
    ways: Sequence[tuple[str, ...]] = ()


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
class Shared:
    """Run `(unit, kind, content)` in the program's own process: test code as for `Session`, or kind `calls`.

    The content of `calls` are rows `(args, kwargs, expected, raises, tolerance, loose)`. Every frame must end with `nonce`.
    """

    program: Program
    drives: Sequence[tuple[int, str, Any]]
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Run `tests`, the text of a pytest file, in a second process; it imports the program as `module`. Needs pytest preloaded."""

    program: Program
    tests: str
    module: str


Job = Calls | Script | Session | Shared | Suite


@dataclass
class Run:
    """What one run left behind. Frames are tuples of plain data from the guest and the driver, in order of arrival; the first
    is `("ready",)` if judged code came to run there.

    `reason` is one of `wire.EXITED, WALL, CPU, MEMORY, ABORTED, TOTAL`; statuses are wait statuses (-1: no such process);
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
    return max(1, len({row[0] for row in rows_of(job)}))


def rows_of(job: Job) -> Sequence[tuple[Any, ...]]:
    """What a job answers one by one, a frame for each; nothing for a whole program or a test file."""
    if isinstance(job, Script | Suite):
        return ()
    return job.calls if isinstance(job, Calls) else job.drives


def requests(job: Job, bounds: Bounds, code: bytes | None) -> tuple[bytes, bytes]:
    """The request blocks for the guest and for the driver (empty: no driver). Without its `code` the guest compiles the program."""
    program = job.program
    common: dict[str, Any] = {
        "preamble": _compiled(program.preamble),
        "entry_point": program.entry_point,
        "memory_mb": bounds.memory_mb,
        "file_mb": bounds.file_mb,
        "processes": bounds.processes,
        "output_bytes": bounds.output_bytes,
        "cpu_total_s": math.ceil(bounds.cpu_s * units_of(job)) + 1,
    }
    guest = {**common, "code": code, "source": "" if code else program.source}
    if isinstance(job, Calls):
        return _block({**guest, "mode": "calls", "calls": list(job.calls), "ways": list(job.ways)}), b""
    if isinstance(job, Script):
        return _block({**guest, "mode": "script", "stdin": job.stdin}), b""
    if isinstance(job, Shared):
        return _block({**guest, "mode": "shared", "drives": list(job.drives), "nonce": job.nonce}), b""
    if isinstance(job, Suite):
        return _block({**guest, "mode": "suite"}), _block({**common, "preamble": None, "tests": job.tests, "module": job.module})
    return _block({**guest, "mode": "session"}), _block({**common, "drives": list(job.drives)})


@lru_cache(maxsize=1 << 12)
def _compiled(preamble: str) -> CodeType | str | None:
    """The task's own code, compiled once here; as it is if it does not compile, so that the seat meets the error and reports it."""
    if not preamble.strip():
        return None
    try:
        return compile(preamble, wire.PREAMBLE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return preamble


_COPIES = 2
"""The last marshal format without references: inputs that are one object here are separate objects in the guest."""


def _block(request: dict[str, Any]) -> bytes:
    data = marshal.dumps(request, _COPIES)
    return wire.LENGTH.pack(len(data)) + data
