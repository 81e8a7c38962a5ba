"""Judges Python programs: functions by calls, by assert statements or by `check(candidate)`, whole programs by stdin and stdout.

The judged program runs in a jail of its own; expected values and comparison stay in this process, test code runs in a
second jailed process. So nothing that the program does in its own process can make it pass. Facts only, no rewards.
Test code that cannot work from another process (it reads source, replaces streams) shares one with the program: a weaker
wall, and the verdict says `isolation="shared"` and why. `isolation="strict"` leaves such checks unknown instead;
`isolation="shared"` does so for all checks that call functions.
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
from burnish.verifiers._python_isolation import ISOLATIONS, IsolatingJudge, Isolation
from burnish.verifiers._python_judge import Findings
from burnish.verifiers._python_plan import plan
from burnish.verifiers.base import Limits, ToolReport

VERSION = "1"


class PythonVerifier:
    """The verifier of `Task.kind == "python"`. Its jails start when first needed, one per core unless `workers` says otherwise."""

    id = "python"
    version = VERSION

    def __init__(
        self, *, workers: int | None = None, level: str | None = None, packages: Sequence[str] = (), isolation: Isolation = "separate"
    ) -> None:
        if isolation not in ISOLATIONS:
            raise InputError(f"There is no isolation {isolation!r}. Known: {', '.join(ISOLATIONS)}.")
        self.isolation = isolation
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
        if artefact.strip():
            program = Program(source=artefact, preamble=task.context.get("preamble", ""), entry_point=task.context.get("entry_point", ""))
            bounds = Bounds(**msgspec.structs.asdict(limits))
            found = IsolatingJudge(self.sandbox, program, bounds, first_fail, self.isolation).judge(plans)
        else:
            found = Findings(invalid=[_EMPTY])
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
