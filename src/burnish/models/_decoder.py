"""The decoding core: a set of rows that grow by one token per step, over one shared key-value cache. Single-threaded.

Prefill fills a row's cache with all of its prompt but the last token; the step then treats that token like any sampled one,
so rows that share a prompt cost one copy instead of one prefill. Prompts that share a beginning copy that beginning.
A finished row's slot is taken over by the last row, so that the batch stays dense.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from burnish.models._cache import MaskBuilder, RowCache
from burnish.models._sampling import draw
from burnish.models.base import Completion, Request

SHARED_MIN = 16
"""Fewer shared prompt tokens than this are computed again rather than copied."""

TAIL_SLACK = 3
"""Tokens decoded in front of a possible stop string, so that a character cut in two does not hide its beginning."""


@dataclass(eq=False)
class Row:
    """One request being answered: its token ids so far, how many of them are cached, and its own random numbers."""

    request: Request
    future: Future[Completion]
    submitted: float = field(default_factory=time.monotonic)
    version: str = ""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    cached: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        self.ids = list(self.request.prompt_ids)
        sampling = self.request.sampling
        self.uniform = np.random.default_rng(sampling.seed % 2**64).random(sampling.max_tokens)

    @property
    def end(self) -> int:
        """Positions this row may come to need."""
        return len(self.request.prompt_ids) + self.request.sampling.max_tokens

    @property
    def sampled(self) -> list[int]:
        """The ids sampled so far."""
        return self.ids[len(self.request.prompt_ids) :]


class Decoder:
    """Holds the running rows. `model` is asked for anew at each pass, so that it may be wrapped while nothing runs."""

    def __init__(
        self,
        model: Callable[[], Any],
        *,
        stop_ids: frozenset[int],
        decode: Callable[[Sequence[int]], str],
        masks: MaskBuilder,
        limit: int,
        prefill_tokens: int,
    ) -> None:
        self.rows: list[Row] = []
        self._model, self._stop_ids, self._decode, self._masks = model, stop_ids, decode, masks
        self._limit, self._prefill_tokens = limit, prefill_tokens
        self._cache = RowCache()

    def admit(self, new: Sequence[Row]) -> None:
        """Take rows in: copy what is cached already, compute the rest of their prompts."""
        self._cache.reserve(len(self.rows) + len(new), max(row.end for row in (*self.rows, *new)))
        first: dict[tuple[int, ...], Row] = {}
        copies = [row for row in new if first.setdefault(row.request.prompt_ids, row) is not row]
        leaders: list[Row] = []
        followers: list[Row] = []
        for row in first.values():
            (followers if any(common_prefix(row.ids, leader.ids) >= SHARED_MIN for leader in leaders) else leaders).append(row)
        for wave in (leaders, followers, copies):
            self._start(wave)

    def step(self) -> list[Row]:
        """Sample one token for every row. Returns the rows that are finished; they have left the batch."""
        rows = self.rows
        logits = self._forward(0, [row.ids[-1:] for row in rows], [row.cached for row in rows])
        settings = [row.request.sampling for row in rows]
        tokens, logprobs = draw(
            logits[:, -1],
            torch.tensor([sampling.temperature for sampling in settings]),
            torch.tensor([sampling.top_p for sampling in settings]),
            torch.from_numpy(np.array([row.uniform[len(row.logprobs)] for row in rows])),
        )
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.cached += 1
            row.ids.append(token)
            row.logprobs.append(logprob)
            row.reason = self._reason(row)
        return self.drop([row for row in rows if row.reason])

    def drop(self, leaving: Iterable[Row]) -> list[Row]:
        """Remove rows from the batch. The last row takes each freed slot."""
        gone = list(leaving)
        for row in gone:
            slot, last = self.rows.index(row), self.rows.pop()
            if last is not row:
                self._cache.copy(len(self.rows), slot, last.cached)
                self.rows[slot] = last
        return gone

    def clear(self) -> None:
        """Forget all rows and give the cache's memory back."""
        self.rows = []
        self._cache.clear()

    def completion(self, row: Row) -> Completion:
        """What a finished row has sampled, as the caller sees it."""
        ids = row.sampled
        text = self._decode(ids[:-1] if row.reason == "eos" else ids)
        cuts = [text.find(stop) for stop in row.request.sampling.stop if stop in text] if row.reason == "stop" else []
        return Completion(
            ids=tuple(ids),
            text=text[: min(cuts)] if cuts else text,
            logprobs=tuple(row.logprobs),
            stop_reason=row.reason,
            policy_version=row.version,
            wall_s=time.monotonic() - row.submitted,
        )

    def score(self, ids: Sequence[int], start: int, temperature: float) -> Float[Tensor, " time"]:
        """log p(ids[t] | ids[:t]) for t ≥ start, in pieces of the sequence; needs an empty batch or a decoder of its own."""
        self._cache.reserve(1, len(ids))
        parts = []
        for begin in range(0, len(ids) - 1, self._prefill_tokens):
            piece = list(ids[begin : begin + self._prefill_tokens][: len(ids) - 1 - begin])
            keep = begin + len(piece) - max(start - 1, begin)
            logits = self._forward(0, [piece], [begin], keep=max(keep, 1))
            if keep > 0:
                parts.append(_token_logprobs(logits[0], ids[begin + len(piece) - keep + 1 : begin + len(piece) + 1], temperature))
        return torch.cat(parts) if parts else torch.zeros(0)

    def _start(self, wave: list[Row]) -> None:
        """Give rows their slots: copy the longest beginning that a running row has cached, then prefill the rest."""
        donors = {row: max(self.rows, key=lambda other: _shared(row, other), default=row) for row in wave}
        for row, donor in donors.items():
            length = _shared(row, donor) if donor is not row else 0
            row.cached = length if length >= SHARED_MIN else 0
        wave = sorted(wave, key=lambda row: len(row.ids) - row.cached)
        for row in wave:
            if row.cached:
                self._cache.copy(self.rows.index(donors[row]), len(self.rows), row.cached)
            self.rows.append(row)
        self._prefill(wave)

    def _prefill(self, wave: Sequence[Row]) -> None:
        """Compute all but the last prompt token of rows in neighbouring slots, in rectangles of about equal lengths."""
        group: list[Row] = []
        for row in wave:
            if group and (len(group) + 1) * (len(row.ids) - row.cached) > self._prefill_tokens:
                self._fill(group)
                group = []
            group.append(row)
        self._fill(group)

    def _fill(self, group: Sequence[Row]) -> None:
        while any(row.cached < len(row.ids) - 1 for row in group):
            pieces = [row.ids[row.cached : -1][: self._prefill_tokens] for row in group]
            self._forward(self.rows.index(group[0]), pieces, [row.cached for row in group])
            for row, piece in zip(group, pieces, strict=True):
                row.cached += len(piece)

    def _forward(
        self, first: int, pieces: Sequence[Sequence[int]], starts: Sequence[int], keep: int = 1
    ) -> Float[Tensor, "rows keep vocabulary"]:
        """Logits of the last `keep` columns for the rows from slot `first` on; shorter pieces are padded at their end.

        What padding writes lies beyond its row's length, where it is hidden until overwritten.
        """
        model = self._model()
        if model.training:  # the trainer left it so; dropout has no place in sampling
            model.eval()
        device = model.device
        time_steps = max(map(len, pieces))
        ids = torch.tensor([[*piece, *[0] * (time_steps - len(piece))] for piece in pieces], device=device)
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(time_steps, device=device)
        positions = positions.clamp(max=min(self._limit, self._cache.columns) - 1)
        width = max(start + len(piece) for start, piece in zip(starts, pieces, strict=True))
        self._cache.place(first, positions, width)
        output = model(
            input_ids=ids,
            attention_mask=self._masks(positions, width, model.dtype),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: Tensor = output.logits[:, -keep:]
        return logits

    def _reason(self, row: Row) -> str:
        if row.ids[-1] in self._stop_ids:
            return "eos"
        if row.request.sampling.stop and self._stopped(row):
            return "stop"
        return "length" if len(row.logprobs) >= row.request.sampling.max_tokens else ""

    def _stopped(self, row: Row) -> bool:
        """A stop string of n bytes that was just completed lies in the last n tokens, for every token adds a byte or more."""
        stops = row.request.sampling.stop
        tail = self._decode(row.sampled[-max(len(stop.encode()) for stop in stops) - TAIL_SLACK :])
        return any(stop in tail for stop in stops) and any(stop in self._decode(row.sampled) for stop in stops)


def _shared(row: Row, other: Row) -> int:
    """How many first tokens of `row`'s prompt, without its last, `other` has in its cache."""
    return common_prefix(row.ids[:-1], other.ids[: other.cached])


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning of two sequences, by bisection over slices (compared in C)."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _token_logprobs(logits: Float[Tensor, "time vocabulary"], ids: Sequence[int], temperature: float) -> Float[Tensor, " time"]:
    scaled = logits.float() / (temperature or 1.0)
    chosen = scaled.gather(-1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]
    return (chosen - scaled.logsumexp(-1)).cpu()
