"""One event loop in a thread of its own, for clients that are bound to the loop in which they were made.

A policy may be asked from several event loops, one after another or at once; connection pools and engines may not.
Cancelling the await on `run` cancels the work in the thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from burnish.core.errors import PolicyError

T = TypeVar("T")


class Background:
    """Runs coroutines in its own loop until `stop` or `close`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"burnish-{name}", daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` from any loop. Raises `PolicyError` if the thread is or gets closed meanwhile."""
        self._check_open(work)
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.closed and not (task and task.cancelling()):
                raise PolicyError(f"The engine of {self.name} was closed before it had answered.") from None
            raise

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work` without a loop. Not to be called from within a coroutine that has others to serve."""
        self._check_open(work)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self, last: Coroutine[Any, Any, Any] | None = None) -> None:
        """Cancel what runs, run `last` (close a client), then end the thread. Stopping twice is allowed."""
        if self.closed:
            if last is not None:
                last.close()
            return
        self.closed = True
        asyncio.run_coroutine_threadsafe(self._finish(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def close(self, last: Coroutine[Any, Any, Any] | None = None) -> None:
        """As `stop`, without blocking the loop of the caller."""
        await asyncio.to_thread(self.stop, last)

    async def _finish(self, last: Coroutine[Any, Any, Any] | None) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if last is not None:
            await last
        await asyncio.get_running_loop().shutdown_asyncgens()

    def _check_open(self, work: Coroutine[Any, Any, Any]) -> None:
        if self.closed:
            work.close()
            raise PolicyError(f"The engine of {self.name} is closed. Load it again.")
