"""What every verifier with a pool of jails shares: judging without blocking, many at once, in order, to be called off."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import platform
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future

from burnish.core.records import Task, Verdict
from burnish.sandbox.pool import Sandbox
from burnish.sandbox.worker import Cancel
from burnish.verifiers.base import Limits


class Pooled(ABC):
    """Makes a verifier of a class that has a `sandbox` and defines `_judge`."""

    sandbox: Sandbox
    _packages: tuple[str, ...] = ()

    @abstractmethod
    def _judge(self, task: Task, artefact: str, limits: Limits, first_fail: bool, cancel: Cancel) -> Verdict:
        """Judge `artefact`. Raises `InputError` for malformed checks, `Unavailable` without a jail, `CancelledError` if called off."""

    def configuration(self) -> Mapping[str, str]:
        """Interpreter and machine, level of the jail, packages that programs may import."""
        packages = ", ".join(f"{name} {_version_of(name)}" for name in self._packages)
        return {"python": f"{platform.python_version()} {platform.machine()}", "level": self.sandbox.level, "packages": packages}

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge `artefact`. Raises `InputError` for malformed checks and `Unavailable` if there is no jail here."""
        return self._judge(task, artefact, limits, first_fail, Cancel())

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, without blocking the event loop; any number may be awaited at once. Cancelling it ends the judged process."""
        cancel = Cancel()
        try:
            return await asyncio.wrap_future(self._submit(task, artefact, limits, first_fail, cancel))
        except asyncio.CancelledError:
            cancel.set()
            raise

    def verify_batch(
        self, items: Sequence[tuple[Task, str]], *, limits: Limits = Limits(), first_fail: bool = False, workers: int | None = None
    ) -> Iterator[Verdict]:
        """Verdicts of many artefacts in the order given, as they come; at most `workers` at once (default: all jails).

        A batch that is given up half-way (its iterator closed) ends what is being judged.
        """
        waiting: deque[Future[Verdict]] = deque()
        width = min(workers or self.sandbox.workers, self.sandbox.workers)
        cancel = Cancel()
        try:
            for task, artefact in items:
                waiting.append(self._submit(task, artefact, limits, first_fail, cancel))
                if len(waiting) >= 2 * width:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            cancel.set()
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Stop the jails. A later call starts them again."""
        self.sandbox.close()

    def _submit(self, task: Task, artefact: str, limits: Limits, first_fail: bool, cancel: Cancel) -> Future[Verdict]:
        return self.sandbox.executor().submit(self._judge, task, artefact, limits, first_fail, cancel)


@functools.cache
def _version_of(package: str) -> str:
    """Versions of the distributions that provide an importable package."""
    owners = importlib.metadata.packages_distributions().get(package, ())
    return " ".join(importlib.metadata.version(owner) for owner in owners)
