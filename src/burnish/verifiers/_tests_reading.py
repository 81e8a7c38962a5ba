"""Reads what one run of a test file left behind.

The driver's frames are claims of hostile code: they are checked for order and shape, and otherwise believed only as far as
`_tests_judge` can afford to. The guest's frames come from the program's side of the wall and are evidence.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from burnish.sandbox.inside import wire
from burnish.sandbox.inside.wire import MOST_TESTS
from burnish.sandbox.jobs import Bounds, Run
from burnish.verifiers._python_values import clean

Place = tuple[int, int, int, int]
_ADDRESS = re.compile(r"<(?:function|built-in function|bound method) ([\w.<>]+) at 0x[0-9a-f]+>|(?<=\w) at 0x[0-9a-f]+(?=>)")
_OUTCOMES = frozenset({"passed", "failed", "error", "skipped", "expected"})


@dataclass(frozen=True)
class OneTest:
    """How one test ended, by its own account: `expected` is a failure that the test had announced."""

    outcome: str
    message: str
    place: Place | None
    calls: int

    @property
    def failed(self) -> bool:
        """True if it failed, or its fixtures did."""
        return self.outcome in ("failed", "error")


@dataclass
class Reading:
    """One run of a test file against one program.

    `unloaded` says why the program itself could not be loaded; `unusable` is (code, message, place) of a file that is not a test
    file; `running` is the test that had begun and not ended; `forged` says how the tests broke the result channel.
    `answers` maps each call to the answers it got, `pending` is the call that the program left unanswered by its own fault.
    """

    run: Run
    unloaded: str = ""
    unusable: tuple[str, str, Place | None] | None = None
    tests: dict[str, OneTest] = field(default_factory=dict)
    collected: int | None = None
    assertions: int | None = None
    running: str = ""
    ended: bool = False
    stopped: str = ""
    gone: str = ""
    forged: str = ""
    answers: dict[int, set[int]] = field(default_factory=dict)
    pending: int | None = None

    @property
    def complete(self) -> bool:
        """True if the tests' process came to its own end."""
        return self.ended or bool(self.stopped or self.unusable) or (self.collected or 0) > MOST_TESTS

    @property
    def exceeded(self) -> bool:
        """True if a limit on time or memory ended the run."""
        return self.run.reason in (wire.WALL, wire.CPU, wire.MEMORY)

    def leaves_room(self, bounds: Bounds) -> bool:
        """True if the run kept to half of each limit, so that a run against another program that exceeds one says something."""
        run = self.run
        return 2 * run.wall_s <= bounds.wall_s and 2 * run.cpu_s <= bounds.cpu_s and 2 * run.peak_mb <= bounds.memory_mb

    @property
    def died(self) -> bool:
        """True if something outside of the jail may have killed one of the two processes: maybe the kernel, short of memory."""
        guest_killed = bool(self.gone) and _is_killed(self.run.guest_status)
        return self.run.reason == wire.EXITED and (guest_killed or _is_killed(self.run.driver_status))

    def passing(self) -> set[str]:
        """Tests that passed."""
        return {name for name, test in self.tests.items() if test.outcome == "passed"}

    def outcomes(self) -> dict[str, str]:
        """Test → outcome, in order."""
        return {name: test.outcome for name, test in self.tests.items()}

    def failing(self) -> list[str]:
        """Tests that failed, and the one that was running when the program hung, ended or used up its memory."""
        failed = [name for name, test in self.tests.items() if test.failed]
        hung = self.running and self.pending is not None and self.exceeded
        return [*failed, self.running] if hung else failed

    def differs_from(self, answers: Mapping[int, set[int]]) -> bool:
        """True if the program answered a call otherwise than `answers` has it, or hung or died on one that they have."""
        if self.pending is not None and self.pending in answers:
            return True
        return any(call in answers and not given <= answers[call] for call, given in self.answers.items())


def read(run: Run) -> Reading:
    """Read a run whose two processes have both begun."""
    reading = Reading(run)
    if run.malformed:
        is_from_tests = run.malformed.startswith("tests:")
        reading.forged = run.malformed if is_from_tests else ""
        reading.unloaded = "" if is_from_tests else f"the program broke its result channel: {run.malformed}"
        return reading
    reading.unloaded = _why_unloaded(run)
    if not reading.unloaded:
        _read_tests(reading)
        _read_calls(reading)
    return reading


def _why_unloaded(run: Run) -> str:
    match run.guest[:2]:
        case [("ready",), ("syntax", name, message, _)]:
            return f"{name}: {message}"
        case [("ready",), ("load", (names, message, _))]:
            return f"it raised {names[0]}: {message}"
        case [("ready",), ("missing", _)]:
            return "it does not define the entry point"
        case [("ready",), *_] if run.units_begun or run.guest[1:]:
            return ""
        case [("ready",)]:
            return "it never finished loading"
    return f"its preamble failed: {run.guest[0]}"


def _read_calls(reading: Reading) -> None:
    asked: int | None = None
    for frame in reading.run.guest[1:]:
        match frame:
            case ("asked", int(call)) if asked is None:
                asked = call
            case ("answered", int(answer)) if asked is not None:
                reading.answers.setdefault(asked, set()).add(answer)
                asked = None
            case _:
                reading.unloaded = "the program broke its result channel"
                return
    if reading.exceeded or not _is_killed(reading.run.guest_status):
        reading.pending = asked


def _is_killed(status: int) -> bool:
    return status > 0 and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _read_tests(reading: Reading) -> None:
    """Walk through the driver's frames; any that an honest driver would not send here ends the reading as forged."""
    for frame in reading.run.driver[1:]:
        if not _take(reading, frame):
            reading.forged = f"a frame out of turn: {clean(str(frame[0]), 60)}"
            return
    if reading.ended and len(reading.tests) != reading.collected:
        reading.forged = f"{reading.collected} tests were collected, {len(reading.tests)} reported"


def _take(reading: Reading, frame: tuple[Any, ...]) -> bool:
    if reading.ended or reading.stopped or reading.unusable:
        return False
    match frame:
        case ("syntax", str(name), str(message), place) if reading.assertions is None and _is_place(place):
            reading.unusable = (f"tests.syntax.{clean(name, 60)}", message, place)
        case ("source", int(count)) if reading.assertions is None:
            reading.assertions = count
        case ("broken", str(message), place) if reading.assertions is not None and reading.collected is None and _is_place(place):
            reading.unusable = ("tests.import", f"the test file cannot be imported: {_plain(message)}", place)
        case ("collected", int(count)) if reading.assertions is not None and reading.collected is None and count >= 0:
            reading.collected = count
        case ("begin", str(name)) if _more(reading) and not reading.running:
            reading.running = _unique(name, reading.tests)
        case ("test", outcome, str(message), place, int(calls), str(gone)) if reading.running and outcome in _OUTCOMES and _is_place(place):
            reading.tests[reading.running] = OneTest(outcome, _plain(message), place, calls)
            reading.running, reading.gone = "", gone
        case ("stopped", str(why)) if reading.collected is not None:
            reading.stopped = why
        case ("end",) if reading.collected is not None and not reading.running:
            reading.ended = True
        case _:
            return False
    return True


def _more(reading: Reading) -> bool:
    return reading.collected is not None and len(reading.tests) < reading.collected <= MOST_TESTS


def _unique(name: str, taken: Mapping[str, OneTest]) -> str:
    name = clean(name)
    return f"{name} ({len(taken)})" if name in taken or not name else name


def _is_place(value: Any) -> bool:
    return value is None or (type(value) is tuple and len(value) == 4 and all(type(number) is int for number in value))


def _plain(message: str) -> str:
    """A message without addresses, which differ from run to run."""
    return clean(_ADDRESS.sub(lambda match: match.group(1) or "", message))
