"""A seat: a freshly forked process with its one request, its own limits and pipes, and how it reports what happened.

Frames go out as codec tuples whose first item names them; a seat says that it is ready, in the shared page, just before
judged code first runs, so anything odd after that is the program's own doing. Nothing here decides whether an answer is right.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from types import TracebackType
from typing import Any

from . import codec, kernel, wire

TEXT = 500
"""Longest message or repr that a seat reports, in characters."""
_LIMITS = (
    *(resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE),
    *(resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_STACK),
)
_INHERITED = {what: hard if hard >= 0 else sys.maxsize for what in _LIMITS for hard in resource.getrlimit(what)[1:]}
"""Hard limits at the start of the server. Asked once: a seat must not need another system call for each."""


class Seat:
    """One forked process: its request, where its frames go, and the shared page that tells the nursery which unit runs."""

    def __init__(self, request_pipe: int, result_pipe: int, progress: Any, limit_processes: bool) -> None:
        self.request: dict[str, Any] = marshal.loads(wire.read_block(request_pipe))
        os.set_blocking(result_pipe, True)
        self._pipe = result_pipe
        self._progress = progress
        self.limit = int(self.request["output_bytes"])
        _apply_limits(self.request, limit_processes)
        self.artefact: bytes | str | None = None
        """The judged program: its code, its source if the seat has to compile it, None if it does not compile."""
        if self.request["has_artefact"]:  # it comes later: it is compiled while the seat reads the rest
            self.artefact = marshal.loads(wire.read_block(request_pipe))
        os.close(request_pipe)

    def send(self, *frame: Any) -> None:
        """Send one frame to the trusted parent."""
        wire.write_block(self._pipe, codec.encode(frame, self.limit + 10_000))

    def ready(self, place: int) -> None:
        """Say that judged code runs from here on. `place` is `wire.GUEST_READY` or `wire.DRIVER_READY`."""
        self._progress[place] = 1

    def leave_page(self) -> None:
        """In a guest with a driver beside it: the driver alone says which unit runs."""
        kernel.unmap_page(self._progress)

    def start_unit(self, unit: int) -> None:
        """Tell the nursery that a new unit begins: its clock starts now."""
        self._progress[0:4] = (unit + 1).to_bytes(4, "little")


def limit(what: int, value: int) -> None:
    """Limit this process for ever: to `value`, or to what its parent was started with (`ulimit`) where that is lower."""
    value = min(value, _INHERITED[what])
    resource.setrlimit(what, (value, value))


def _apply_limits(request: dict[str, Any], limit_processes: bool) -> None:
    memory = request["memory_mb"] << 20
    limit(resource.RLIMIT_DATA, memory)
    limit(resource.RLIMIT_AS, memory + (1 << 30))
    limit(resource.RLIMIT_FSIZE, request["file_mb"] << 20)
    limit(resource.RLIMIT_CPU, request["cpu_total_s"])
    if limit_processes:
        limit(resource.RLIMIT_NPROC, request["processes"] + 4)


def run_preamble(seat: Seat, namespace: dict[str, Any]) -> None:
    """Execute the task's own code, compiled by the parent, in `namespace`; if it fails the seat says so and ends."""
    code = seat.request["preamble"]
    if code is None:
        return
    try:
        exec(code, namespace)
    except BaseException as error:
        seat.send("setup", f"the preamble raised {type(error).__name__}: {error}"[:TEXT])
        os._exit(wire.SETUP_FAILED)


def outcome(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """What a call of a function of the artefact comes to: `("value", …)` or `("raised", description)`."""
    try:
        return "value", function(*args, **kwargs)
    except BaseException as error:
        return "raised", describe(error, wire.ARTEFACT)


def describe(error: BaseException, file: str) -> tuple[list[str], str, tuple[int, ...] | None]:
    """Names of the exception's classes, its message, and (line, column, end line, end column) of the deepest entry in `file`.

    Lines count from 1; columns are UTF-8 bytes from 0, as the interpreter keeps them.
    """
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__[:-1]]
    return names, text_of(error.code if isinstance(error, SystemExit) else error), _place(error.__traceback__, file)


def _place(trace: TracebackType | None, file: str) -> tuple[int, ...] | None:
    found = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    position = next(islice(found.tb_frame.f_code.co_positions(), found.tb_lasti // 2, None), (None,) * 4)
    line, end_line, column, end_column = position
    if line is None:
        return (found.tb_lineno or 1, 0, found.tb_lineno or 1, 0)
    return (line, column or 0, end_line or line, end_column or 0)


def text_of(value: Any) -> str:
    """`str` of a value, cut; never raises."""
    try:
        return str(str(value)[:TEXT])
    except BaseException:
        return "<unprintable>"


def repr_of(value: Any) -> str:
    """`repr` of a value; never raises."""
    try:
        return repr(value)
    except BaseException:
        return f"<{type(value).__name__}>"
