"""What every verifier with a pool of jails shares: judging without blocking, many at once, in order, to be called off."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import platform
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future

from burnish.core.records import Task, Verdict
from burnish.sandbox.exchange import Cancel
from burnish.sandbox.pool import Sandbox
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
        cancel = Cancel()
        width = min(workers or self.sandbox.workers, self.sandbox.workers)
        if width == 1:
            yield from (self._judge(task, artefact, limits, first_fail, cancel) for task, artefact in items)
            return
        stream = _Stream(lambda task, artefact: self._judge(task, artefact, limits, first_fail, cancel), items, width)
        try:
            yield from stream.results()
        finally:
            stream.stop()
            cancel.set()

    def close(self) -> None:
        """Stop the jails. A later call starts them again."""
        self.sandbox.close()

    def _submit(self, task: Task, artefact: str, limits: Limits, first_fail: bool, cancel: Cancel) -> Future[Verdict]:
        return self.sandbox.executor().submit(self._judge, task, artefact, limits, first_fail, cancel)


class _Stream:
    """Runs a function on many items in a few threads of its own. A thread that is done takes the next item: none is woken for it."""

    def __init__(self, function: Callable[[Task, str], Verdict], items: Sequence[tuple[Task, str]], width: int) -> None:
        self._function, self._items = function, items
        self._room = 2 * width
        """How many items may be taken that the reader has not come to yet."""
        self._taken = self._read = 0
        self._done: dict[int, Verdict | BaseException] = {}
        self._changed = threading.Condition()
        for _ in range(min(width, len(items))):
            threading.Thread(target=self._work, daemon=True, name="burnish-verify").start()

    def results(self) -> Iterator[Verdict]:
        """The results in the order of the items; raises what the function raised."""
        for index in range(len(self._items)):
            with self._changed:
                while index not in self._done:
                    self._changed.wait()
                found = self._done.pop(index)
                self._read = index + 1
                self._changed.notify_all()
            if isinstance(found, BaseException):
                raise found
            yield found

    def stop(self) -> None:
        """No further item is taken."""
        with self._changed:
            self._taken = len(self._items)
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._taken < len(self._items) and self._taken >= self._read + self._room:
                    self._changed.wait()
                index, self._taken = self._taken, self._taken + 1
            if index >= len(self._items):
                return
            try:
                found: Verdict | BaseException = self._function(*self._items[index])
            except BaseException as error:
                found = error
            with self._changed:
                self._done[index] = found
                if index == self._read:
                    self._changed.notify_all()


@functools.cache
def _version_of(package: str) -> str:
    """Versions of the distributions that provide an importable package."""
    owners = importlib.metadata.packages_distributions().get(package, ())
    return " ".join(importlib.metadata.version(owner) for owner in owners)
