"""A verifier that remembers: it asks another verifier only for what was never judged before.

The key of a verdict is a hash of all that it depends on: the program, the task's kind, context, checks and references, the
limits, the mode, the verifier with its version and configuration, and the judge's own source. Only what would come out the
same on every machine and on every day is kept, see `is_settled`.
"""

from __future__ import annotations

import asyncio
import functools
import marshal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import SCHEMA, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.core.traces import Trace
from burnish.store.verdicts import VerdictCache, as_cached
from burnish.verifiers.base import Limits, Observed, ToolReport, Tracer, Verifier, observe


class CachedVerifier:
    """`verifier`, with every settled verdict kept in `cache`. The same protocol, so it goes wherever a verifier goes."""

    def __init__(self, verifier: Verifier, cache: VerdictCache) -> None:
        self.id, self.version = verifier.id, verifier.version
        self._verifier, self._cache = verifier, cache

    def doctor(self) -> Sequence[ToolReport]:
        """The tools that the verifier needs."""
        return self._verifier.doctor()

    def configuration(self) -> Mapping[str, str]:
        """That of the verifier."""
        return self._verifier.configuration()

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """The verdict that is kept, else a fresh one. Raises `InputError` for a task that holds other than plain data."""
        key = self._key(task, artefact, limits, first_fail)
        known = self._cache.get(key)
        if known is not None:
            return known
        return self._kept(key, self._verifier.verify(task, artefact, limits=limits, first_fail=first_fail), first_fail)

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, without blocking the event loop."""
        key = self._key(task, artefact, limits, first_fail)
        known = await asyncio.to_thread(self._cache.get, key)
        if known is not None:
            return known
        fresh = await self._verifier.averify(task, artefact, limits=limits, first_fail=first_fail)
        return await asyncio.to_thread(self._kept, key, fresh, first_fail)

    async def atrace(self, task: Task, artefact: str, check_id: str, *, limits: Limits = Limits()) -> Trace | None:
        """The verifier's trace, if it can make one. Traces are not kept."""
        if not isinstance(self._verifier, Tracer):
            return None
        return await self._verifier.atrace(task, artefact, check_id, limits=limits)

    def verify_batch(
        self, items: Sequence[tuple[Task, str]], *, limits: Limits = Limits(), first_fail: bool = False, workers: int | None = None
    ) -> Iterator[Verdict]:
        """The verdicts in input order, as they come. What appears several times is judged once; the repetitions are cached ones."""
        keys = [self._key(task, artefact, limits, first_fail) for task, artefact in items]
        known: dict[str, Verdict] = {}
        todo: dict[str, tuple[Task, str]] = {}
        for key, item in zip(keys, items, strict=True):
            if key in known or key in todo:
                continue
            verdict = self._cache.get(key)
            if verdict is None:
                todo[key] = item
            else:
                known[key] = verdict
        fresh = self._verifier.verify_batch([*todo.values()], limits=limits, first_fail=first_fail, workers=workers)
        for key in keys:
            if key in known:
                yield known[key]
                continue
            verdict = self._kept(key, next(fresh), first_fail)
            known[key] = as_cached(verdict)
            yield verdict

    async def aobserve(self, task: Task, artefacts: Sequence[str], *, seed: int = 0, limits: Limits = Limits()) -> list[Observed]:
        """As the verifier; what programs do is not kept."""
        return await observe(self._verifier, task, artefacts, seed=seed, limits=limits)

    def close(self) -> None:
        """Close the verifier and the cache."""
        self._verifier.close()
        self._cache.close()

    def _key(self, task: Task, artefact: str, limits: Limits, first_fail: bool) -> str:
        checks = [msgspec.structs.astuple(check) for check in task.checks]
        rules = [SCHEMA, self.id, self.version, dict(self.configuration()), msgspec.structs.astuple(limits), first_fail, task.kind]
        try:
            return content_hash(artefact, marshal.dumps([*rules, task.context, checks, task.refs], 2), _judge_source())
        except ValueError as error:
            raise InputError(
                f"Task {task.id!r} cannot be judged with a cache: its context or checks hold other than plain data "
                f"(text, numbers, lists, dictionaries). Take that out, or judge without the cache."
            ) from error

    def _kept(self, key: str, verdict: Verdict, first_fail: bool) -> Verdict:
        if is_settled(verdict, first_fail=first_fail):
            self._cache.put(key, verdict)
        return verdict


def is_settled(verdict: Verdict, *, first_fail: bool) -> bool:
    """True if nothing but the program and its task decided the verdict, so that it may be kept.

    Never kept: infrastructure errors, missing tools, whatever is undecided or flaky. Nor verdicts with a time-out, by wall
    clock or by CPU: both tell as much about the machine and its load as about the program. Skipped checks are only kept where
    the program made the judge stop (unusable, an attack, a failure in `first_fail` mode), not where the time ran out.
    """
    if verdict.status not in ("pass", "fail", "invalid", "tampered"):
        return False
    if any(check.outcome not in ("pass", "fail", "crash", "skip") for check in verdict.checks):
        return False
    return verdict.complete or first_fail or verdict.status in ("invalid", "tampered")


@functools.cache
def _judge_source() -> str:
    """A hash of the judge's own code: a change there makes every kept verdict out of date, with or without a new version."""
    package = Path(__file__).parents[1]
    files = sorted(file for folder in ("core", "sandbox", "verifiers") for file in (package / folder).rglob("*.py"))
    return content_hash(*(part for file in files for part in (file.name, file.read_bytes())))
