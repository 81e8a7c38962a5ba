"""A verifier that judges a part of a file inside the whole file: what a reply defines anew takes the place of what was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from burnish.core.records import Task, Verdict
from burnish.core.traces import Trace
from burnish.text.splice import splice
from burnish.verifiers.base import Limits, Tracer, Verifier


class InFile:
    """A verifier that judges a reply inside the whole file that it repairs."""

    def __init__(self, verifier: Verifier, original: str) -> None:
        self.id, self.version = verifier.id, verifier.version
        self._verifier, self._original = verifier, original
        self.doctor, self.configuration, self.close = verifier.doctor, verifier.configuration, verifier.close

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """The verdict on the whole file."""
        verdict = self._verifier.verify(task, self._whole(artefact), limits=limits, first_fail=first_fail)
        return self._placed(verdict, artefact)

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, without blocking the event loop."""
        verdict = await self._verifier.averify(task, self._whole(artefact), limits=limits, first_fail=first_fail)
        return self._placed(verdict, artefact)

    def verify_batch(
        self, items: Sequence[tuple[Task, str]], *, limits: Limits = Limits(), first_fail: bool = False, workers: int | None = None
    ) -> Iterator[Verdict]:
        """The verdicts on whole files, in input order."""
        wholes = [(task, self._whole(artefact)) for task, artefact in items]
        verdicts = self._verifier.verify_batch(wholes, limits=limits, first_fail=first_fail, workers=workers)
        return (self._placed(verdict, artefact) for verdict, (_, artefact) in zip(verdicts, items, strict=True))

    async def atrace(self, task: Task, artefact: str, check_id: str, *, limits: Limits = Limits()) -> Trace | None:
        """A trace of the whole file; None where the reply is only a part of it, whose lines are others."""
        if self._whole(artefact) != artefact or not isinstance(self._verifier, Tracer):
            return None
        return await self._verifier.atrace(task, artefact, check_id, limits=limits)

    def _whole(self, artefact: str) -> str:
        return splice(self._original, artefact) if artefact.strip() else artefact

    def _placed(self, verdict: Verdict, artefact: str) -> Verdict:
        """Without places in the text where the reply is only a part: they are those of the whole file."""
        if self._whole(artefact) == artefact:
            return verdict
        checks = tuple(
            msgspec.structs.replace(check, diagnostics=tuple(msgspec.structs.replace(d, span=None) for d in check.diagnostics))
            for check in verdict.checks
        )
        diagnostics = tuple(msgspec.structs.replace(d, span=None) for d in verdict.diagnostics)
        return msgspec.structs.replace(verdict, checks=checks, diagnostics=diagnostics)
