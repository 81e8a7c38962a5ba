"""Continuous batching: one background thread that keeps a `Decoder` full with whatever requests wait.

Requests are admitted at every step, in order of arrival, up to a number of rows and of cached tokens; finished and
cancelled rows leave at once. `exclusive()` drains the running rows and holds new ones back while weights change.
A failure of the model reaches every awaiting request as `PolicyError`, and the loop goes on.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from burnish.core.errors import PolicyError
from burnish.models._decoder import Decoder, Row
from burnish.models.base import Completion, Request

CLOSED = "The policy was closed. Load it anew to go on."


class Batcher:
    """Owns the decoding thread. `max_batch` bounds the rows, `cache_tokens` the rows times the longest row's positions."""

    def __init__(
        self, decoder: Decoder, *, version: Callable[[], str], mode: AbstractContextManager[Any], max_batch: int, cache_tokens: int
    ) -> None:
        """`version` names the weights of now; `mode` is entered by the decoding thread."""
        self._decoder, self._version, self._mode = decoder, version, mode
        self._max_batch, self._cache_tokens = max_batch, cache_tokens
        self._waiting: deque[Row] = deque()
        self._unanswered: list[Row] = []
        self._condition = threading.Condition()
        self._weights = threading.RLock()
        self._held = 0
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, request: Request) -> Future[Completion]:
        """Queue a request. Cancelling the future frees its row. Raises `PolicyError` if the policy was closed."""
        row = Row(request, Future())
        with self._condition:
            if self._closed:
                raise PolicyError(CLOSED)
            self._waiting.append(row)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="burnish-decoder", daemon=True)
                self._thread.start()
                atexit.register(self.close)  # a thread inside torch must not outlive the interpreter
            self._condition.notify_all()
        return row.future

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """The weights are the caller's: running rows have finished, new ones wait until the block ends."""
        with self._weights:
            with self._condition:
                self._held += 1
                self._condition.wait_for(lambda: not self._busy)
            try:
                yield
            finally:
                with self._condition:
                    self._held -= 1
                    self._condition.notify_all()

    def close(self) -> None:
        """Stop the thread; requests that wait or run fail with `PolicyError`."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            atexit.unregister(self.close)

    def _run(self) -> None:
        with torch.inference_mode(), self._mode:
            while self._next():
                try:
                    self._step()
                except Exception as error:  # whatever the model raises belongs to the requests, not to this thread
                    self._fail(f"The model failed while generating: {type(error).__name__}: {error}", error)
        self._fail(CLOSED, None)

    def _next(self) -> bool:
        """Wait for work and admit what fits. False once the policy is closed."""
        with self._condition:
            if not self._decoder.rows:
                self._rest()
            self._condition.wait_for(lambda: self._closed or self._decoder.rows or (self._waiting and not self._held))
            self._busy = not self._closed
            return not self._closed

    def _rest(self) -> None:
        if self._held or not self._waiting:
            self._busy = False
            self._condition.notify_all()
        if self._held:
            self._decoder.clear()

    def _step(self) -> None:
        self._decoder.drop([row for row in self._decoder.rows if row.future.cancelled()])
        new = self._admissible()
        self._unanswered = [row for row in self._unanswered if not row.future.done()] + new
        if new:
            self._decoder.admit(new)
        if self._decoder.rows:
            for row in self._decoder.step():
                completion = self._decoder.completion(row)
                if row.future.set_running_or_notify_cancel():
                    row.future.set_result(completion)

    def _admissible(self) -> list[Row]:
        """The waiting rows that fit now, in order; at least one if nothing runs."""
        new: list[Row] = []
        with self._condition:
            longest = max((row.end for row in self._decoder.rows), default=0)
            while self._waiting and not self._held:
                row = self._waiting[0]
                rows = len(self._decoder.rows) + len(new) + 1
                longest = max(longest, row.end)
                if rows > 1 and (rows > self._max_batch or rows * longest > self._cache_tokens):
                    break
                self._waiting.popleft()
                if not row.future.cancelled():
                    row.version = self._version()
                    new.append(row)
        return new

    def _fail(self, message: str, cause: Exception | None) -> None:
        """Answer every admitted request, and the waiting ones too if the policy is closed, with `PolicyError`."""
        with self._condition:
            rows = self._unanswered + (list(self._waiting) if self._closed else [])
            self._waiting = deque() if self._closed else self._waiting
            self._decoder.clear()
            self._busy = False
            self._condition.notify_all()
        for row in rows:
            if not row.future.done() and row.future.set_running_or_notify_cancel():
                error = PolicyError(message)
                error.__cause__ = cause
                row.future.set_exception(error)
