"""What Python programs do on given inputs, as comparable text: two that do the same on all of them count as equivalent.

Programs run in the jail, each in a process of its own for all inputs; an input that ends the process is an outcome too, and
the inputs after it get a fresh process. Nothing here says which outcome is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from burnish.core.errors import SandboxError
from burnish.core.records import Cost
from burnish.core.seeds import content_hash
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.inside import wire
from burnish.sandbox.inside.codec import Opaque
from burnish.sandbox.jobs import Bounds, Program, Run, Script
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _python_report as report
from burnish.verifiers._inputs import Probe
from burnish.verifiers._python_calls import Frame, is_answer, job_of
from burnish.verifiers._steady import steady
from burnish.verifiers.base import Observed

DEATHS = 2
"""Processes of one program that may die before its remaining inputs count as ended in the same way."""
LONGEST = 200
"""Outcomes with longer text are kept as a hash."""


def observe_calls(sandbox: Sandbox, program: Program, probes: Sequence[Probe], bounds: Bounds, cancel: Cancel) -> Observed:
    """Outcomes of `probes`, one each; none if the program does not load or tampers. Raises `SandboxError`."""
    outcomes: list[str] = []
    cost, deaths = Cost(), 0
    while len(outcomes) < len(probes):
        left = probes[len(outcomes) :]
        job = job_of(program, [(unit, call) for unit, probe in enumerate(left) for call in probe])
        run, spent = steady(sandbox, job, bounds, None, cancel)
        cost += spent
        answers = run.guest[1:]
        is_honest = run.guest[:1] == [("ready",)] and all(is_answer(frame, index) for index, frame in enumerate(answers))
        if not is_honest or run.malformed or not run.units_begun:
            return Observed(cost=cost)
        outcomes += _fold(answers, left)
        if len(outcomes) < len(probes):
            deaths += 1
            end = _ending(run)
            outcomes += [end] * (len(probes) - len(outcomes) if deaths == DEATHS else 1)
    return Observed(outcomes=tuple(outcomes), cost=cost)


def observe_scripts(sandbox: Sandbox, program: Program, stdins: Sequence[str], bounds: Bounds, cancel: Cancel) -> Observed:
    """What the whole program prints on each of `stdins`, trailing blanks aside. Raises `SandboxError`."""
    outcomes, cost = [], Cost()
    for stdin in stdins:
        run, spent = steady(sandbox, Script(program=program, stdin=stdin), bounds, None, cancel)
        cost += spent
        if any(frame[0] == "syntax" for frame in run.guest[:1]):
            return Observed(cost=cost)
        printed = "\n".join(line.rstrip() for line in run.output.decode(errors="replace").rstrip().split("\n"))
        outcomes.append(_short(f"{_ending(run)} {printed}"))
    return Observed(outcomes=tuple(outcomes), cost=cost)


def observed(sandbox: Sandbox, program: Program, inputs: Sequence[Probe] | Sequence[str], bounds: Bounds, cancel: Cancel) -> Observed:
    """What `program` does on `inputs`, probes or standard inputs. A fault of the jail leaves it without outcomes."""
    try:
        if isinstance(inputs[0], str):
            return observe_scripts(sandbox, program, cast("Sequence[str]", inputs), bounds, cancel)
        return observe_calls(sandbox, program, cast("Sequence[Probe]", inputs), bounds, cancel)
    except SandboxError:
        return Observed()


def _fold(answers: Sequence[Frame], probes: Sequence[Probe]) -> list[str]:
    """One outcome for each probe whose calls are all answered."""
    outcomes, start = [], 0
    for probe in probes:
        mine = answers[start : start + len(probe)]
        if len(mine) < len(probe):
            break
        outcomes.append(_short("; ".join(_outcome(frame) for frame in mine)))
        start += len(probe)
    return outcomes


def _outcome(frame: Frame) -> str:
    kind, content = frame[:2]
    if kind == "raised":
        return f"raises {report.exception_name(content)}"
    return canonical(content) if kind == "value" else kind


def _ending(run: Run) -> str:
    if run.reason in (wire.WALL, wire.CPU, wire.TOTAL):
        return "timeout"
    return "ended" if run.guest_status == 0 else "crash"


def _short(outcome: str) -> str:
    return outcome if len(outcome) <= LONGEST else content_hash(outcome)


def canonical(value: Any) -> str:
    """Text that is equal exactly when the judge would call two values the same; floats agree to nine digits."""
    match value:
        case bool() | None | str() | bytes() | bytearray():
            return repr(value)
        case int():
            return hex(value)
        case float() if value.is_integer() and abs(value) < 2**53:
            return hex(int(value))
        case float():
            return "nan" if math.isnan(value) else f"{value:.9g}"
        case list():
            return f"[{', '.join(map(canonical, value))}]"
        case tuple():
            return f"({', '.join(map(canonical, value))},)"
        case set() | frozenset():
            return f"{type(value).__name__}({', '.join(sorted(map(canonical, value)))})"
        case dict():
            return f"{{{', '.join(sorted(f'{canonical(key)}: {canonical(item)}' for key, item in value.items()))}}}"
        case Opaque():
            return f"<{value.type_name} {value.text}>"
    return repr(value)
