"""Turns what happened in the jail into diagnostics with a place in the model's own text, checks and tamper flags."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from typing import Any

from burnish.core.records import Check, CheckSpec, Counterexample, Diagnostic, Outcome, SourceSpan, TamperFlag
from burnish.sandbox.inside import wire
from burnish.sandbox.inside.compare import is_description as is_description
from burnish.sandbox.inside.compare import matches as matches
from burnish.sandbox.jobs import Run
from burnish.text.places import line_starts
from burnish.verifiers._python_values import clean

EQUALITY = TamperFlag(code="equality_override", evidence="the returned object claims to equal a value that it has never seen")
"""The flag of an object whose `==` says yes to anything."""


def span_at(text: str, place: Sequence[int] | None, in_bytes: bool = True) -> SourceSpan | None:
    """The span of (line from 1, column from 0, end line, end column); columns count UTF-8 bytes or characters."""
    if place is None:
        return None
    starts = line_starts(text)
    (start, line, col), (end, end_line, end_col) = (
        _position(text, starts, row, column, in_bytes) for row, column in (place[:2], place[2:])
    )
    end = max(start, end)
    return SourceSpan(start=start, end=end, line=line, col=col, end_line=end_line, end_col=end_col)


def _position(text: str, starts: list[int], row: int, column: int, in_bytes: bool) -> tuple[int, int, int]:
    row = min(max(row, 1), len(starts))
    begin = starts[row - 1]
    content = text[begin : starts[row] if row < len(starts) else len(text)].rstrip("\r\n")
    if in_bytes:
        column = len(content.encode("utf-8", "surrogatepass")[: max(column, 0)].decode("utf-8", "ignore"))
    column = min(max(column, 0), len(content))
    return begin + column, row, column


def is_test_report(frame: tuple[Any, ...], index: int) -> bool:
    """True for a frame on the test code of this index as an honest driver sends it; hostile test code may send any other."""
    if len(frame) < 4 or type(frame[-2]) is not int or frame[-2] != index or type(frame[-1]) is not float or not 0 <= frame[-1] < 1e9:
        return False
    match frame[:-2]:
        case ("broken" | "undecided", str()):
            return True
        case ("passed", (int(), str(), bool())):
            return True
        case ("failed", description, _, None | (str(), str()), (int(), str(), bool())):
            return is_description(description)
    return False


def exception_name(description: Any) -> str:
    """`TypeError` for a built-in exception, the qualified name for others."""
    return clean(str(description[0][0]).removeprefix("builtins."), 100)


def early_exit(description: Any) -> TamperFlag | None:
    """A flag if the exception is a `SystemExit` that claims success."""
    if "builtins.SystemExit" in description[0] and description[1] in ("None", "0", "", "False"):
        return TamperFlag(code="early_exit", evidence="the program left with exit code 0 before it had answered")
    return None


def raised(artefact: str, description: Any, hidden: bool) -> Diagnostic:
    """The diagnostic of an exception that came out of the artefact."""
    name = exception_name(description)
    code = "python.memory" if name == "MemoryError" else f"python.exception.{name}"
    return diagnostic(code, f"{name}: {clean(description[1])}".rstrip(": "), hidden, span_at(artefact, description[2]))


def diagnostic(code: str, message: str, hidden: bool, span: SourceSpan | None = None, hint: str | None = None) -> Diagnostic:
    """A diagnostic; those of hidden checks never reach a model."""
    return Diagnostic(code=code, message=clean(message), span=span, visibility="eval" if hidden else "model", hint=hint)


def check(
    spec: CheckSpec,
    outcome: Outcome,
    diagnostics: Iterable[Diagnostic] = (),
    counterexample: Counterexample | None = None,
    wall_s: float = 0.0,
) -> Check:
    """The record of one check."""
    return Check(
        id=spec.id,
        kind=spec.kind,
        outcome=outcome,
        weight=spec.weight,
        hidden=spec.hidden,
        diagnostics=tuple(diagnostics),
        counterexample=counterexample,
        wall_s=wall_s,
    )


def ending(run: Run, hidden: bool) -> tuple[Outcome, Diagnostic, TamperFlag | None]:
    """Why a judged process stopped without an answer: outcome, diagnostic, and a flag if that was an attack."""
    if run.reason == wire.TOTAL:
        return "timeout", diagnostic("python.timeout", "exceeded the wall-clock limit of all checks together", hidden), None
    if run.reason in (wire.WALL, wire.CPU) or _signal(run.guest_status) == signal.SIGXCPU:
        what = "wall-clock" if run.reason == wire.WALL else "CPU"
        return "timeout", diagnostic("python.timeout", f"exceeded the {what} limit", hidden), None
    if run.reason == wire.MEMORY:
        return "crash", diagnostic("python.memory", "exceeded the memory limit", hidden), None
    number = _signal(run.guest_status)
    if number == signal.SIGSYS:
        flag = TamperFlag(code="escape", evidence="the program made a system call that only an attack needs")
        return "crash", diagnostic("python.forbidden", "killed for a forbidden system call", hidden), flag
    if number:
        return "crash", diagnostic("python.signal", f"killed by signal {_signal_name(number)}", hidden), None
    status = os.waitstatus_to_exitcode(run.guest_status)
    if status == 0:
        flag = TamperFlag(code="early_exit", evidence="the process ended with exit code 0 before it had answered")
        return "crash", diagnostic("python.exit", "the process ended before it had answered", hidden), flag
    return "crash", diagnostic("python.exit", f"the process ended with exit code {status}", hidden), None


def _signal(status: int) -> int:
    return os.WTERMSIG(status) if status > 0 and os.WIFSIGNALED(status) else 0


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else str(number)  # most real-time signals have no name


def was_killed(run: Run) -> bool:
    """True if a seat got a SIGKILL that neither the nursery nor a limit explains: maybe the kernel, short of memory.

    The nursery itself kills a guest whose driver has ended well.
    """
    if run.reason != wire.EXITED:
        return False
    guest_was, driver_was = (_signal(status) == signal.SIGKILL for status in (run.guest_status, run.driver_status))
    return driver_was or (guest_was and run.driver_status != 0)
