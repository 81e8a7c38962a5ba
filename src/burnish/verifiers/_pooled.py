"""What every verifier with a pool of jails shares: judging without blocking, many at once, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from burnish.core.records import Task, Verdict
from burnish.sandbox.pool import Sandbox
from burnish.verifiers.base import Limits


class Pooled:
    """Adds `averify`, `verify_batch` and `close` to a class that has `sandbox` and `verify`."""

    sandbox: Sandbox

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge `artefact`. Every verifier defines this."""
        raise NotImplementedError

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
