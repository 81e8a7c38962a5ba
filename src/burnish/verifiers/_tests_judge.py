"""Judges one test file: it must pass on every right program, and each wrong program must make a test fail.

What makes a kill trustworthy although the tests are hostile: every run is the same but for the program, so the tests can
learn which one they face from its answers only; a test counts only if it passed in every run on every right program, of which
one comes at a random place among the wrong ones; and a kill counts only if the program's own side has seen an answer that
differs from the right ones.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from burnish.core.errors import SandboxError
from burnish.core.records import Check, CheckSpec, Cost, Diagnostic, Outcome, SourceSpan, TamperFlag
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.inside.wire import MOST_TESTS
from burnish.sandbox.jobs import Bounds, Program, Suite
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _python_report as report
from burnish.verifiers._python_judge import Findings
from burnish.verifiers._tests_plan import SuitePlan
from burnish.verifiers._tests_reading import OneTest, Place, Reading, read

_RETRIES = 2
_SHOWN = 10
"""Most failing tests that one check explains."""
_INFRASTRUCTURE = "a process of the jail was killed from outside"


@dataclasses.dataclass
class SuiteFindings(Findings):
    """What has been found about one test file: also facts in numbers, and notes that are no errors."""

    remarks: list[Diagnostic] = dataclasses.field(default_factory=list)
    features: dict[str, float] = dataclasses.field(default_factory=dict)


class SuiteJudge:
    """Judges one test file by its plan, `width` programs at a time."""

    def __init__(self, sandbox: Sandbox, tests: str, plan: SuitePlan, bounds: Bounds, first_fail: bool, cancel: Cancel, width: int) -> None:
        self._cancel = cancel
        self._sandbox, self._tests, self._plan, self._bounds = sandbox, tests, plan, bounds
        self._first_fail, self._width = first_fail, width
        self._decided: dict[str, Check] = {}
        self._right: dict[Program, Reading] = {}
        self._valid: set[str] = set()
        self._answers: dict[int, set[int]] = {}
        self._ample = True
        self.found = SuiteFindings()

    def judge(self) -> SuiteFindings:
        """Right programs first; if the file is of no use there, the wrong ones are not tried."""
        right = self._programs(True)
        if right and all(self._try_right(program) for program in right) and not self._over():
            self._learn()
            self._try_wrong()
        self.found.checks = [self._decided.get(check.spec.id) or report.check(check.spec, "skip") for check in self._plan.checks]
        return self.found

    def _programs(self, right: bool) -> list[Program]:
        return list(dict.fromkeys(check.program for check in self._plan.checks if check.is_right == right))

    def _over(self) -> bool:
        failed = self._first_fail and any(check.outcome in ("fail", "crash", "timeout") for check in self._decided.values())
        return failed or bool(self.found.invalid) or any(flag.hard for flag in self.found.tamper)

    def _decide(self, program: Program, outcome: Outcome, notes: Callable[[CheckSpec], Sequence[Diagnostic]], wall_s: float = 0.0) -> None:
        for check in self._plan.checks:
            if check.program == program:
                self._decided[check.spec.id] = report.check(check.spec, outcome, notes(check.spec), wall_s=wall_s)

    def _decide_all(self, right: bool, outcome: Outcome, code: str, message: str) -> None:
        for program in self._programs(right):
            self._decide(program, outcome, lambda spec: [report.diagnostic(code, message, spec.hidden)])

    # running ------------------------------------------------------------------------------------------------------

    def _run(self, program: Program) -> Reading | SandboxError:
        """One run. A process that was killed from outside is run again."""
        job = Suite(program=program, tests=self._tests, module=self._plan.module)
        try:
            for _ in range(_RETRIES + 1):
                run = self._sandbox.run(job, self._bounds, cancel=self._cancel)
                if run.guest and run.driver:
                    reading = read(run)
                    if not reading.died:
                        return reading
        except SandboxError as error:
            return error
        return SandboxError(_INFRASTRUCTURE)

    def _readable(self, program: Program, result: Reading | SandboxError) -> Reading | None:
        """The reading, or None if the program could not be judged for reasons that are not the tests'."""
        if isinstance(result, SandboxError):
            message = str(result)
            self._decide(program, "error", lambda spec: [report.diagnostic("sandbox.error", message, spec.hidden)])
            return None
        run = result.run
        self.found.cost += Cost(wall_s=run.wall_s, cpu_s=run.cpu_s, peak_mb=run.peak_mb, output_bytes=len(run.output))
        if result.unloaded:
            message = f"the task's own program cannot be loaded: {result.unloaded}"
            self._decide(program, "error", lambda spec: [report.diagnostic("tests.program", message, spec.hidden)], run.wall_s)
            return None
        return result

    # right programs -----------------------------------------------------------------------------------------------

    def _try_right(self, program: Program) -> bool:
        """Judge the tests on a right program. False if nothing is to be learned from the rest."""
        reading = self._readable(program, self._run(program))
        if reading is None:
            return False
        self._right[program] = reading
        if self._cut_short(program, reading):
            return False
        useless = _useless(reading)
        if useless is not None:
            code, message, place = useless
            self.found.invalid.append(
                report.diagnostic(code, message, False, report.span_at(self._tests, place, not code.startswith("tests.syntax")))
            )
            if code == "tests.vacuous":
                self.found.flag(TamperFlag(code="vacuous", evidence=message, hard=False))
            return False
        failing = reading.failing()
        notes = [self._failure(name, reading.tests[name]) for name in failing[:_SHOWN]]
        if reading.stopped:
            notes.append(("tests.stopped", f"the run was stopped in {reading.running or 'a test'}: {reading.stopped}", None))
        self._decide(program, "fail" if notes else "pass", lambda spec: [self._note(spec, *note) for note in notes], reading.run.wall_s)
        return True

    def _failure(self, name: str, test: OneTest) -> tuple[str, str, SourceSpan | None]:
        text = test.message.partition(":")[0]
        kind = text if text.isidentifier() else "other"
        return f"tests.failed.{kind}", f"{name} fails on the right program: {test.message}", report.span_at(self._tests, test.place)

    @staticmethod
    def _note(spec: CheckSpec, code: str, message: str, span: SourceSpan | None) -> Diagnostic:
        return report.diagnostic(code, message, spec.hidden, span)

    def _cut_short(self, program: Program, reading: Reading) -> bool:
        """True if the run did not come to its own end; the check is then decided."""
        if reading.forged:
            self._flag_forged(reading)
            self._decide(
                program, "crash", lambda spec: [report.diagnostic("tests.forged", "the result channel was tampered with", spec.hidden)]
            )
            return True
        if reading.complete:
            return False
        outcome, note, flag = self._ending(reading)
        self.found.flag(flag)
        where = f"{reading.running}: " if reading.running else ""
        self._decide(program, outcome, lambda spec: [report.diagnostic(note.code, where + note.message, spec.hidden)], reading.run.wall_s)
        return True

    def _flag_forged(self, reading: Reading) -> None:
        self.found.flag(
            TamperFlag(code="forged_verdict", evidence=f"the result channel does not hold what pytest's run sends: {reading.forged}")
        )

    @staticmethod
    def _ending(reading: Reading) -> tuple[Outcome, Diagnostic, TamperFlag | None]:
        """Why the tests' own process stopped without an end."""
        return report.ending(dataclasses.replace(reading.run, guest_status=reading.run.driver_status), False)

    def _learn(self) -> None:
        """Which tests count, and which answers are right."""
        readings = list(self._right.values())
        tests = readings[0].tests
        self._valid = set.intersection(*(reading.passing() for reading in readings))
        for reading in readings:
            for call, given in reading.answers.items():
                self._answers.setdefault(call, set()).update(given)
            self._ample = self._ample and reading.leaves_room(self._bounds)
        self.found.features |= {"tests": len(tests), "valid_tests": len(self._valid)}
        aloof = [name for name in tests if name in self._valid and not tests[name].calls]
        if aloof:
            self.found.flag(TamperFlag(code="vacuous", evidence=f"never call the program: {', '.join(aloof[:_SHOWN])}", hard=False))

    # wrong programs -----------------------------------------------------------------------------------------------

    def _try_wrong(self) -> None:
        """Run every wrong program once, and the right ones again among them."""
        wrong = self._programs(False)
        again = [program for program in self._right for _ in range(self._plan.runs - 1)]
        place = secrets.randbelow(len(wrong) + 1)
        order = [*wrong[:place], *again, *wrong[place:]]
        readings: list[Reading] = []
        unsteady: set[str] = set()
        with ThreadPoolExecutor(max(1, min(self._width, len(order)))) as threads:
            started = [(program, threads.submit(self._run, program)) for program in order]
            for program, future in started:
                if program in self._right:
                    unsteady |= self._disagreements(program, future)
                elif self._over():
                    future.cancel()
                else:
                    reading = self._readable(program, future.result())
                    if reading is not None:
                        self._judge_wrong(program, reading)
                        readings.append(reading)
        if unsteady:
            message = f"unsteady on the right program: {', '.join(sorted(unsteady)[:_SHOWN])}"
            for right in (True, False):
                self._decide_all(right, "unknown", "tests.flaky", message)
        elif readings and not self._first_fail:
            self._count_kills(readings)

    def _disagreements(self, program: Program, future: Future[Reading | SandboxError]) -> set[str]:
        """Tests that ended otherwise than in the first run on this right program."""
        reading = self._readable(program, future.result())
        if reading is None:
            return set()
        before, now = self._right[program].outcomes(), reading.outcomes()
        return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}

    def _judge_wrong(self, program: Program, reading: Reading) -> None:
        if self._killers(reading) and not reading.forged and (reading.complete or reading.exceeded):
            self._decide(program, "pass", lambda spec: [], reading.run.wall_s)
        elif not self._cut_short(program, reading):
            failing = self._failing(reading)
            code = "tests.unproven" if failing else "tests.survived"
            why = f"{failing[0]} fails here, though every answer was the right one" if failing else "no test fails on this wrong program"
            self._decide(program, "fail", lambda spec: [report.diagnostic(code, _described(why, spec), spec.hidden)], reading.run.wall_s)

    def _failing(self, reading: Reading) -> list[str]:
        """Valid tests that failed; all of them where the file could not even be imported."""
        return [name for name in (self._valid if reading.unusable else reading.failing()) if name in self._valid]

    def _killers(self, reading: Reading) -> list[str]:
        """Valid tests that failed on a program that was seen to answer wrongly, or not within a limit that leaves ample room."""
        if reading.exceeded and not self._ample:
            return []
        return self._failing(reading) if reading.differs_from(self._answers) else []

    def _count_kills(self, readings: Sequence[Reading]) -> None:
        killers = [set(self._killers(reading)) for reading in readings]
        idle = sorted(
            name for name in self._valid if all(name in reading.tests for reading in readings) and not any(name in k for k in killers)
        )
        self.found.features |= {"kill_share": sum(map(bool, killers)) / len(killers), "idle_tests": len(idle)}
        if idle:
            hidden = any(check.spec.hidden for check in self._plan.checks)
            note = report.diagnostic("tests.idle", f"catch no wrong program: {', '.join(idle[:_SHOWN])}", hidden)
            self.found.remarks.append(msgspec.structs.replace(note, severity="warn"))


def _described(why: str, spec: CheckSpec) -> str:
    description = spec.data.get("description")
    return f"{why}: {description}" if isinstance(description, str) else why


def _useless(reading: Reading) -> tuple[str, str, Place | None] | None:
    """Why a file that ran on a right program tests nothing: code, message, place. None if it does test something."""
    outcomes = {test.outcome for test in reading.tests.values()}
    if reading.unusable:
        return reading.unusable
    if not reading.collected:
        return "tests.none", "pytest found no test: it collects functions whose names begin with test_", None
    if reading.collected > MOST_TESTS:
        return "tests.too_many", f"the file makes {reading.collected} tests; {MOST_TESTS} are allowed", None
    if not reading.assertions:
        return "tests.vacuous", "nothing here can fail: there is no assertion, or only such as always hold", None
    if reading.stopped or outcomes & {"failed", "error"}:
        return None
    if "passed" not in outcomes:
        return "tests.vacuous", "every test is skipped or expected to fail", None
    if not reading.answers:
        return "tests.vacuous", "the tests never call the program", None
    return None
