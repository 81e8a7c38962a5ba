"""One HTTP endpoint with manners: few enough calls at once, a steady pace, a time-out for each try, retries with back-off.

A `Retry-After` holds back all calls, not only the one that was told. What cannot get better by waiting fails at once,
as a `PolicyError` with the server's own words. Cancelling a call closes its connection, which is how servers learn of it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AuthenticationError,
    NotFoundError,
    OpenAIError,
    PermissionDeniedError,
)

from burnish.core.errors import ContextExceeded, InputError, PolicyError, Unavailable
from burnish.core.records import Record
from burnish.models._answers import Unfinished

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.25, 8.0
"""Seconds before the first retry, doubled each time, and the most between two tries."""

TOO_LONG = ("context_length", "context size", "context length", "exceed_context")
"""How servers say that prompt and answer do not fit."""


class Limits(Record):
    """Manners towards a server. `per_second` None: no pace. `timeout_s` bounds one try from start to last token."""

    concurrent: int = 64
    per_second: float | None = None
    timeout_s: float = 120.0
    retries: int = 4

    def __post_init__(self) -> None:
        pace = self.per_second is None or self.per_second > 0
        if self.concurrent < 1 or not pace or self.timeout_s <= 0 or self.retries < 0:
            raise InputError(f"Unusable limits: {self}. Needed: concurrent ≥ 1, per_second > 0, timeout_s > 0, retries ≥ 0.")


class Endpoint:
    """Made and used in one event loop. `client` speaks the protocol; `ask` adds the manners."""

    def __init__(self, base_url: str, api_key: str, limits: Limits) -> None:
        self.base_url, self.limits = base_url, limits
        self.client = AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=limits.timeout_s)
        self._slots = asyncio.Semaphore(limits.concurrent)
        self._next = 0.0

    async def ask(self, call: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
        """The result of `call(client)`, tried again while that may help. Raises `PolicyError` or `ContextExceeded`.

        Being told to wait uses up no retry, but all such waits together may not be longer than `timeout_s`.
        """
        faults, waited = 0, 0.0
        async with self._slots:
            for tries in itertools.count(1):
                await self._pace()
                try:
                    async with asyncio.timeout(self.limits.timeout_s):
                        return await call(self.client)
                except (APIError, TimeoutError, Unfinished) as error:
                    failure = error
                told = _retry_after(failure)
                faults, waited = faults + (told is None), waited + (told or 0.0)
                if not _may_get_better(failure) or faults > self.limits.retries or waited > self.limits.timeout_s:
                    raise self._final(failure, tries, waited) from failure
                await self._hold_back(told, faults)
        raise AssertionError("the last try either returns or raises")

    async def _pace(self) -> None:
        """Wait for this call's turn: starts are at least 1 / per_second apart and none lies in a time of holding back."""
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + (1.0 / self.limits.per_second if self.limits.per_second else 0.0)
        await asyncio.sleep(start - now)

    async def _hold_back(self, told: float | None, faults: int) -> None:
        if told is not None:
            self._next = max(self._next, time.monotonic() + told)
        else:
            await asyncio.sleep(min(FIRST_WAIT * 2 ** (faults - 1), LONGEST_WAIT) * random.uniform(0.75, 1.0))

    def _final(self, failure: Exception, tries: int, waited: float) -> PolicyError | ContextExceeded:
        words = " ".join(str(failure).split())
        if isinstance(failure, APIStatusError) and failure.status_code in (400, 413, 422) and any(sign in words for sign in TOO_LONG):
            return ContextExceeded(f"{self.base_url} cannot read that much: {words}")
        if isinstance(failure, TimeoutError | APITimeoutError):
            story = f"gave no whole answer within {self.limits.timeout_s:g} s. Raise timeout_s, or lower concurrent or max_tokens"
        elif isinstance(failure, Unfinished):
            story = "ended its answer before it was whole. See the server's log"
        elif isinstance(failure, APIConnectionError):
            story = f"cannot be reached or hung up ({failure.__cause__ or failure}). Is the server still running?"
        elif waited > self.limits.timeout_s:
            story = f"asks to be left alone for {waited:g} s in all, longer than timeout_s={self.limits.timeout_s:g}: {words}"
        else:
            story = f"refused: {words}"
        return PolicyError(f"{self.base_url} {story} ({tries} {'try' if tries == 1 else 'tries'}).")


def _may_get_better(failure: Exception) -> bool:
    if not isinstance(failure, APIStatusError):
        return True
    out_of_money = getattr(failure, "code", None) == "insufficient_quota"
    return not out_of_money and (failure.status_code in (408, 409, 425, 429) or failure.status_code >= 500)


def _retry_after(failure: Exception) -> float | None:
    """Seconds that the server asks to wait, at least `FIRST_WAIT`: a number, or a date as HTTP writes it; None if it says nothing."""
    value = failure.response.headers.get("retry-after") if isinstance(failure, APIStatusError) else None
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None
    return max(FIRST_WAIT, seconds)


async def served_models(endpoint: Endpoint) -> dict[str, str]:
    """Names of the served models → who owns them; empty if the server does not list them."""
    try:
        listed = await endpoint.client.models.list(timeout=min(10.0, endpoint.limits.timeout_s))
    except NotFoundError:
        return {}
    except (AuthenticationError, PermissionDeniedError) as error:
        raise InputError(
            f"{endpoint.base_url} refuses the key ({error.status_code}). Put it into OPENAI_API_KEY, or name key_variable=…."
        ) from error
    except APIConnectionError as error:
        raise Unavailable(
            f"No server answers at {endpoint.base_url} ({error.__cause__ or error}). "
            "Start it, or correct the address (it usually ends in /v1)."
        ) from error
    except OpenAIError as error:
        raise Unavailable(f"{endpoint.base_url} does not list its models: {error}") from error
    return {model.id: model.owned_by for model in listed.data or ()}


def choose_model(base_url: str, wanted: str, served: dict[str, str]) -> str:
    """The served model that is wanted, or the only one. Raises `InputError` and lists them."""
    listed = ", ".join(sorted(served)[:20]) or "none listed"
    if wanted and (wanted in served or not served):
        return wanted
    if not wanted and len(served) == 1:
        return next(iter(served))
    complaint = f"does not serve {wanted!r}" if wanted else f"serves {len(served) or 'unlisted'} models, and none was named"
    raise InputError(f"{base_url} {complaint}. Write the address as {base_url}#name. Served: {listed}.")
