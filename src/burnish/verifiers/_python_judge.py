"""Judges one artefact: runs its plans in the jail and folds what came back into checks, invalid findings and flags.

Plans of one sort share a process, in order; when it dies at a check, that check is decided and the rest starts afresh.
Everything read from a run is checked for shape: what an honest seat would not send is a forged verdict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from burnish.core.errors import SandboxError
from burnish.core.records import Check, Cost, Counterexample, Diagnostic, Outcome, TamperFlag
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.inside import wire
from burnish.sandbox.jobs import Bounds, Job, Program, Run, Script, Session
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _comparators as comparators
from burnish.verifiers import _python_report as report
from burnish.verifiers import _python_values as values
from burnish.verifiers._python_calls import CallFolder, job_of
from burnish.verifiers._python_plan import Call, CallCheck, CodeCheck, Plan, StdioCheck
from burnish.verifiers._steady import steady


@dataclasses.dataclass
class Findings:
    """What has been found so far about one artefact."""

    checks: list[Check] = dataclasses.field(default_factory=list)
    invalid: list[Diagnostic] = dataclasses.field(default_factory=list)
    tamper: list[TamperFlag] = dataclasses.field(default_factory=list)
    shared: dict[str, str] = dataclasses.field(default_factory=dict)
    """Checks that were judged in the program's own address space, and why."""
    cost: Cost = Cost()
    failed_call: tuple[int, Call, tuple[Any, ...]] | None = None
    """The first call that was answered wrongly: the number of its check (from 0), the call and the answer's frame."""

    def flag(self, flag: TamperFlag | None) -> None:
        """Note a sign of tampering, once per kind."""
        if flag is not None and all(known.code != flag.code for known in self.tamper):
            self.tamper.append(flag)

    def notes(self) -> list[Diagnostic]:
        """What is worth knowing about how the checks were judged."""
        by_reason: dict[str, list[str]] = {}
        for check, reason in self.shared.items():
            by_reason.setdefault(reason, []).append(check)
        return [
            Diagnostic(
                code="python.shared",
                message=f"program and tests shared one address space in {', '.join(checks)}: {reason}",
                severity="info",
                visibility="eval",
            )
            for reason, checks in by_reason.items()
        ]


class Judge:
    """Judges one program by its plans."""

    def __init__(self, sandbox: Sandbox, program: Program, bounds: Bounds, first_fail: bool, cancel: Cancel | None = None) -> None:
        self._sandbox, self._program, self._bounds, self._first_fail = sandbox, program, bounds, first_fail
        self._cancel = cancel
        self._used_s, self._out_of_time = 0.0, False
        self._endless_load: Run | None = None
        self.found = Findings()

    def judge(self, plans: Sequence[Plan]) -> Findings:
        """Run every plan, in order. Infrastructure faults become checks with outcome `error`."""
        judges: dict[type, Callable[[Any], int]] = {CallCheck: self._calls, CodeCheck: self._codes, StdioCheck: self._script}
        for (kind, _), group in groupby(plans, key=lambda plan: (type(plan), plan.spec.hidden)):  # what is hidden shares no process
            batch = list(group)
            if self._endless_load and kind is not StdioCheck and not self._over():
                self._died_loading(batch, self._endless_load)
                continue
            while batch and not self._over() and not self._out_of_time:
                batch = batch[judges[kind](batch) if self._has_time() else self._run_out(batch[0]) :]
            for left in batch:
                self._skip(left)
        return self.found

    def _has_time(self) -> bool:
        return not self._bounds.total_wall_s or self._left_s() > 0

    def _left_s(self) -> float:
        """What is left of the time for all checks together, which is never less than that for one."""
        return max(self._bounds.total_wall_s, self._bounds.wall_s) - self._used_s

    def _run_out(self, plan: Plan) -> int:
        """Decide the check at which the time for all was used up."""
        self._out_of_time = True
        outcome, note, _ = report.ending(Run(reason=wire.TOTAL), plan.spec.hidden)
        self._decide(plan, outcome, note)
        return 1

    def _over(self) -> bool:
        failed = self._first_fail and any(check.outcome in ("fail", "crash", "timeout") for check in self.found.checks)
        return failed or bool(self.found.invalid) or bool(self.found.tamper)

    def _skip(self, plan: Plan) -> None:
        self.found.checks.append(report.check(plan.spec, "skip"))

    def _decide(
        self, plan: Plan, outcome: Outcome, *diagnostics: Diagnostic, example: Counterexample | None = None, wall_s: float = 0.0
    ) -> None:
        self.found.checks.append(report.check(plan.spec, outcome, diagnostics, example, wall_s))

    def _run(self, job: Job, stop: Any = None) -> Run:
        """Run a job; repeat it if its process was killed from outside or never began. Raises `SandboxError`."""
        run, cost = steady(self._sandbox, job, self._bounds_left(), stop, self._cancel)
        self.found.cost += cost
        self._used_s += run.wall_s
        self._out_of_time = run.reason == wire.TOTAL
        return run

    def _bounds_left(self) -> Bounds:
        return dataclasses.replace(self._bounds, total_wall_s=self._left_s()) if self._bounds.total_wall_s else self._bounds

    def _fail_all(self, plans: Sequence[Plan], outcome: Outcome, code: str, message: str) -> int:
        for plan in plans:
            self._decide(plan, outcome, report.diagnostic(code, message, plan.spec.hidden))
        return len(plans)

    def _not_loaded(self, plans: Sequence[Plan], run: Run) -> bool:
        """True if the artefact never came to be judged; every plan is then decided."""
        for frame in run.guest[:2]:
            if frame[0] == "setup" and frame is run.guest[0]:
                self._fail_all(plans, "error", "python.preamble", f"the task's own code failed: {frame[1:]}")
                return True
            if frame[0] in ("syntax", "load", "missing"):
                self._explain_load(plans, frame)
                return True
        if run.guest[0] != ("ready",):
            self._forged(plans, "the first frame is not an honest one")
            return True
        if not run.units_begun and not run.malformed and run.guest[1:] == []:
            self._died_loading(plans, run)
            return True
        return False

    def _died_loading(self, plans: Sequence[Plan], run: Run) -> None:
        """The process ended before the first check began: it would do so again, so every check is decided."""
        self._endless_load = run if run.reason in (wire.WALL, wire.CPU) else None
        for plan in plans:
            outcome, note, flag = report.ending(run, plan.spec.hidden)
            self.found.flag(flag)
            self._decide(plan, outcome, note)

    def _explain_load(self, plans: Sequence[Plan], frame: tuple[Any, ...]) -> None:
        match frame:
            case ("syntax", str(name), str(message), place):
                span = report.span_at(self._program.source, _syntax_place(place), in_bytes=False)
                self.found.invalid.append(report.diagnostic(f"python.syntax.{values.clean(name, 60)}", message, False, span))
            case ("missing", list(names)):
                listed = ", ".join(values.clean(str(name), 60) for name in names) or "nothing callable"
                message = f"the program does not define {self._program.entry_point!r}; it defines {listed}"
                self.found.invalid.append(report.diagnostic("python.entry_point", message, False))
            case ("load", description) if report.is_description(description):
                self.found.flag(report.early_exit(description))
                for plan in plans:
                    self._decide(plan, "crash", report.raised(self._program.source, description, plan.spec.hidden))
                return
            case _:
                self._forged(plans, "a malformed frame")
                return
        for plan in plans:
            self._skip(plan)

    def _forged(self, plans: Sequence[Plan], why: str) -> int:
        self.found.flag(
            TamperFlag(code="forged_verdict", evidence=f"bytes on the result channel that the judge's own code does not send: {why}")
        )
        return self._fail_all(plans, "crash", "python.forged", "the result channel was tampered with")

    def _infrastructure(self, plans: Sequence[Plan], error: SandboxError) -> int:
        return self._fail_all(plans, "error", "sandbox.error", str(error))

    # function and inputs ------------------------------------------------------------------------------------------

    def _calls(self, plans: list[CallCheck]) -> int:
        rows = [(unit, call) for unit, plan in enumerate(plans) for call in plan.calls]
        folder = CallFolder(self, plans, rows)
        try:
            run = self._run(job_of(self._program, rows), folder.stop)
        except SandboxError as error:
            return self._infrastructure(plans, error)
        return folder.fold(run)

    # test code ----------------------------------------------------------------------------------------------------

    def _codes(self, plans: list[CodeCheck]) -> int:
        job = Session(program=self._program, drives=[(unit, plan.kind, plan.code) for unit, plan in enumerate(plans)])
        try:
            run = self._run(job)
        except SandboxError as error:
            return self._infrastructure(plans, error)
        if run.malformed.startswith("tests:"):
            return self._fail_all(plans, "error", "python.test_error", f"the test process sent nonsense: {run.malformed}")
        if run.malformed:
            return self._forged(plans, run.malformed)
        if len(run.guest) > 2 or any(frame[0] not in ("syntax", "load", "missing") for frame in run.guest[1:]):
            return self._forged(plans, "frames where none are due")
        if self._not_loaded(plans, run):
            return len(plans)
        return _CodeFolder(self, plans, run).fold()

    # whole programs -----------------------------------------------------------------------------------------------

    def _script(self, plans: list[StdioCheck]) -> int:
        plan = plans[0]
        try:
            run = self._run(Script(program=self._program, stdin=plan.stdin))
        except SandboxError as error:
            return self._infrastructure(plans[:1], error)
        if run.malformed:
            return self._forged(plans, run.malformed)
        if run.guest[0][0] == "setup" or (run.guest[1:] and run.guest[1][0] in ("syntax", "load", "missing")):
            self._not_loaded(plans if run.guest[1:] else plans[:1], run)
            return len(plans) if run.guest[1:] else 1
        self._judge_output(plan, run)
        return 1

    def _judge_output(self, plan: StdioCheck, run: Run) -> None:
        hidden = plan.spec.hidden
        actual = run.output.decode("utf-8", "backslashreplace")
        example = Counterexample(input=values.clean(plan.stdin), expected=values.clean(plan.stdout), actual=values.clean(actual))
        if run.output_exceeded:
            note = report.diagnostic("python.output", f"printed more than {self._bounds.output_bytes} bytes", hidden)
            self._decide(plan, "crash", note, example=example, wall_s=run.wall_s)
            return
        trouble = self._script_trouble(plan, run)
        if trouble is not None:
            self._decide(plan, trouble[0], trouble[1], example=example, wall_s=run.wall_s)
            return
        try:
            found = comparators.compare(plan.comparator, plan.stdin, plan.stdout, actual, self._sandbox)
        except SandboxError as error:
            self._infrastructure([plan], error)
            return
        if found.outcome == "pass":
            self._decide(plan, "pass", wall_s=run.wall_s)
        else:
            code = "python.wrong_output" if found.outcome == "fail" else "checker.error"
            shown = example if found.outcome == "fail" else None
            self._decide(plan, found.outcome, report.diagnostic(code, found.message, hidden), example=shown, wall_s=run.wall_s)

    def _script_trouble(self, plan: StdioCheck, run: Run) -> tuple[Outcome, Diagnostic] | None:
        match run.guest[1:]:
            case [("end",)]:
                return None
            case [("raised", description)] if report.is_description(description):
                if report.early_exit(description) is not None:
                    return None
                return "crash", report.raised(self._program.source, description, plan.spec.hidden)
            case []:
                if run.reason == wire.EXITED and run.guest_status == 0:
                    return None
                outcome, note, flag = report.ending(run, plan.spec.hidden)
                self.found.flag(flag)
                return outcome, note
        self._flag_forged("unexpected frames")
        return "crash", report.diagnostic("python.forged", "the result channel was tampered with", plan.spec.hidden)

    def _flag_forged(self, why: str) -> None:
        self.found.flag(TamperFlag(code="forged_verdict", evidence=why))


def _syntax_place(place: Any) -> tuple[int, int, int, int] | None:
    if type(place) is not tuple or len(place) != 4 or not all(type(number) is int for number in place):
        return None
    line, offset, end_line, end_offset = place
    return line, offset - 1, end_line, max(end_offset - 1, offset - 1) if end_line == line else end_offset - 1


_SWALLOWED = (["builtins.SystemExit"], "", None)


class _CodeFolder:
    """Folds the frames of one `Session` run into checks. The driver's frames come from the judge's side of the wall."""

    def __init__(self, judge: Judge, plans: list[CodeCheck], run: Run) -> None:
        self._judge, self._plans, self._run = judge, plans, run

    def fold(self) -> int:
        """Decide as many checks as the run allows; returns how many."""
        if self._run.driver[0][0] == "setup":
            return self._judge._fail_all(self._plans, "error", "python.preamble", f"the task's own code failed: {self._run.driver[0][1:]}")
        frames = self._run.driver[1:]
        honest = len(frames) <= len(self._plans) and all(report.is_test_report(frame, index) for index, frame in enumerate(frames))
        if not honest or self._run.units_begun > min(len(frames) + 1, len(self._plans)):
            return self._judge._fail_all(self._plans, "error", "python.test_error", "the test process sent nonsense")
        for count, (plan, frame) in enumerate(zip(self._plans, frames, strict=False), start=1):
            if self._decide(plan, frame) or self._judge._over():
                return count
        if len(frames) >= len(self._plans):
            return len(self._plans)
        self._ended(self._plans[len(frames)])
        return len(frames) + 1

    def _ended(self, plan: CodeCheck) -> None:
        """The driver ended without an answer. The guest cannot signal it: unless a limit struck, the test code is to blame."""
        if self._run.reason == wire.EXITED:
            note = report.diagnostic("python.test_error", "the test process ended by itself", plan.spec.hidden)
            self._judge._decide(plan, "error", note)
            return
        outcome, note, flag = report.ending(self._run, plan.spec.hidden)
        self._judge.found.flag(flag)
        self._judge._decide(plan, outcome, note)

    def _decide(self, plan: CodeCheck, frame: tuple[Any, ...]) -> bool:
        """Decide one check. True if the guest is gone, so that the rest must be run afresh."""
        judge, hidden = self._judge, plan.spec.hidden
        match frame:
            case ("broken", message, _, seconds):
                judge._decide(
                    plan, "error", report.diagnostic("python.test_error", f"the test code is broken: {message}", hidden), wall_s=seconds
                )
                return False
            case ("undecided", why, _, seconds):
                note = report.diagnostic("python.undecided", f"not decidable with the program in a process of its own: {why}", hidden)
                judge._decide(plan, "unknown", note, wall_s=seconds)
                return False
            case ("passed", (calls, gone, claims), _, seconds):
                if gone:  # the test swallowed the end of the program
                    self._failed(plan, _SWALLOWED, None, None, calls, gone, seconds)
                    return True
                self._passed(plan, calls, claims, seconds)
                return False
            case ("failed", description, remote, last, (calls, gone, claims), _, seconds):
                if claims:
                    judge.found.flag(report.EQUALITY)
                self._failed(plan, description, remote, last, calls, gone, seconds)
                return bool(gone)
        raise AssertionError("unreachable")

    def _passed(self, plan: CodeCheck, calls: int, claims: bool, seconds: float) -> None:
        if claims:
            self._judge.found.flag(report.EQUALITY)
        if calls:
            self._judge._decide(plan, "pass", wall_s=seconds)
        else:
            note = report.diagnostic("python.vacuous", "the test code never called the program", plan.spec.hidden)
            self._judge._decide(plan, "unknown", note, wall_s=seconds)

    def _failed(self, plan: CodeCheck, description: Any, remote: Any, last: Any, calls: int, gone: str, seconds: float) -> None:
        judge, hidden = self._judge, plan.spec.hidden
        statement = _statement(plan.code, description[2])
        example = None
        if last is not None:
            example = Counterexample(
                input=values.clean(last[0]), expected=values.clean(statement or "see the test"), actual=values.clean(last[1])
            )
        outcome: Outcome = "fail"
        if gone == "forged":
            judge._forged([plan], "a malformed answer to the tests")
            return
        if gone:
            outcome, note, flag = report.ending(self._run, hidden)
            judge.found.flag(flag)
        elif remote is not None and report.is_description(remote):
            judge.found.flag(report.early_exit(remote))
            outcome, note = "crash", report.raised(judge._program.source, remote, hidden)
        elif not calls:
            outcome = "error"
            note = report.diagnostic(
                "python.test_error", f"the test failed before it called the program: {report.exception_name(description)}", hidden
            )
        else:
            text = f"{report.exception_name(description)}: {description[1]}".rstrip(": ")
            note = report.diagnostic("python.assertion", f"{text} in {statement}" if statement else text, hidden)
        judge._decide(plan, outcome, note, example=example, wall_s=seconds)


def _statement(code: str, place: Any) -> str:
    """The source of the test statement that failed."""
    span = report.span_at(code, place)
    if span is None:
        return ""
    lines = code.splitlines()[span.line - 1 : span.end_line]
    return values.clean(" ".join(line.strip() for line in lines), 300)
