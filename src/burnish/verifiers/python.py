"""Judges Python programs: functions by calls, assert statements or `check(candidate)`, classes by sequences of calls,
whole programs by stdin and stdout.

The judged program runs in a jail of its own; expected values and comparison stay in this process, test code runs in a
second jailed process. So nothing that the program does in its own process can make it pass. Facts only, no rewards.
"""

from __future__ import annotations

import asyncio
import platform
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Diagnostic, Provenance, SourceSpan, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.sandbox.jobs import Bounds, Program
from burnish.sandbox.pool import Sandbox
from burnish.verifiers._python_judge import Findings, Judge
from burnish.verifiers._python_minimize import minimize
from burnish.verifiers._python_plan import Plan, plan
from burnish.verifiers._repeats import agreed
from burnish.verifiers.base import Limits, ToolReport

VERSION = "1"


class PythonVerifier:
    """The verifier of `Task.kind == "python"`. Its jails start when first needed, one per core unless `workers` says otherwise.

    With `runs` above 1 every check is judged that often, in fresh processes; what the runs disagree on is unknown. With
    `minimize` above 0 the first wrong call's input is made smaller, trying so many inputs, for tasks that have a reference.
    """

    id = "python"
    version = VERSION

    def __init__(
        self,
        *,
        workers: int | None = None,
        level: str | None = None,
        packages: Sequence[str] = (),
        runs: int = 1,
        minimize: int = 0,
    ) -> None:
        if runs < 1 or minimize < 0:
            raise InputError(f"PythonVerifier needs runs from 1 on and minimize from 0 on, found runs={runs}, minimize={minimize}.")
        self.runs, self.minimize = runs, minimize
        self.sandbox = Sandbox(workers=workers, level=level, packages=packages)

    def doctor(self) -> Sequence[ToolReport]:
        """Every layer of the jail: in force or not, and why."""
        from burnish.sandbox.doctor import layers

        return [
            ToolReport(name=f"sandbox: {layer.name}", found=layer.on, optional=layer.optional, detail=layer.detail, install=layer.mend)
            for layer in layers()
        ]

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge `artefact`. Raises `InputError` for malformed checks and `Unavailable` if there is no jail here."""
        plans = plan(task)
        provenance = Provenance(
            verifier=self.id,
            version=self.version,
            artefact_hash=content_hash(artefact),
            isolation="separate",
            tools={"python": platform.python_version(), "sandbox": self.sandbox.level},
        )
        if not artefact.strip():
            return Verdict.of((), invalid=[_EMPTY], provenance=provenance)
        program = Program(source=artefact, preamble=task.context.get("preamble", ""), entry_point=task.context.get("entry_point", ""))
        found = self._judged(task, program, plans, Bounds(**msgspec.structs.asdict(limits)), first_fail)
        return Verdict.of(found.checks, invalid=found.invalid, tamper=found.tamper, cost=found.cost, provenance=provenance)

    def _judged(self, task: Task, program: Program, plans: Sequence[Plan], bounds: Bounds, first_fail: bool) -> Findings:
        """What is found in all runs; one that is invalid or tampered with ends them and stands for all."""
        judge = Judge(self.sandbox, program, bounds, first_fail)
        found = judge.judge(plans)
        checks = [found.checks]
        while len(checks) < self.runs and not (found.invalid or found.tamper):
            again = Judge(self.sandbox, program, bounds, first_fail).judge(plans)
            checks.append(again.checks)
            found.cost += again.cost
            found.invalid, found.tamper = again.invalid, again.tamper
        if found.invalid or found.tamper:
            found.checks = checks[-1]
            return found
        if self.runs > 1:
            found.checks = agreed(checks)
        if self.minimize and task.refs:
            minimize(judge, task.refs[0], self.minimize)
        return found

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, without blocking the event loop; any number may be awaited at once."""
        return await asyncio.wrap_future(self._submit(task, artefact, limits, first_fail))

    def verify_batch(
        self, items: Sequence[tuple[Task, str]], *, limits: Limits = Limits(), first_fail: bool = False, workers: int | None = None
    ) -> Iterator[Verdict]:
        """Verdicts of many artefacts in the order given, as they come; at most `workers` at once (default: all jails)."""
        waiting: deque[Future[Verdict]] = deque()
        width = min(workers or self.sandbox.workers, self.sandbox.workers)
        try:
            for task, artefact in items:
                waiting.append(self._submit(task, artefact, limits, first_fail))
                if len(waiting) >= 2 * width:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Stop the jails. A later call starts them again."""
        self.sandbox.close()

    def _submit(self, task: Task, artefact: str, limits: Limits, first_fail: bool) -> Future[Verdict]:
        return self.sandbox.executor().submit(self.verify, task, artefact, limits=limits, first_fail=first_fail)


_EMPTY = Diagnostic(code="python.empty", message="there is no code", span=SourceSpan(start=0, end=0, line=1, col=0, end_line=1, end_col=0))

python = PythonVerifier()
"""The shared instance that `find("verifier", "python")` returns."""
