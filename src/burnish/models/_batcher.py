"""Continuous batching: one background thread that keeps a `Decoder` full with whatever requests wait.

Requests are admitted at every step, in order of arrival, up to a number of rows and of cached tokens; finished and
cancelled rows leave at once. `exclusive()` drains the running rows and holds new ones back while weights change.
A failure of the model reaches every awaiting request as `PolicyError`, and the loop goes on.
"""

from __future__ import annotations

import atexit
import collections
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import torch

from burnish.core.errors import PolicyError
from burnish.models._decoder import GROUP_MIN, Counters, Decoder, Key
from burnish.models._row import Matcher, Prefix, Row
from burnish.models.base import Completion, Request

CLOSED = "The policy was closed. Load it anew to go on."


class Admission:
    """Whether further rows fit beside the running ones: by the tokens they may come to hold, a shared prompt counted once."""

    def __init__(self, prefixes: Mapping[Key, Prefix], running: Sequence[Row], room: int, prefill: int) -> None:
        """`room` is in cached tokens; `prefill` bounds new prompt tokens if something runs."""
        self._seen = collections.Counter(dict.fromkeys(prefixes, GROUP_MIN))
        self._used = sum(row.end - row.base for row in running) + sum(prefix.length for prefix in prefixes.values() if prefix.users)
        self._room, self._prefill = room, prefill if running else 1 << 62
        self._prompt = 0
        self._empty = not running

    def takes(self, row: Row) -> bool:
        """Count the row in if it fits. The first one always does if nothing runs."""
        shares = self._seen[row.key] >= GROUP_MIN
        need = row.end - row.start if shares else row.end
        prompt = 0 if self._seen[row.key] else row.start
        soon = not prompt or not self._prompt or self._prompt + prompt <= self._prefill
        fits = soon and self._used + need <= self._room
        if not fits and not self._empty:
            return False
        self._empty = False
        self._seen[row.key] += 1
        self._used += need
        self._prompt += prompt
        return True


class Batcher:
    """Owns the decoding thread. `max_batch` bounds the rows, `cache_tokens` the tokens that they may come to hold."""

    def __init__(self, decoder: Decoder, *, version: Callable[[], str], max_batch: int, cache_tokens: int) -> None:
        """`version` names the weights of now."""
        self._decoder, self._version = decoder, version
        self._max_batch, self._cache_tokens = max_batch, cache_tokens
        self._waiting: deque[Row] = deque()
        self._unanswered: list[Row] = []
        self._condition = threading.Condition()
        self._weights = threading.RLock()
        self._held = 0
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, request: Request, matcher: Matcher | None = None) -> Future[Completion]:
        """Queue a request, `matcher` being the state of its constraint. Cancelling the future frees its row.

        Raises `PolicyError` if the policy was closed.
        """
        row = Row(request, Future(), matcher=matcher)
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

    @property
    def counters(self) -> Counters:
        """What the decoder has done so far."""
        return self._decoder.counters

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """The weights are the caller's: running rows have finished, new ones wait until the block ends."""
        with self._weights:
            with self._condition:
                self._held += 1
                self._condition.wait_for(lambda: not self._busy)
                self._decoder.clear()  # what is cached belongs to the weights of before
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
        with torch.inference_mode():
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

    def _step(self) -> None:
        started = time.perf_counter()
        self._decoder.drop([row for row in self._decoder.rows if row.future.cancelled()])
        self._time_out()
        new = self._admissible()
        self._unanswered = [row for row in self._unanswered if not row.future.done()] + new
        if new:
            self._decoder.admit(new)
        finished = self._decoder.step() if self._decoder.rows else []
        self._decoder.counters.wall_s += time.perf_counter() - started
        self._answer(finished)

    def _answer(self, rows: Iterable[Row]) -> None:
        for row in rows:
            completion = self._decoder.completion(row)
            if row.future.set_running_or_notify_cancel():
                row.future.set_result(completion)

    def _time_out(self) -> None:
        """Hand over what rows have whose time is up; those that still wait have nothing."""
        now = time.monotonic()
        late = [row for row in self._decoder.rows if row.deadline <= now]
        with self._condition:
            waiting = [row for row in self._waiting if row.deadline <= now]
            for row in waiting:
                self._waiting.remove(row)
                row.version = self._version()
        for row in (*late, *waiting):
            row.reason = "timeout"
        self._answer([*self._decoder.drop(late), *waiting])

    def _admissible(self) -> list[Row]:
        """The waiting rows that fit now, in order; at least one if nothing runs.

        While rows run, no more new prompt tokens than one prefill pass takes are let in at a step, so that they go on.
        """
        new: list[Row] = []
        running = self._decoder.rows
        admission = Admission(self._decoder.prefixes, running, self._cache_tokens, self._decoder.prefill_tokens)
        with self._condition:
            while self._waiting and not self._held and len(running) + len(new) < self._max_batch:
                row = self._waiting[0]
                if not row.future.cancelled() and not admission.takes(row):
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
