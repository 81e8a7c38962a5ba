"""Judges Python programs: functions by calls, assert statements or `check(candidate)`, classes by sequences of calls,
whole programs by stdin and stdout.

The judged program runs in a jail of its own; expected values and comparison stay in this process, test code runs in a
second jailed process. So nothing that the program does in its own process can make it pass. Facts only, no rewards.
Test code that cannot work from another process (it reads source, replaces streams) shares one with the program: a weaker
wall, and the verdict says `isolation="shared"` and why. `isolation="strict"` leaves such checks unknown instead;
`isolation="shared"` does so for all checks that call functions.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Diagnostic, Provenance, SourceSpan, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.core.traces import Trace
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.jobs import Bounds, Program
from burnish.sandbox.pool import STANDARD_MODULES, Sandbox
from burnish.verifiers._behaviour import observed
from burnish.verifiers._inputs import probes, stdins
from burnish.verifiers._pooled import Pooled
from burnish.verifiers._python_isolation import ISOLATIONS, IsolatingJudge, Isolation
from burnish.verifiers._python_judge import Findings, Judge
from burnish.verifiers._python_minimize import minimize
from burnish.verifiers._python_plan import Plan, plan
from burnish.verifiers._python_trace import trace
from burnish.verifiers._repeats import agreed
from burnish.verifiers.base import Limits, Observed, ToolReport

VERSION = "1"
INPUTS = 16
"""Inputs on which programs are compared; there are more if the task itself shows more."""


class PythonVerifier(Pooled):
    """The verifier of `Task.kind == "python"`. Its jails start when first needed, one per core unless `workers` says otherwise.

    `packages` are installed ones that programs may import; `preload` names modules that every program finds already imported.
    With `isolation="shared"` program and tests share one address space. With `runs` above 1 every check is judged that often,
    in fresh processes; what the runs disagree on is unknown. With `minimize` above 0 the first wrong call's input is made
    smaller, trying so many inputs, for tasks that have a reference.
    """

    id = "python"
    version = VERSION

    def __init__(
        self,
        *,
        workers: int | None = None,
        level: str | None = None,
        packages: Sequence[str] = (),
        preload: Sequence[str] = (),
        isolation: Isolation = "separate",
        runs: int = 1,
        minimize: int = 0,
    ) -> None:
        if isolation not in ISOLATIONS:
            raise InputError(f"There is no isolation {isolation!r}. Known: {', '.join(ISOLATIONS)}.")
        if runs < 1 or minimize < 0:
            raise InputError(f"PythonVerifier needs runs from 1 on and minimize from 0 on, found runs={runs}, minimize={minimize}.")
        self.isolation, self.runs, self.minimize = isolation, runs, minimize
        loaded = (*STANDARD_MODULES, *preload)
        self.sandbox = Sandbox(workers=workers, level=level, packages=packages, preload=loaded)
        self.tracing = Sandbox(workers=workers, level=level, packages=packages, preload=(*loaded, "ast"))
        self._packages, self._preload = tuple(packages), tuple(preload)

    def doctor(self) -> Sequence[ToolReport]:
        """Every layer of the jail: in force or not, and why."""
        from burnish.sandbox.doctor import layers

        return [
            ToolReport(name=f"sandbox: {layer.name}", found=layer.on, optional=layer.optional, detail=layer.detail, install=layer.mend)
            for layer in layers()
        ]

    def configuration(self) -> Mapping[str, str]:
        """Interpreter and machine, level of the jail, packages, modules that are preloaded, isolation, runs, tries to minimize."""
        return {
            **super().configuration(),
            "isolation": self.isolation,
            "preload": ", ".join(self._preload),
            "runs": f"{self.runs}",
            "minimize": f"{self.minimize}",
        }

    async def aobserve(self, task: Task, artefacts: Sequence[str], *, seed: int = 0, limits: Limits = Limits()) -> list[Observed]:
        """What each program does on `INPUTS` or more inputs, known ones and generated ones; equal programs are run once."""
        distinct = [program for program in dict.fromkeys(artefacts) if program.strip()]
        inputs = stdins(task, count=INPUTS, seed=seed) or probes(task, distinct, count=INPUTS, seed=seed)
        if not inputs:
            return [Observed() for _ in artefacts]
        cancel, bounds = Cancel(), Bounds(**msgspec.structs.asdict(limits))
        jobs = [self.sandbox.executor().submit(observed, self.sandbox, _program(task, text), inputs, bounds, cancel) for text in distinct]
        try:
            found = dict(zip(distinct, await asyncio.gather(*map(asyncio.wrap_future, jobs)), strict=True))
        except asyncio.CancelledError:
            cancel.set()
            raise
        return [found.get(artefact, Observed()) for artefact in artefacts]

    async def atrace(self, task: Task, artefact: str, check_id: str, *, limits: Limits = Limits()) -> Trace | None:
        """How the program runs on the check's first wrong answer: variables at block ends. Cancelling it ends the program."""
        cancel = Cancel()
        work = partial(trace, self.tracing, task, _program(task, artefact), check_id, Bounds(**msgspec.structs.asdict(limits)), cancel)
        try:
            return await asyncio.get_running_loop().run_in_executor(self.tracing.executor(), work)
        except asyncio.CancelledError:
            cancel.set()
            raise

    def close(self) -> None:
        """Stop the jails. A later call starts them again."""
        super().close()
        self.tracing.close()

    def _judge(self, task: Task, artefact: str, limits: Limits, first_fail: bool, cancel: Cancel) -> Verdict:
        plans = plan(task)
        found = Findings(invalid=[_EMPTY])
        if artefact.strip():
            program = _program(task, artefact)
            bounds = Bounds(**msgspec.structs.asdict(limits))
            judges = [IsolatingJudge(self.sandbox, program, bounds, first_fail, cancel, self.isolation) for _ in range(self.runs)]
            found = self._judged(task, plans, judges)
        provenance = Provenance(
            verifier=self.id,
            version=self.version,
            artefact_hash=content_hash(artefact),
            isolation="shared" if found.shared else "separate",
            tools={"python": platform.python_version(), "sandbox": self.sandbox.level},
        )
        return Verdict.of(
            found.checks,
            invalid=found.invalid,
            diagnostics=found.notes(),
            tamper=found.tamper,
            cost=found.cost,
            provenance=provenance,
        )

    def _judged(self, task: Task, plans: Sequence[Plan], judges: Sequence[Judge]) -> Findings:
        """What is found in all runs, one per judge; one that is invalid or tampered with ends them and stands for all."""
        found = judges[0].judge(plans)
        checks = [found.checks]
        for judge in judges[1:]:
            if found.invalid or found.tamper:
                break
            again = judge.judge(plans)
            checks.append(again.checks)
            found.cost += again.cost
            found.invalid, found.tamper = again.invalid, again.tamper
        if found.invalid or found.tamper:
            found.checks = checks[-1]
            return found
        if self.runs > 1:
            found.checks = agreed(checks)
        if self.minimize and task.refs:
            minimize(judges[0], task.refs[0], self.minimize)
        return found


def _program(task: Task, source: str) -> Program:
    return Program(source=source, preamble=task.context.get("preamble", ""), entry_point=task.context.get("entry_point", ""))


_EMPTY = Diagnostic(code="python.empty", message="there is no code", span=SourceSpan(start=0, end=0, line=1, col=0, end_line=1, end_col=0))

python = PythonVerifier()
"""The shared instance that `find("verifier", "python")` returns."""
