"""What has come of one completion asked of a server, put together without losing or guessing anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from burnish.core.errors import PolicyError
from burnish.core.records import Sampling
from burnish.models.base import Completion, Request


class Unfinished(Exception):
    """The stream ended before the server had said why the completion ends."""


@dataclass
class Answer:
    """Text, and ids with log-probabilities if they were asked for and told (None: this one was not).

    `finish` is the protocol's `stop` or `length`; `ended` is our stop reason where the server tells it.
    """

    text: str = ""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float | None] = field(default_factory=list)
    finish: str | None = None
    ended: str = ""
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Add one piece of a stream. The last piece has the usage and no choice."""
        usage = chunk.get("usage") or {}
        self.tokens_in = usage.get("prompt_tokens", self.tokens_in)
        self.tokens_out = usage.get("completion_tokens", self.tokens_out)
        for choice in chunk.get("choices") or ():
            self.text += (choice.get("delta") or {}).get("content") or choice.get("text") or ""
            self.finish = choice.get("finish_reason") or self.finish
            ids = choice.get("token_ids") or ()
            self.ids += ids
            self.logprobs += (choice.get("logprobs") or {}).get("token_logprobs") or [None] * len(ids)

    def stop_reason(self, stops: Collection[str], stop_ids: Collection[int]) -> str:
        """`eos`, `stop` or `length`. Raises `PolicyError` for a reason that makes the text unusable (a content filter).

        The protocol says `stop` for the end of a turn and for a stop string. The last id tells them apart; where there is
        none, `stop` stands if stop strings were asked for.
        """
        if self.ended:
            return self.ended
        if self.finish == "length":
            return "length"
        if self.finish != "stop":
            raise PolicyError(f"The server ended a completion for the reason {self.finish!r}; its text cannot be used.")
        if self.ids:
            return "eos" if self.ids[-1] in stop_ids else "stop"
        return "stop" if stops else "eos"


def with_forced(completion: Completion, request: Request, decode: Callable[[Sequence[int]], str]) -> Completion:
    """The completion with the beginning and the end that its request forced; engines that only sample on are given the prefix to read.

    Where the ids of what was sampled are not known, those of the whole are not either: then only the text has them.
    """
    prefix, suffix = request.prefix_ids, request.suffix_ids if completion.stop_reason == "length" else ()
    if not prefix and not suffix:
        return completion
    ids = (*prefix, *completion.ids, *suffix) if completion.knows_ids else ()
    forced = [(0, len(prefix)), (len(ids) - len(suffix), len(ids))] if ids else []
    return msgspec.structs.replace(
        completion,
        ids=ids,
        text=(decode(prefix) if prefix else "") + completion.text + (decode(suffix) if suffix else ""),
        forced=tuple(piece for piece in forced if piece[0] < piece[1]),
    )


def as_drawn(completion: Completion, sampling: Sampling) -> Completion:
    """The completion of an engine that tells log-probabilities as drawn only, so neither those at temperature 1 nor the mass kept.

    At temperature 0 both are known, for the log-probability is that of temperature 1 over the whole vocabulary.
    """
    unknown = (None,) * len(completion.logprobs)
    truncated = sampling.truncated and (sampling.temperature > 0 or sampling.constraint is not None)
    warm = truncated or sampling.temperature not in (0.0, 1.0)
    return msgspec.structs.replace(completion, kept=unknown if truncated else (), raw_logprobs=unknown if warm else ())


def check_kept(answer: Answer, sampling: Sampling) -> None:
    """Raise `PolicyError` if a whole answer is no JSON although a schema was asked for: servers pass over schemas that they do not know."""
    constraint = sampling.constraint
    whole = answer.ended == "eos" or (not answer.ended and answer.finish == "stop" and not sampling.stop)
    if constraint is None or constraint.kind != "json" or not whole:
        return
    try:
        json.loads(answer.text)
    except ValueError as error:
        raise PolicyError(f"The server did not keep to the JSON schema {constraint.text!r}: its answer is no JSON ({error}).") from None


def aligned(ids: Sequence[int], told: Sequence[tuple[int, float]]) -> list[float | None]:
    """One log-probability per id, given those of some of them in order; None where it is missing or might be another's.

    `told` is matched as early and as late in `ids` as possible. Where both agree there is no other way to read it.
    """
    early, late = _places(ids, told), _places(ids[::-1], told[::-1])
    found: list[float | None] = [None] * len(ids)
    if len(early) == len(told):
        for place, mirrored, (_, logprob) in zip(early, reversed(late), told, strict=True):
            if place == len(ids) - 1 - mirrored:
                found[place] = logprob
    return found


def _places(ids: Sequence[int], told: Sequence[tuple[int, float]]) -> list[int]:
    """Where each of `told` is first found, going on from the one before; shorter if one is not found."""
    places: list[int] = []
    for place, token in enumerate(ids):
        if len(places) < len(told) and token == told[len(places)][0]:
            places.append(place)
    return places
