"""Folds the frames of a run of calls into checks: which answer is wrong, in what way, and on which input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from burnish.core.records import Counterexample, Diagnostic, Outcome, TamperFlag
from burnish.sandbox.inside.codec import Opaque
from burnish.sandbox.jobs import Calls, Program, Run
from burnish.verifiers import _python_report as report
from burnish.verifiers import _python_values as values
from burnish.verifiers._python_plan import Call, CallCheck

if TYPE_CHECKING:
    from burnish.verifiers._python_judge import Judge

Frame = tuple[Any, ...]


class Wrong(NamedTuple):
    """A wrong answer: the outcome, what to say, what came instead of what was due, and a flag if it was an attack."""

    outcome: Outcome
    note: Diagnostic
    actual: str
    flag: TamperFlag | None = None


def job_of(program: Program, rows: Sequence[tuple[int, Call]]) -> Calls:
    """The job that makes the calls; each comes with its unit."""
    ways = [call.way for _, call in rows] if any(call.way for _, call in rows) else []
    return Calls(program=program, calls=[(unit, call.args, call.kwargs) for unit, call in rows], ways=ways)


def is_answer(frame: Frame, index: int) -> bool:
    """True if the frame has the shape of an honest seat's answer to call number `index`."""
    if len(frame) != 4 or type(frame[2]) is not int or frame[2] != index or type(frame[3]) is not float or not 0 <= frame[3] < 1e9:
        return False
    kind, content = frame[:2]
    return kind == "value" or (kind == "raised" and report.is_description(content)) or (kind == "unsendable" and type(content) is str)


def wrong(call: Call, frame: Frame, source: str, hidden: bool) -> Wrong | None:
    """None if the answer is right. `source` is the program, for the place of an exception."""
    kind, content = frame[:2]
    if kind == "raised":
        if call.raises and report.matches(content, call.raises):
            return None
        note = report.raised(source, content, hidden)
        return Wrong("crash", note, f"raises {note.message}", report.early_exit(content))
    if kind == "unsendable":
        note = report.diagnostic("python.not_plain", f"the returned value cannot be judged: {content}", hidden)
        return Wrong("fail", note, note.message)
    if call.accepts(content):
        return None
    value, arguments = call.parts(content)
    shown = values.show(value)
    if isinstance(value, Opaque) and call.is_compared:
        message = f"returned an object of type {values.clean(value.type_name, 100)}, not plain data"
        flag = report.EQUALITY if value.equals_anything else None
        return Wrong("fail", report.diagnostic("python.not_plain", message, hidden), shown, flag)
    if call.mutates is not None and not values.same(arguments, call.mutates, call.tolerance):
        shown = f"arguments {values.show(arguments)}"
        message = f"left its arguments as {values.show(arguments)}, expected {values.show(call.mutates)}"
        return Wrong("fail", report.diagnostic("python.wrong_arguments", message, hidden), shown)
    is_made = call.way[:1] == ("through",)
    message = f"{call.way[1]} of what it returned is {shown}" if is_made else f"returned {shown}"
    return Wrong("fail", report.diagnostic("python.wrong_value", f"{message}, expected {due(call)}", hidden), shown)


def due(call: Call) -> str:
    """What is due, as text."""
    if call.raises:
        return f"raises {call.raises}"
    arguments = "" if call.mutates is None else f"arguments {values.show(call.mutates)}"
    value = values.show(call.expected) if call.is_compared else ""
    return " and ".join(part for part in (value, arguments) if part) or "no exception"


def example(entry_point: str, calls: Sequence[Call], actual: str) -> Counterexample:
    """The counterexample that the last of `calls` is; those before it are the steps that led to it."""
    call = calls[-1]
    return Counterexample(input=source_of(entry_point, calls), expected=due(call), actual=values.clean(actual))


def source_of(entry_point: str, calls: Sequence[Call]) -> str:
    """Source text of the last call, bounded; of a sequence, as many of the steps before it as there is room for."""
    last = calls[-1]
    if last.way[:1] == ("through",):
        return f"{last.way[1]}({values.call_source(entry_point, last.args, last.kwargs)})"
    if last.way[:1] not in (("new",), ("method",)):
        return values.call_source(entry_point, last.args, last.kwargs)
    steps = [_step_source(entry_point, call) for call in calls]
    if len(steps) == 1:
        return steps[0]
    kept, room = [steps[-1]], values.SHOWN
    for step in reversed(steps[1:-1]):
        room -= len(step)
        if room < 0:
            break
        kept.insert(0, step)
    left = len(steps) - 1 - len(kept)
    return "; ".join([steps[0], *([f"… {left} steps …"] if left else []), *kept])


def _step_source(entry_point: str, call: Call) -> str:
    is_new = call.way[0] == "new"
    return ("x = " if is_new else "x.") + values.call_source(entry_point if is_new else call.way[1], call.args, call.kwargs)


class CallFolder:
    """Folds the frames of one run of calls into checks."""

    def __init__(self, judge: Judge, plans: list[CallCheck], rows: list[tuple[int, Call]]) -> None:
        self._judge, self._plans, self._rows = judge, plans, rows

    def stop(self, frame: Frame) -> bool:
        """True as soon as an answer is wrong and nothing that is still to come can matter."""
        if len(frame) != 4 or type(frame[2]) is not int or not 0 <= frame[2] < len(self._rows):
            return False
        unit, call = self._rows[frame[2]]
        is_right = call.accepts(frame[1]) if frame[0] == "value" else bool(call.raises)
        return not is_right and (self._judge._first_fail or unit == len(self._plans) - 1)

    def fold(self, run: Run) -> int:
        """Decide as many checks as the run allows; returns how many."""
        judge, plans = self._judge, self._plans
        if judge._not_loaded(plans, run):
            return len(plans)
        answers = run.guest[1:]
        if run.malformed or len(answers) > len(self._rows) or not all(is_answer(frame, i) for i, frame in enumerate(answers)):
            return judge._forged(plans, run.malformed or "an answer out of turn")
        if len(answers) < len(self._rows) and run.units_begun > self._rows[len(answers)][0] + 1:
            return judge._forged(plans, "a check was said to begin before its turn")
        for unit, plan in enumerate(plans):
            mine = [answers[i] if i < len(answers) else None for i, (owner, _) in enumerate(self._rows) if owner == unit]
            if self._decide(plan, mine, run) or judge._over():
                return unit + 1
        return len(plans)

    def _decide(self, plan: CallCheck, frames: list[Frame | None], run: Run) -> bool:
        """Decide one check. True if the process ended in it, so that the rest must be run afresh."""
        judge, hidden, program = self._judge, plan.spec.hidden, self._judge._program
        seconds = sum(frame[3] for frame in frames if frame)
        for number, (call, frame) in enumerate(zip(plan.calls, frames, strict=True), start=1):
            found = self._ended(run, hidden) if frame is None else wrong(call, frame, program.source, hidden)
            if found is None:
                continue
            judge.found.flag(found.flag)
            shown = example(program.entry_point, plan.calls[:number], found.actual)
            judge._decide(plan, found.outcome, _at_step(found.note, plan, number), example=shown, wall_s=seconds)
            if frame is not None and judge.found.failed_call is None:
                judge.found.failed_call = (len(judge.found.checks) - 1, call, frame)
            return any(frame is None for frame in frames)
        judge._decide(plan, "pass", wall_s=seconds)
        return False

    @staticmethod
    def _ended(run: Run, hidden: bool) -> Wrong:
        outcome, note, flag = report.ending(run, hidden)
        return Wrong(outcome, note, note.message, flag)


def _at_step(note: Diagnostic, plan: CallCheck, number: int) -> Diagnostic:
    """The diagnostic, with the step of a sequence that it is about."""
    way = plan.calls[number - 1].way
    if way[:1] not in (("new",), ("method",)):
        return note
    name = "making the object" if number == 1 else values.clean(way[1], 60)
    return msgspec.structs.replace(note, message=values.clean(f"step {number}, {name}: {note.message}"))
