"""A verifier in a few lines, for artefacts that are read and never run: a configuration, a plan, a proof term, a table.

What a model wrote is executed in nothing but a jail; a verifier that must run it builds on `burnish.sandbox`, as `python.py` does.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import Check, CheckSpec, Cost, Diagnostic, Provenance, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.verifiers.base import Limits, ToolReport


class PlainVerifier(ABC):
    """The whole verifier protocol for a class that has an `id` and defines `check`, and `parse` if need be.

    An exception other than those below is a fault of the verifier: the verdict is `error`, which is no reward and no label.
    """

    id: str
    version: str = "1"

    def parse(self, task: Task, artefact: str) -> Any:
        """The artefact as `check` wants it. Raise `ValueError` if it cannot be read: then the verdict is `invalid`."""
        return artefact

    @abstractmethod
    def check(self, task: Task, spec: CheckSpec, parsed: Any) -> str:
        """What is wrong by this check, in words that a model may read; empty if nothing. Raise `InputError` for a malformed check."""

    def doctor(self) -> Sequence[ToolReport]:
        """No tools."""
        return ()

    def configuration(self) -> Mapping[str, str]:
        """No options."""
        return {}

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge `artefact` by every check of the task; after the first failure the rest is skipped if `first_fail`."""
        started = time.monotonic()
        judged_by = Provenance(verifier=self.id, version=self.version, artefact_hash=content_hash(artefact))
        try:
            parsed = self.parse(task, artefact)
        except ValueError as error:
            return Verdict.of((), invalid=[Diagnostic(code=f"{self.id}.parse", message=str(error))], provenance=judged_by)
        checks: list[Check] = []
        for spec in task.checks:
            stopped = first_fail and any(check.outcome == "fail" for check in checks)
            checks.append(_check(spec, "skip") if stopped else self._judged(task, spec, parsed))
        return Verdict.of(checks, provenance=judged_by, cost=Cost(wall_s=time.monotonic() - started))

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, in a thread."""
        return await asyncio.to_thread(self.verify, task, artefact, limits=limits, first_fail=first_fail)

    def verify_batch(
        self, items: Sequence[tuple[Task, str]], *, limits: Limits = Limits(), first_fail: bool = False, workers: int | None = None
    ) -> Iterator[Verdict]:
        """One after another."""
        return (self.verify(task, artefact, limits=limits, first_fail=first_fail) for task, artefact in items)

    def close(self) -> None:  # noqa: B027 - nothing to do unless a subclass holds something
        """Nothing to let go of."""

    def _judged(self, task: Task, spec: CheckSpec, parsed: Any) -> Check:
        try:
            wrong = self.check(task, spec, parsed)
        except InputError:
            raise
        except Exception as error:
            return _check(spec, "error", f"{type(error).__name__}: {error}")
        return _check(spec, "fail", wrong) if wrong else _check(spec, "pass")


def _check(spec: CheckSpec, outcome: Any, message: str = "") -> Check:
    said = (Diagnostic(code=spec.kind, message=message, visibility="train" if outcome == "error" else "model"),) if message else ()
    return Check(id=spec.id, kind=spec.kind, outcome=outcome, weight=spec.weight, hidden=spec.hidden, diagnostics=said)
