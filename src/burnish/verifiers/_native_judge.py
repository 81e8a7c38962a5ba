"""Judges one artefact of a compiled language: builds it, runs it once per check, folds what came back into checks and flags."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from burnish.core.errors import SandboxError
from burnish.core.records import Cost, Counterexample, Diagnostic, Outcome, TamperFlag
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.inside import wire
from burnish.sandbox.jobs import Bounds, Command, Run
from burnish.sandbox.pool import Sandbox
from burnish.verifiers import _comparators as comparators
from burnish.verifiers import _python_report as report
from burnish.verifiers._native_language import PROGRAM, Language, Options, Unit
from burnish.verifiers._native_plan import MainCheck, Plan, StdioCheck
from burnish.verifiers._python_judge import Findings
from burnish.verifiers._python_values import clean

_RETRIES = 2
_EXECUTABLE_BYTES = 24 << 20
"""Largest program that is taken back from the compiler."""


class Unbuilt(Exception):
    """The compiler made no program. `args` are the outcome this means and the diagnostics."""


class Judge:
    """Judges one artefact by its plans."""

    def __init__(
        self,
        sandbox: Sandbox,
        language: Language,
        options: Options,
        artefact: str,
        bounds: Bounds,
        compile_bounds: Bounds,
        first_fail: bool,
        cancel: Cancel,
    ) -> None:
        self._cancel = cancel
        self._sandbox, self._language, self._options = sandbox, language, options
        self._artefact, self._bounds, self._compile_bounds, self._first_fail = artefact, bounds, compile_bounds, first_fail
        self._program: bytes | None = None
        self._hopeless: Unbuilt | None = None
        self.found = Findings()

    def judge(self, plans: Sequence[Plan]) -> Findings:
        """Decide every plan, in order. Infrastructure faults become checks with outcome `error`."""
        for plan in plans:
            if self._over():
                self.found.checks.append(report.check(plan.spec, "skip"))
                continue
            try:
                if self._hopeless is not None:
                    raise self._hopeless
                self._stdio(plan) if isinstance(plan, StdioCheck) else self._main(plan)
            except Unbuilt as unbuilt:
                self._unbuilt(plan, *unbuilt.args)
                if unbuilt.args[0] in ("timeout", "crash"):
                    self._hopeless = unbuilt  # it would take as long again
            except SandboxError as error:
                self._decide(plan, "error", self._note("sandbox.error", str(error), plan))
        return self.found

    def _over(self) -> bool:
        failed = self._first_fail and any(check.outcome in ("fail", "crash", "timeout") for check in self.found.checks)
        return failed or bool(self.found.invalid) or bool(self.found.tamper)

    def _note(self, code: str, message: str, plan: Plan) -> Diagnostic:
        name = code if "." in code else f"{self._language.id}.{code}"
        return report.diagnostic(name, message, plan.spec.hidden)

    def _decide(self, plan: Plan, outcome: Outcome, *notes: Diagnostic, example: Counterexample | None = None, wall_s: float = 0.0) -> None:
        self.found.checks.append(report.check(plan.spec, outcome, notes, example, wall_s))

    # building -----------------------------------------------------------------------------------------------------

    def _unbuilt(self, plan: Plan, outcome: Outcome | None, notes: Sequence[Diagnostic]) -> None:
        """Without an outcome the artefact itself is unusable."""
        if outcome is None:
            self.found.invalid += notes
            outcome, notes = "skip", ()
        hidden = "eval" if plan.spec.hidden else "model"
        self._decide(plan, outcome, *(_seen_by(note, hidden) for note in notes))

    def _built(self) -> bytes:
        if self._program is None:
            status, text, program = self._compile(self._language.program(self._artefact, self._options))
            if status or program is None:
                raise Unbuilt(None, self._complaints(text))
            self._program = program
        return self._program

    def _built_with(self, tests: str) -> tuple[bytes, str]:
        """The program with these tests in it, and the mark of its failed assertions."""
        unit = self._language.tests(self._artefact, tests, self._options, self._tool)
        status, text, program = self._compile(unit)
        if not status and program is not None:
            return program, unit.mark
        status, own_text, _ = self._compile(self._language.parses(self._artefact, self._options), fetch=False)
        if status:
            raise Unbuilt(None, self._complaints(own_text))
        first = self._complaints(text)[0]
        message = f"the tests cannot be built with this program: {first.message}"
        raise Unbuilt("fail", [Diagnostic(code=f"{self._language.id}.interface", message=clean(message), span=first.span)])

    def _complaints(self, text: str) -> list[Diagnostic]:
        return self._language.errors(text, self._artefact) or [
            report.diagnostic(f"{self._language.id}.compile", text.strip() or "the compiler failed without a message", False)
        ]

    def _compile(self, unit: Unit, fetch: bool = True) -> tuple[int, str, bytes | None]:
        """Exit code (not 0 also for a signal), messages, and the program. Raises `Unbuilt` if a limit was reached."""
        job = Command(
            argv=[self._language.compiler, *unit.arguments],
            files=unit.files,
            stdin=unit.stdin.encode("utf-8", "surrogatepass"),
            fetch=PROGRAM if fetch else "",
            fetch_bytes=_EXECUTABLE_BYTES,
            error_bytes=1 << 18,
        )
        run = self._run(job, self._compile_bounds)
        status, text, program = self._ended(run)
        if program is not None and len(program) > _EXECUTABLE_BYTES:
            message = f"the program is larger than {_EXECUTABLE_BYTES >> 20} MiB"
            raise Unbuilt(None, [report.diagnostic(f"{self._language.id}.compile", message, False)])
        return status, text, program

    def _tool(self, job: Command) -> tuple[int, str, str]:
        run = self._run(job, self._compile_bounds)
        status, text, _ = self._ended(run)
        return status, run.output.decode("utf-8", "replace"), text

    def _ended(self, run: Run) -> tuple[int, str, bytes | None]:
        """Wait status, messages and file of a tool. Raises `Unbuilt` at a limit, `SandboxError` if it could not do its work."""
        name = self._language.id
        if run.reason in (wire.WALL, wire.CPU):
            raise Unbuilt("timeout", [report.diagnostic(f"{name}.compile_timeout", "compiling it takes too long", False)])
        if run.reason == wire.MEMORY:
            raise Unbuilt("crash", [report.diagnostic(f"{name}.compile_memory", "compiling it takes too much memory", False)])
        if run.output_exceeded:
            raise Unbuilt(None, [report.diagnostic(f"{name}.compile", "the compiler prints too much about it", False)])
        match run.guest[1:]:
            case [("ended", int(status), bytes(text), bool(), program)]:
                return status, text.decode("utf-8", "replace"), program
            case [("not_started", reason)]:
                raise SandboxError(f"a tool of {name} could not be started in the jail: {reason}")
        raise SandboxError(f"a tool of {name} did not come to its end in the jail: {run.guest[1:]!r}"[:500])

    # running ------------------------------------------------------------------------------------------------------

    def _run(self, job: Command, bounds: Bounds) -> Run:
        """Run a job; repeat it if it was killed from outside or never began. Raises `SandboxError`."""
        for attempt in range(_RETRIES + 1):
            run = self._sandbox.run(job, bounds, cancel=self._cancel)
            self.found.cost += Cost(wall_s=run.wall_s, cpu_s=run.cpu_s, peak_mb=run.peak_mb, output_bytes=len(run.output))
            began = bool(run.guest)
            if began and (attempt == _RETRIES or not _was_killed(run)):
                return run
        raise SandboxError("the judged process could not be started")

    def _execute(self, program: bytes, stdin: str = "", must_prove: bool = False) -> Run:
        job = Command(
            argv=[f"./{PROGRAM}"],
            files={PROGRAM: program},
            stdin=stdin.encode("utf-8", "surrogatepass"),
            must_prove=must_prove,
            reserves_memory=self._options.reserves_memory,
        )
        return self._run(job, self._bounds)

    def _stdio(self, plan: StdioCheck) -> None:
        program = self._built()
        run = self._execute(program, plan.stdin)
        actual = run.output.decode("utf-8", "backslashreplace")
        example = Counterexample(input=clean(plan.stdin), expected=clean(plan.stdout), actual=clean(actual))
        trouble = self._trouble(plan, run, program)
        if trouble is not None:
            self._decide(plan, trouble[0], trouble[1], example=example, wall_s=run.wall_s)
            return
        found = comparators.compare(plan.comparator, plan.stdin, plan.stdout, actual, self._sandbox)
        if found.outcome == "pass":
            self._decide(plan, "pass", wall_s=run.wall_s)
        elif found.outcome == "error":
            self._decide(plan, "error", report.diagnostic("checker.error", found.message, plan.spec.hidden), wall_s=run.wall_s)
        else:
            self._decide(plan, "fail", self._note("wrong_output", found.message, plan), example=example, wall_s=run.wall_s)

    def _main(self, plan: MainCheck) -> None:
        program, mark = self._built_with(plan.code)
        run = self._execute(program, must_prove=True)
        outcome, note = self._of_tests(plan, run, program, mark)
        self._decide(plan, outcome, *([note] if note else []), wall_s=run.wall_s)

    def _of_tests(self, plan: MainCheck, run: Run, program: bytes, mark: str) -> tuple[Outcome, Diagnostic | None]:
        frame = _end_of(run)
        failed = next((line for line in frame[1].split("\n") if mark and line.startswith(f"{mark} ")), "") if frame else ""
        if failed and not run.output_exceeded:
            return "fail", self._note("assertion", f"assertion failed: {failed.removeprefix(mark).strip()}", plan)
        proven = bool(frame and frame[2])
        if proven and frame and os.WIFEXITED(frame[0]) and frame[0]:
            return "fail", self._note("assertion", f"the tests ended with exit code {os.WEXITSTATUS(frame[0])}", plan)
        trouble = self._trouble(plan, run, program)
        if trouble is not None or proven:
            return trouble or ("pass", None)
        self.found.flag(TamperFlag(code="early_exit", evidence="the program ended with exit code 0 before the tests had returned"))
        return "crash", self._note("exit", "the program ended before the tests had returned", plan)

    def _trouble(self, plan: Plan, run: Run, program: bytes) -> tuple[Outcome, Diagnostic] | None:
        """Why the program did not come to a good end: outcome and diagnostic, or None if it did."""
        if run.output_exceeded:
            return "crash", self._note("output", f"printed more than {self._bounds.output_bytes} bytes", plan)
        frame = _end_of(run)
        number = os.WTERMSIG(frame[0]) if frame and os.WIFSIGNALED(frame[0]) else 0
        if run.reason in (wire.WALL, wire.CPU) or number == signal.SIGXCPU:
            what = "wall-clock" if run.reason == wire.WALL else "CPU"
            return "timeout", self._note("timeout", f"exceeded the {what} limit", plan)
        if run.reason == wire.MEMORY:
            return "crash", self._note("memory", "exceeded the memory limit", plan)
        if frame is None:
            why = run.guest[1][1] if run.guest[1:] and run.guest[1][0] == "not_started" else "it left no report"
            return "crash", self._note("start", f"the program could not be run: {clean(str(why), 200)}", plan)
        if number == signal.SIGSYS:
            self.found.flag(TamperFlag(code="escape", evidence="the program made a system call that only an attack needs"))
            return "crash", self._note("forbidden", "killed for a forbidden system call", plan)
        if not frame[0]:
            return None
        fault = self._language.fault(frame[1], self._artefact, program, self._tool)
        if fault is not None:
            return "crash", _seen_by(fault, "eval" if plan.spec.hidden else "model")
        last_words = f": {frame[1].strip()[-300:]}".rstrip(": ")
        if number:
            return "crash", self._note("signal", f"killed by signal {signal.Signals(number).name}{last_words}", plan)
        return "crash", self._note("exit", f"ended with exit code {os.WEXITSTATUS(frame[0])}{last_words}", plan)


def _seen_by(note: Diagnostic, visibility: Any) -> Diagnostic:
    return Diagnostic(code=note.code, message=note.message, hint=note.hint, span=note.span, visibility=visibility)


def _end_of(run: Run) -> tuple[int, str, bool] | None:
    """Wait status, standard error and proof of a program that ended by itself."""
    match run.guest[1:]:
        case [("ended", int(status), bytes(text), bool(proof), _)]:
            return status, text.decode("utf-8", "backslashreplace"), proof
    return None


def _was_killed(run: Run) -> bool:
    """True if the seat or the program got a SIGKILL that no limit explains: maybe the kernel, short of memory."""
    if run.reason != wire.EXITED:
        return False
    frame = _end_of(run)
    return os.WIFSIGNALED(frame[0]) and os.WTERMSIG(frame[0]) == signal.SIGKILL if frame else report.was_killed(run)
