"""One request being answered: its tokens so far, where they are cached, and when it is done. Knows nothing of the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from burnish.core.records import Switch
from burnish.models._cache import Bank
from burnish.models._parallel import path_positions
from burnish.models._sampling import Setting
from burnish.models.base import Completion, Request

TAIL_SLACK = 3
"""Tokens decoded in front of a possible text to be found, so that a character cut in two does not hide its beginning."""

UNLIMITED = 1 << 31

Decode = Callable[[Sequence[int]], str]


class Matcher(Protocol):
    """The state of a constraint in one answer."""

    def allowed(self) -> Any:
        """The tokens that may come next, a boolean tensor over the vocabulary; None if all may."""
        ...

    def accept(self, token: int) -> None:
        """Go on by one token."""
        ...


@dataclass(eq=False)
class Prefix:
    """A prompt whose keys and values are stored once, in a slot of a bank, for all rows that begin with it.

    `ids` has one token more than is ever cached here: the last one is each row's own.
    """

    adapter: str
    ids: Sequence[int]
    bank: Bank = field(init=False)
    slot: int = 0
    cached: int = 0
    users: int = 0
    base: int = 0
    plain: int = UNLIMITED
    positions: Sequence[int] = ()
    shift: int = 0

    @property
    def length(self) -> int:
        """Tokens stored when complete."""
        return len(self.ids) - 1


@dataclass(eq=False)
class Row:
    """One request being answered: its token ids so far, how many of them are cached, and its own random numbers."""

    request: Request
    future: Future[Completion]
    submitted: float = field(default_factory=time.monotonic)
    version: str = ""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)
    cached: int = 0
    bank: Bank | None = None
    slot: int = 0
    prefix: Prefix | None = None
    reason: str = ""
    matcher: Matcher | None = None
    inside: Switch | None = None
    marked: int = 0

    def __post_init__(self) -> None:
        request, sampling = self.request, self.request.sampling
        self.adapter = request.adapter
        self.ids = [*request.prompt_ids, *request.prefix_ids]
        self.start = len(self.ids)
        self.uniform = np.random.default_rng(sampling.seed % 2**64).random(sampling.max_tokens)
        self.deadline = float("inf") if request.timeout_s is None else self.submitted + request.timeout_s
        self.positions = path_positions(self.start, request.parallel) if request.parallel else ()
        self.plain = request.parallel[0][0][0] if request.parallel else UNLIMITED
        self.shift = self.positions[-1] + 1 - self.start if self.positions else 0
        self.key = (request.adapter, tuple(self.ids), request.parallel)

    @property
    def end(self) -> int:
        """Tokens this row may come to hold."""
        return self.start + self.request.sampling.max_tokens

    @property
    def base(self) -> int:
        """Tokens at its beginning that lie in a shared prefix and not in its own slot."""
        return self.prefix.length if self.prefix else 0

    @property
    def sampled(self) -> list[int]:
        """The ids sampled so far."""
        return self.ids[self.start :]

    def position(self, index: int) -> int:
        """Position id of token `index`."""
        return self.positions[index] if index < len(self.positions) else index + self.shift

    def setting(self) -> Setting:
        """How the next token is drawn."""
        sampling = self.request.sampling
        temperature = self.inside.temperature if self.inside else sampling.temperature
        allowed = self.matcher.allowed() if self.matcher else None
        return Setting(temperature, sampling.top_p, sampling.top_k, sampling.min_p, allowed)

    def add(self, token: int, logprob: float, raw: float, kept: float, temperature: float) -> None:
        """One more sampled token."""
        self.cached += 1
        self.ids.append(token)
        self.logprobs.append(logprob)
        self.raw.append(raw)
        self.kept.append(kept)
        self.temperatures.append(temperature)

    def look(self, decode: Decode, stop_ids: frozenset[int]) -> str:
        """Take notice of the token just added; returns why the row is done, or ""."""
        sampling = self.request.sampling
        if self.matcher:
            self.matcher.accept(self.ids[-1])
        if self.ids[-1] in stop_ids:
            return "eos"
        if sampling.switches:
            self._switch(decode)
        if sampling.stop and self._stopped(decode):
            return "stop"
        return "length" if len(self.logprobs) >= sampling.max_tokens else ""

    def completion(self, decode: Decode) -> Completion:
        """What was sampled, as the caller sees it."""
        request = self.request
        suffix = list(request.suffix_ids) if self.reason == "length" else []
        ids = [*request.prefix_ids, *self.sampled, *suffix]
        text = decode(ids[:-1] if self.reason == "eos" else ids)
        if self.reason == "stop":
            begin = len(decode(request.prefix_ids)) if request.prefix_ids else 0
            text = text[: min(at for stop in request.sampling.stop if (at := text.find(stop, begin)) >= 0)]
        forced = [(0, len(request.prefix_ids)), (len(ids) - len(suffix), len(ids))]
        return Completion(
            ids=tuple(ids),
            text=text,
            logprobs=tuple(self.logprobs),
            stop_reason=self.reason,
            policy_version=self.version,
            wall_s=time.monotonic() - self.submitted,
            forced=tuple(piece for piece in forced if piece[0] < piece[1]),
            raw_logprobs=() if self.raw == self.logprobs else tuple(self.raw),
            kept=() if all(mass == 1.0 for mass in self.kept) else tuple(self.kept),
            temperatures=tuple(self.temperatures) if request.sampling.switches else (),
        )

    def _switch(self, decode: Decode) -> None:
        """Enter or leave a part with a temperature of its own once its marking text is complete."""
        switches = (self.inside,) if self.inside else self.request.sampling.switches
        texts = [switch.close if self.inside else switch.open for switch in switches]
        tail = decode(self.sampled[max(self.marked, len(self.logprobs) - _reach(texts)) :])
        for switch, text in zip(switches, texts, strict=True):
            if text in tail:
                self.inside, self.marked = None if self.inside else switch, len(self.logprobs)
                return

    def _stopped(self, decode: Decode) -> bool:
        """A stop string of n bytes that was just completed lies in the last n tokens, for every token adds a byte or more."""
        stops = self.request.sampling.stop
        tail = decode(self.sampled[-_reach(stops) :])
        return any(stop in tail for stop in stops) and any(stop in decode(self.sampled) for stop in stops)


def _reach(texts: Sequence[str]) -> int:
    return max(len(text.encode()) for text in texts) + TAIL_SLACK
