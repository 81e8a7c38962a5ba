"""Makes the input of a wrong call smaller, with a reference program to say what is due for the smaller input.

In rounds: simpler inputs run through the reference, those that it answers through the program under judgement, each in the
jail, one process per round. The first that fails in the same way (the same kind of wrong answer, the same exception) is
where the next round starts. An input on which the reference raises breaks its preconditions and is passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from burnish.core.errors import SandboxError
from burnish.core.records import FAILED
from burnish.sandbox.inside import wire
from burnish.sandbox.jobs import Program
from burnish.verifiers import _python_values as values
from burnish.verifiers._python_calls import Frame, example, is_answer, job_of, wrong
from burnish.verifiers._python_plan import Call
from burnish.verifiers._shrink import simpler_arguments

if TYPE_CHECKING:
    from burnish.verifiers._python_judge import Judge

FEWEST, MOST = 4, 32
"""Inputs that are tried in one process: few after a success, twice as many after every round without one."""


def minimize(judge: Judge, reference: str, budget: int) -> None:
    """Replace the counterexample of the first wrongly answered call by a smaller one, trying at most `budget` inputs.

    Leaves everything as it is if the check is flaky, if the reference does not fulfil it itself, if nothing smaller fails,
    and for sequences and calls that must raise.
    """
    if judge.found.failed_call is None:
        return
    number, call, frame = judge.found.failed_call
    check = judge.found.checks[number]
    if check.outcome not in FAILED or call.raises or call.way[:1] in (("new",), ("method",)):
        return
    source, entry_point = judge._program.source, judge._program.entry_point
    smallest = _Search(judge, dataclasses.replace(judge._program, source=reference), call, frame).smallest(budget)
    answered = smallest and wrong(*smallest, source, check.hidden)
    if smallest and answered:
        shown = msgspec.structs.replace(example(entry_point, smallest[:1], answered.actual), minimized=True, validated=True)
        judge.found.checks[number] = msgspec.structs.replace(check, counterexample=shown, diagnostics=(answered.note,))


class _Search:
    """The search for a smaller input on which the program fails in the same way."""

    def __init__(self, judge: Judge, reference: Program, call: Call, frame: Frame) -> None:
        self._judge, self._reference, self._call = judge, reference, call
        self._failure = self._failure_of(call, frame)
        self._tried: set[str] = set()
        self._is_over = False

    def smallest(self, budget: int) -> tuple[Call, Frame] | None:
        """The smallest call found and its wrong answer; None if there is none."""
        confirmed = self._answers(self._reference, [self._call])
        if not confirmed or confirmed[0][0] != "value" or not self._call.accepts(confirmed[0][1]):
            return None
        best: tuple[Call, Frame] | None = None
        candidates, width = self._candidates(self._call), FEWEST
        while not self._is_over and (batch := list(islice(candidates, min(width, budget)))):
            budget -= len(batch)
            width = min(2 * width, MOST)
            found = self._first_wrong(batch)
            if found is not None:
                self._tried.difference_update(map(_key, batch))  # those after the one that was taken may be simpler still
                best, candidates, width = found, self._candidates(found[0]), FEWEST
        return best

    def _candidates(self, call: Call) -> Iterator[Call]:
        for args, kwargs in simpler_arguments(call.args, call.kwargs):
            candidate = dataclasses.replace(call, args=args, kwargs=kwargs)
            if _key(candidate) not in self._tried:
                self._tried.add(_key(candidate))
                yield candidate

    def _first_wrong(self, calls: Sequence[Call]) -> tuple[Call, Frame] | None:
        judged = [self._due(call, frame) for call, frame in zip(calls, self._answers(self._reference, calls), strict=False)]
        usable = [call for call in judged if call is not None]
        answers = zip(usable, self._answers(self._judge._program, usable), strict=False)
        return next(((call, frame) for call, frame in answers if self._failure_of(call, frame) == self._failure), None)

    def _due(self, call: Call, frame: Frame) -> Call | None:
        """The call with what the reference answers as what is due; None if that is no answer to be compared with."""
        if frame[0] != "value" or not values.is_plain(frame[1]):
            return None
        value, arguments = call.parts(frame[1])
        due = dataclasses.replace(call, expected=value, mutates=arguments)
        return due if due.accepts(frame[1]) else None

    def _failure_of(self, call: Call, frame: Frame) -> tuple[str, str] | None:
        found = wrong(call, frame, self._judge._program.source, hidden=False)
        return found and (found.outcome, found.note.code)

    def _answers(self, program: Program, calls: Sequence[Call]) -> list[Frame]:
        """Answers to the first so many of the calls. The search is over after a run that did not end by itself."""
        if not calls:
            return []
        try:
            run = self._judge._run(job_of(program, [(0, call) for call in calls]))
        except SandboxError:
            self._is_over = True
            return []
        answers = run.guest[1:]
        self._is_over = self._is_over or run.reason != wire.EXITED or bool(run.malformed)
        is_honest = run.guest[0] == ("ready",) and all(is_answer(frame, index) for index, frame in enumerate(answers))
        return answers if is_honest and len(answers) <= len(calls) else []


def _key(call: Call) -> str:
    return repr((call.args, call.kwargs))
