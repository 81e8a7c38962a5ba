"""A pool of jails. Safe from any thread and any event loop; a forked child of the parent starts its own.

Servers start when first needed, are replaced after `RUNS_PER_SERVER` runs or on any doubt, and die with the parent.
An infrastructure fault is retried on a fresh server, then raised as `SandboxError`; it never looks like a result.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor

from burnish.core.errors import InputError, SandboxError
from burnish.sandbox.exchange import Cancel, Stop
from burnish.sandbox.inside.profiles import PROFILES
from burnish.sandbox.jobs import Bounds, Job, Run
from burnish.sandbox.worker import Server

RUNS_PER_SERVER = 5000
ATTEMPTS = 3
LEVELS = ("full", "weaker")
STANDARD_MODULES = (
    *("abc", "bisect", "collections", "collections.abc", "copy", "datetime", "enum", "functools", "heapq", "io", "itertools", "json"),
    *("math", "operator", "os", "random", "re", "string", "textwrap", "time", "typing"),
)
"""Modules that a program finds already imported; any other of the standard library is read when it is imported.

Each costs every check a little, for its pages and mappings are copied at every fork; so only those are here that programs use
often enough. `dataclasses` or `decimal` take some milliseconds in the program that imports them.
"""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Sandbox:
    """Runs jobs in jails, `workers` at a time (default: one per usable core).

    `level` is `full` (default) or, chosen knowingly where the kernel forbids namespaces, `weaker`. `preload` names modules that
    programs find already imported, `packages` installed packages (such as numpy) that they may import at all. `profile` is
    `python` (default) or `tools`, whose jails also show the system's compilers and may run them: what a `Command` needs.
    """

    server_class = Server

    def __init__(
        self,
        *,
        workers: int | None = None,
        level: str | None = None,
        preload: Sequence[str] = STANDARD_MODULES,
        packages: Sequence[str] = (),
        profile: str = "python",
    ) -> None:
        self.workers = workers or usable_cores()
        self.level = level or os.environ.get("BURNISH_SANDBOX", "full")
        if self.level not in LEVELS:
            raise InputError(
                f"There is no sandbox level {self.level!r}. Known: {', '.join(LEVELS)} (environment variable BURNISH_SANDBOX)."
            )
        if profile not in PROFILES:
            raise InputError(f"There is no sandbox profile {profile!r}. Known: {', '.join(PROFILES)}.")
        self.profile = profile
        self._preload, self._packages = tuple(preload), tuple(packages)
        self._reset()
        _alive.add(self)

    def _reset(self) -> None:
        self._idle: list[Server] = []
        self._busy = 0
        self._free = threading.Condition()
        self._threads: ThreadPoolExecutor | None = None

    def run(self, job: Job, bounds: Bounds, stop: Stop | None = None, cancel: Cancel | None = None) -> Run:
        """Run `job`; blocks until a server is free. Raises `SandboxError` after three failed attempts, `Unavailable` without a jail,
        and `concurrent.futures.CancelledError` once `cancel` is set."""
        cancel = cancel or Cancel()
        for attempt in range(ATTEMPTS):
            try:
                return self._run_once(job, bounds, stop, cancel, fresh=attempt > 0)
            except SandboxError:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _run_once(self, job: Job, bounds: Bounds, stop: Stop | None, cancel: Cancel, fresh: bool) -> Run:
        server = self._acquire(fresh)
        try:
            run = server.run(job, bounds, stop, cancel) if not cancel.is_set else None
        except BaseException:
            self._release(server, broken=True)
            raise
        self._release(server, broken=server.runs >= RUNS_PER_SERVER or not server.reusable)
        if run is None or cancel.is_set:
            raise CancelledError
        return run

    async def arun(self, job: Job, bounds: Bounds, stop: Stop | None = None) -> Run:
        """As `run`, without blocking the event loop. Cancelling it ends the job."""
        cancel = Cancel()
        try:
            return await asyncio.get_running_loop().run_in_executor(self.executor(), self.run, job, bounds, stop, cancel)
        except asyncio.CancelledError:
            cancel.set()
            raise

    def executor(self) -> ThreadPoolExecutor:
        """Threads that may block on this pool: one per worker."""
        with self._free:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="burnish-sandbox")
            return self._threads

    def close(self) -> None:
        """Stop every idle server. A later run starts afresh."""
        with self._free:
            idle, self._idle = self._idle, []
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True)
        with self._free:
            idle += self._idle
            self._idle = []
        for server in idle:
            server.close()

    def _acquire(self, fresh: bool) -> Server:
        """An idle server or a new one; with `fresh` a new one in place of an idle one, for whatever killed one may have killed all."""
        with self._free:
            while self._busy >= self.workers:
                self._free.wait()
            self._busy += 1
            idle = self._idle.pop() if self._idle else None
        if idle is not None and not fresh:
            return idle
        try:
            if idle is not None:
                idle.close()
            return self.server_class(self._preload, self._packages, self.level, self.profile)
        except BaseException:
            self._release(None, broken=True)
            raise

    def _release(self, server: Server | None, broken: bool) -> None:
        try:
            if server is not None and broken:
                server.close()
        finally:
            with self._free:
                self._busy -= 1
                if server is not None and not broken:
                    self._idle.append(server)
                self._free.notify()


_alive: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for sandbox in list(_alive):
        sandbox._reset()


def _close_all() -> None:
    for sandbox in list(_alive):
        sandbox.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
