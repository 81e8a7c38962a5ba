"""How a Python program runs on the input of one check: the values of its variables at block ends, and what it prints.

The trace is made where the program runs, so it is believed by nobody: what comes back is checked for shape, bounded and
cleaned, and only ever shown. The jails for it are a pool of their own, whose seats have the tracer loaded.
"""

from __future__ import annotations

from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import Task
from burnish.core.traces import Trace, TraceStep
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.inside import wire
from burnish.sandbox.jobs import Bounds, Program, Run
from burnish.sandbox.jobs import Trace as Job
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _python_report as report
from burnish.verifiers import _python_values as values
from burnish.verifiers._python_calls import is_answer, source_of
from burnish.verifiers._python_plan import CallCheck, CodeCheck, Plan, plan
from burnish.verifiers._steady import steady

OUTPUT = 4000
"""Most characters of output that a trace keeps."""
_MOST_CALLS = 50


def trace(sandbox: Sandbox, task: Task, program: Program, check_id: str, bounds: Bounds, cancel: Cancel) -> Trace:
    """Run the program on the check's input and fold what comes back. Raises `InputError` if the task has no such check, `SandboxError`."""
    chosen = next((one for one in plan(task) if one.spec.id == check_id), None)
    if chosen is None:
        raise InputError(f"task {task.id!r} has no check {check_id!r} to trace")
    run, cost = steady(sandbox, _job(program, chosen), bounds, None, cancel)
    output = run.output[: 4 * OUTPUT].decode("utf-8", "backslashreplace")[:OUTPUT]
    return _folded(chosen, program.entry_point, run, Trace(check_id=check_id, output=output, cost=cost))


def _job(program: Program, chosen: Plan) -> Job:
    if isinstance(chosen, CallCheck):
        return Job(program=program, inputs=[("call", (call.way, call.args, call.kwargs)) for call in chosen.calls[:_MOST_CALLS]])
    if isinstance(chosen, CodeCheck):
        return Job(program=program, inputs=[(chosen.kind, chosen.code)])
    return Job(program=program, stdin=chosen.stdin)


def _folded(chosen: Plan, entry_point: str, run: Run, bare: Trace) -> Trace:
    """The trace of the first wrong answer, else of the last; without steps where the frames are not honest ones."""
    answers = run.guest[1:]
    if run.malformed or not answers or not all(_is_traced(frame, index) for index, frame in enumerate(answers)):
        return _with(bare, ending=_ending(run))
    number = len(answers) - 1
    if isinstance(chosen, CallCheck):
        number = next((index for index, frame in enumerate(answers) if not _is_right(chosen, index, frame)), number)
    kind, content, _, _, total, rows = answers[number]
    ending = {"stopped": "stopped: it ran too many lines", "raised": ""}.get(kind, "")
    if kind == "raised" and report.is_description(content):
        ending = report.raised("", content, False).message
    if number == len(answers) - 1 and run.reason != wire.EXITED:
        ending = ending or _ending(run)
    shown = source_of(entry_point, chosen.calls[: number + 1]) if isinstance(chosen, CallCheck) else ""
    return _with(bare, input=shown, steps=tuple(_step(row) for row in rows), total=total, ending=ending)


def _with(bare: Trace, **found: Any) -> Trace:
    return Trace(check_id=bare.check_id, output=bare.output, cost=bare.cost, **found)


def _is_right(chosen: CallCheck, index: int, frame: tuple[Any, ...]) -> bool:
    call = chosen.calls[index]
    if frame[0] == "raised":
        return bool(call.raises) and report.is_description(frame[1]) and report.matches(frame[1], call.raises)
    return frame[0] == "value" and call.accepts(frame[1])


def _is_traced(frame: tuple[Any, ...], index: int) -> bool:
    """True for a frame as an honest tracer sends it."""
    if len(frame) != 6 or index >= _MOST_CALLS:
        return False
    answer = frame[:4]
    is_honest = is_answer(answer, index) or (frame[0] == "stopped" and frame[1] == "" and frame[2] == index)
    total, rows = frame[4:]
    return is_honest and type(total) is int and type(rows) is list and len(rows) <= total and all(map(_is_row, rows))


def _is_row(row: Any) -> bool:
    if type(row) is not tuple or [type(part) for part in row] != [str, int, int, int, list, str]:
        return False
    return len(row[4]) <= 100 and all(type(pair) is tuple and [type(part) for part in pair] == [str, str] for pair in row[4])


def _step(row: tuple[Any, ...]) -> TraceStep:
    name, depth, first, last, pairs, note = row
    kept = tuple((values.clean(variable), values.clean(value)) for variable, value in pairs)
    return TraceStep(function=values.clean(name), first=first, last=last, depth=depth, values=kept, note=values.clean(note))


def _ending(run: Run) -> str:
    """Why there is no answer."""
    for frame in run.guest:
        if frame[0] in ("syntax", "load", "missing"):
            return "the program could not be loaded"
    if run.output_exceeded:
        return "stopped: it printed too much"
    if run.malformed or (run.reason == wire.EXITED and run.guest_status == 0):
        return "the program spoiled its own trace"
    return report.ending(run, False)[1].message
