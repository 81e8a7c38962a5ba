"""What can be run in the jail, and what comes back. Plain data; no knowledge of tests or rewards.

`Calls` runs a program's function on inputs, `Script` runs a whole program on stdin, `Session` lets driver code in a second
process use the program's functions, `Suite` does so for a pytest file, `Shared` runs program and test code in one, `Trace`
notes on the way what variables hold, `Command` runs a tool of the system or what it has built. A `unit` number groups calls
that share one time limit.
"""

from __future__ import annotations

import marshal
import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import CodeType
from typing import Any, ClassVar

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

    def scaled(self, slowness: float) -> Bounds:
        """The same for a machine that is so many times slower: what passes on a fast one must not time out there."""
        if slowness == 1.0:
            return self
        wall, cpu, total = self.wall_s * slowness, self.cpu_s * slowness, self.total_wall_s * slowness
        return replace(self, wall_s=wall, cpu_s=cpu, total_wall_s=total)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A Python program: its source, the task's own source to be run before it, and the function it must define (if any)."""

    source: str
    preamble: str = ""
    entry_point: str = ""


class Job(ABC):
    """Something to be run: by a guest seat, and if `has_driver` by a driver seat beside it."""

    has_driver: ClassVar[bool] = False

    @property
    def source(self) -> str | None:
        """The judged program's Python source; None if it has none."""
        return None

    def units(self) -> int:
        """How many units (time limits) it has, at least 1."""
        return max(1, len({row[0] for row in self._rows()}))

    def frames(self) -> int:
        """How many frames an honest seat sends at most."""
        return len(self._rows()) + 2

    def room(self, bounds: Bounds) -> int:
        """Bytes of frames that honest seats send at most."""
        return (bounds.output_bytes + 20_000) * (self.frames() + 1)

    def _rows(self) -> Sequence[tuple[Any, ...]]:
        """What is answered one by one, each with its unit first."""
        return ()

    @abstractmethod
    def _guest(self) -> dict[str, Any]:
        """What the guest has to know, beside its limits and its code."""

    def _driver(self) -> dict[str, Any]:
        """What the driver has to know, beside its limits."""
        return {}

    def requests(self, bounds: Bounds) -> tuple[bytes, bytes]:
        """The request blocks of guest and driver (empty: no driver). The program itself comes after them (`artefact`)."""
        limits = {
            "memory_mb": bounds.memory_mb,
            "file_mb": bounds.file_mb,
            "processes": bounds.processes,
            "output_bytes": bounds.output_bytes,
            "cpu_total_s": math.ceil(bounds.cpu_s * self.units()) + 1,
        }
        guest = {**limits, "has_artefact": self.source is not None, **self._guest()}
        return _block(guest), _block({**limits, "has_artefact": False, **self._driver()}) if self.has_driver else b""


@dataclass(frozen=True, kw_only=True)
class _ProgramJob(Job):
    program: Program

    @property
    def source(self) -> str:
        return self.program.source

    def _known(self) -> dict[str, Any]:
        return {"preamble": _compiled(self.program.preamble), "entry_point": self.program.entry_point}


@dataclass(frozen=True, kw_only=True)
class Calls(_ProgramJob):
    """Call the entry point once per `(unit, args, kwargs)`, in order, in one process. Values must be plain data.

    `ways`, if given, says for each call how it is made: `()` plainly; with `"list"` what it returns is made a list if it is
    iterable; with `"arguments"` the answer is a pair of what it returned and its arguments afterwards; `("through", name)` answers
    with what the built-in function of that name makes of it; `("new",)` keeps the object it returns and answers None;
    `("method", name)` calls a method of the object kept last.
    """

    calls: Sequence[tuple[int, tuple[Any, ...], dict[str, Any]]]
    ways: Sequence[tuple[str, ...]] = ()

    def _rows(self) -> Sequence[tuple[Any, ...]]:
        return self.calls

    def _guest(self) -> dict[str, Any]:
        return {**self._known(), "mode": "calls", "calls": list(self.calls), "ways": list(self.ways)}


@dataclass(frozen=True, kw_only=True)
class Script(_ProgramJob):
    """Run the program as `__main__` with `stdin`; what it prints comes back as `Run.output`."""

    stdin: str

    def _guest(self) -> dict[str, Any]:
        return {**self._known(), "mode": "script", "stdin": self.stdin}


@dataclass(frozen=True, kw_only=True)
class Session(_ProgramJob):
    """Run `(unit, kind, code)` test code in a second process. kind `assert`: run it; `check`: call its `check(candidate)`."""

    has_driver = True
    drives: Sequence[tuple[int, str, str]]

    def _rows(self) -> Sequence[tuple[Any, ...]]:
        return self.drives

    def _guest(self) -> dict[str, Any]:
        return {**self._known(), "mode": "session"}

    def _driver(self) -> dict[str, Any]:
        return {**self._known(), "drives": list(self.drives)}


@dataclass(frozen=True, kw_only=True)
class Shared(_ProgramJob):
    """Run `(unit, kind, content)` in the program's own process: test code as for `Session`, or kind `calls`.

    The content of `calls` are rows `(args, kwargs, expected, raises, tolerance, loose)`. Every frame must end with `nonce`.
    """

    drives: Sequence[tuple[int, str, Any]]
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def _rows(self) -> Sequence[tuple[Any, ...]]:
        return self.drives

    def _guest(self) -> dict[str, Any]:
        return {**self._known(), "mode": "shared", "source": self.source, "drives": list(self.drives), "nonce": self.nonce}


@dataclass(frozen=True, kw_only=True)
class Suite(_ProgramJob):
    """Run `tests`, the text of a pytest file, in a second process; it imports the program as `module`. Needs pytest preloaded."""

    has_driver = True
    tests: str
    module: str

    def frames(self) -> int:
        """Reports of `wire.MOST_TESTS` tests, and two notes on each of `wire.MOST_CALLS` calls."""
        return 2 * wire.MOST_CALLS + 10 * wire.MOST_TESTS

    def room(self, bounds: Bounds) -> int:
        """These are short."""
        return 16 << 20

    def _guest(self) -> dict[str, Any]:
        return {**self._known(), "mode": "suite"}

    def _driver(self) -> dict[str, Any]:
        return {**self._known(), "preamble": None, "tests": self.tests, "module": self.module}


@dataclass(frozen=True, kw_only=True)
class Trace(_ProgramJob):
    """Run the program on inputs and note the values of variables at block ends, see `inside.tracer`. Needs `ast` preloaded.

    Inputs are `("call", (way, args, kwargs))` with a way as in `Calls`, or `("assert" | "check", test code)`; with `stdin` the
    program runs as `__main__` instead. One frame for each: the answer as for `Calls`, the count of block ends, and `most` of
    them as `(function, depth, first line, last line, [(name, text)], note)`. What it prints comes back as `Run.output`.
    """

    inputs: Sequence[tuple[str, Any]] = ()
    stdin: str | None = None
    most: int = 60

    def units(self) -> int:
        """All inputs share one."""
        return 1

    def frames(self) -> int:
        """One for each input; a whole program is one."""
        return max(1, len(self.inputs)) + 2

    def _guest(self) -> dict[str, Any]:
        asked = {"inputs": list(self.inputs), "stdin": self.stdin, "most": self.most, "source": self.source}
        return {**self._known(), "mode": "trace", **asked}


_NO_LIMIT_MB = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Command(Job):
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

    def room(self, bounds: Bounds) -> int:
        """As always, and what is fetched."""
        return super().room(bounds) + self.fetch_bytes + self.error_bytes

    def _guest(self) -> dict[str, Any]:
        return {
            "mode": "command",
            "argv": list(self.argv),
            "files": dict(self.files),
            "stdin": self.stdin,
            "fetch": self.fetch,
            "fetch_bytes": self.fetch_bytes,
            "error_bytes": self.error_bytes,
            "must_prove": self.must_prove,
        }

    def requests(self, bounds: Bounds) -> tuple[bytes, bytes]:
        """As always; but its files must fit, however small the files that it may write itself."""
        largest = max(map(len, (self.stdin, *self.files.values())))
        memory = _NO_LIMIT_MB if self.reserves_memory else bounds.memory_mb
        return super().requests(replace(bounds, memory_mb=memory, file_mb=max(bounds.file_mb, (largest >> 20) + 1)))


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


@lru_cache(maxsize=1 << 12)
def _compiled(preamble: str) -> CodeType | str | None:
    """The task's own code, compiled once here; as it is if it does not compile, so that the seat meets the error and reports it."""
    if not preamble.strip():
        return None
    try:
        return compile(preamble, wire.PREAMBLE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return preamble


def artefact(program: bytes | str | None) -> bytes:
    """The block that brings a guest its program: code, source to be compiled there, or None for one that does not compile."""
    data = marshal.dumps(program)
    return wire.LENGTH.pack(len(data)) + data


_COPIES = 2
"""The last marshal format without references: inputs that are one object here are separate objects in the guest."""


def _block(request: dict[str, Any]) -> bytes:
    data = marshal.dumps(request, _COPIES)
    return wire.LENGTH.pack(len(data)) + data
