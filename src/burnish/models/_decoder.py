"""The decoding core: a set of rows that grow by one token per step, over one key-value cache. Single-threaded.

Prefill fills a row's cache with all of its prompt but the last token; the step then treats that token like any sampled one.
A prompt that several rows share is computed and stored once, as their `Prefix`; prompts that only begin alike copy that
beginning. A finished row's slot is taken over by the last row of its bank, so that every bank stays dense.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from burnish.models._attention import MaskBuilder, can_attend, row_attention
from burnish.models._cache import Bank, Banks, Piece, RowCache, Shared, bank_columns, neighbours
from burnish.models._cpu import PackedWeights
from burnish.models._parallel import siblings
from burnish.models._row import Decode, Prefix, Row
from burnish.models._sampling import draw
from burnish.models.base import Completion

SHARED_MIN = 16
"""Fewer shared prompt tokens than this are computed again rather than copied."""

GROUP_MIN = 4
"""Rows with one prompt, arriving together, for which the prompt becomes a prefix; fewer copy it."""

PIECE = 32
"""Most rows that read the same number of columns: reading too many costs time, many pieces cost calls."""

Target = Row | Prefix
T = TypeVar("T", Row, Prefix)
Key = tuple[str, tuple[int, ...], Any]


@dataclass
class Counters:
    """What the engine has done: sums since it was made. `prompt_tokens` are those computed, not those copied or shared.

    `model_s` are seconds in the model and in drawing, `wall_s` those in which some request was in the batch.
    """

    steps: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    model_s: float = 0.0
    wall_s: float = 0.0

    def __sub__(self, other: Counters) -> Counters:
        return Counters(**{name: value - getattr(other, name) for name, value in vars(self).items()})

    @property
    def busy_share(self) -> float:
        """Share of the time with requests that was spent in the model."""
        return self.model_s / self.wall_s if self.wall_s else 0.0

    @property
    def rows_per_step(self) -> float:
        """How full the batch was: rows of the average step."""
        return self.tokens / self.steps if self.steps else 0.0


class Decoder:
    """Holds the running rows. `model` is asked for anew at each pass, so that it may be wrapped while nothing runs."""

    def __init__(
        self,
        model: Callable[[], Any],
        *,
        stop_ids: frozenset[int],
        decode: Decode,
        masks: MaskBuilder,
        limit: int,
        prefill_tokens: int,
        lock: AbstractContextManager[Any],
        packed: PackedWeights | None,
        adapters: Callable[[Sequence[str]], Mapping[str, Any]],
        prefix_tokens: int,
    ) -> None:
        """`lock` is held during each forward pass, in which the model multiplies by `packed` weights.

        `adapters` gives what the model is to be told for rows with these adapters.

        At most `prefix_tokens` tokens of prefixes that no row uses are kept for later requests.
        """
        self._model, self._stop_ids, self._decode, self._masks = model, stop_ids, decode, masks
        self._limit, self.prefill_tokens = limit, prefill_tokens
        self._lock, self._packed, self._adapters, self._prefix_tokens = lock, packed, adapters, prefix_tokens
        self._cache = RowCache()
        self._banks: Banks[Row] = Banks()
        self._prefix_banks: Banks[Prefix] = Banks()
        self.prefixes: dict[Key, Prefix] = {}
        self.counters = Counters()

    @property
    def rows(self) -> list[Row]:
        """The running rows, bank by bank, in the order of their slots."""
        return [row for _, rows in self._banks for row in rows]

    def admit(self, new: Sequence[Row]) -> None:
        """Take rows in: attach them to a shared prefix or copy what is cached already, compute the rest of their prompts."""
        groups: dict[Key, list[Row]] = defaultdict(list)
        for row in new:
            groups[row.key].append(row)
        shared = {key: rows for key, rows in groups.items() if self._sharable(key, rows)}
        singles = [rows for key, rows in groups.items() if key not in shared]
        for prefixes in _waves([self._prefix(key) for key in shared if key not in self.prefixes]):
            self._start(prefixes)
        for key, rows in shared.items():
            for row in rows:
                row.prefix, row.cached = self.prefixes[key], self.prefixes[key].length
                row.prefix.users += 1
        for wave in (*_waves([first for first, *_ in singles]), [row for _, *rest in singles for row in rest]):
            self._start(wave)
        self._start([row for rows in shared.values() for row in rows])

    def step(self) -> list[Row]:
        """Sample one token for every row. Returns the rows that are finished; they have left the batch."""
        rows, started = self.rows, time.perf_counter()
        logits = self._forward(rows, [row.ids[-1:] for row in rows], self._pieces(), self._shared(rows))
        settings = [row.setting() for row in rows]
        uniform = torch.from_numpy(np.array([row.uniform[len(row.logprobs)] for row in rows]))
        drawn = draw(logits[:, -1], settings, uniform)
        columns = [column.tolist() for column in drawn]
        self.counters.model_s += time.perf_counter() - started
        self.counters.steps += 1
        self.counters.tokens += len(rows)
        for row, setting, token, logprob, raw, kept in zip(rows, settings, *columns, strict=True):
            row.add(token, logprob, raw, kept, setting.temperature)
            row.reason = row.look(self._decode, self._stop_ids)
        return self.drop([row for row in rows if row.reason])

    def drop(self, leaving: Iterable[Row]) -> list[Row]:
        """Remove rows from the batch."""
        gone = list(leaving)
        for row in gone:
            self._banks.remove(row, lambda last: last.cached - last.base)
            if row.prefix:
                row.prefix.users -= 1
        if gone:
            self._forget()
        return gone

    def clear(self) -> None:
        """Forget all rows and prefixes and give the cache's memory back."""
        self._banks, self._prefix_banks, self.prefixes = Banks(), Banks(), {}
        self._cache.place((), torch.zeros(0, 0, dtype=torch.long))

    def completion(self, row: Row) -> Completion:
        """What a row has sampled, as the caller sees it."""
        return row.completion(self._decode)

    def score(self, ids: Sequence[int], start: int, temperature: float) -> Float[Tensor, " time"]:
        """log p(ids[t] | ids[:t]) for t ≥ start, in pieces of the sequence."""
        target = Prefix("", ids)
        target.bank = Bank(len(ids) + 1, 1)
        parts = []
        for begin in range(0, len(ids) - 1, self.prefill_tokens):
            piece = list(ids[begin : begin + self.prefill_tokens][: len(ids) - 1 - begin])
            keep = begin + len(piece) - max(start - 1, begin)
            logits = self._forward([target], [piece], [Piece(target.bank, 0, 1, begin + len(piece))], keep=max(keep, 1))
            target.cached += len(piece)
            if keep > 0:
                parts.append(_token_logprobs(logits[0], ids[begin + len(piece) - keep + 1 : begin + len(piece) + 1], temperature))
        return torch.cat(parts) if parts else torch.zeros(0)

    def _sharable(self, key: Key, rows: Sequence[Row]) -> bool:
        able = can_attend(self._model()) and not self._masks.slides and not rows[0].positions and len(rows[0].ids) > SHARED_MIN
        return able and (key in self.prefixes or len(rows) >= GROUP_MIN)

    def _prefix(self, key: Key) -> Prefix:
        """A new prefix; its slot has at least one column more than tokens, for what padding writes."""
        prefix = self.prefixes[key] = Prefix(key[0], key[1])
        columns = bank_columns(len(prefix.ids))
        self._prefix_banks.add(prefix, columns, columns)
        for bank, members in self._prefix_banks:
            bank.reserve(len(members))
        return prefix

    def _forget(self) -> None:
        """Let go of the oldest prefixes that no row uses, until the rest is small enough."""
        idle = [(key, prefix) for key, prefix in self.prefixes.items() if not prefix.users]
        spare = sum(prefix.length for _, prefix in idle) - self._prefix_tokens
        for key, prefix in idle:
            if spare <= 0:
                break
            spare -= prefix.length
            self._prefix_banks.remove(prefix, lambda last: last.cached)
            del self.prefixes[key]

    def _start(self, wave: Sequence[Target]) -> None:
        """Copy the longest beginning that is cached somewhere, give rows their slots, then prefill the rest."""
        donors: list[Target] = [*self.rows, *self.prefixes.values()]
        origins: dict[Target, Target] = {}
        for target in wave:
            shared = [] if target.cached else [_shared(target, other) for other in donors]
            if shared and max(shared) >= SHARED_MIN:
                target.cached = max(shared)
                origins[target] = donors[shared.index(target.cached)]
        ordered = sorted(wave, key=lambda target: len(target.ids) - target.cached)
        self._place([target for target in ordered if isinstance(target, Row)])
        for target in ordered:
            if target in origins:
                self._copy(origins[target], target)
        self._prefill(ordered)

    def _place(self, rows: Sequence[Row]) -> None:
        """Slots for new rows: in the bank for their length or, if the model's own attention is used, all in one bank."""
        banked = can_attend(self._model())
        for row in rows:
            columns = bank_columns(row.end - row.base)
            self._banks.add(row, columns if banked else 0, columns)
        for bank, members in self._banks:
            bank.reserve(len(members), max((bank_columns(row.end - row.base) for row in members), default=0))

    def _copy(self, origin: Target, target: Target) -> None:
        """Copy the first `target.cached` tokens, which may lie partly in the origin's own prefix."""
        assert origin.bank is not None
        assert target.bank is not None
        if isinstance(origin, Row) and origin.prefix and origin.base < target.cached:
            own = target.cached - origin.base
            origin.prefix.bank.copy(origin.prefix.slot, target.bank, target.slot, origin.base)
            origin.bank.copy(origin.slot, target.bank, target.slot, own, at=origin.base)
        elif isinstance(origin, Row) and origin.prefix:
            origin.prefix.bank.copy(origin.prefix.slot, target.bank, target.slot, target.cached)
        else:
            origin.bank.copy(origin.slot, target.bank, target.slot, target.cached)

    def _prefill(self, wave: Sequence[Target]) -> None:
        """Compute all but the last prompt token, in rectangles of about equal lengths."""
        group: list[Any] = []
        for target in wave:
            if group and (len(group) + 1) * (len(target.ids) - target.cached) > self.prefill_tokens:
                self._fill(group)
                group = []
            group.append(target)
        self._fill(group)

    def _fill(self, group: Sequence[Any]) -> None:
        while any(target.cached < len(target.ids) - 1 for target in group):
            tokens = [list(target.ids[target.cached : -1][: self.prefill_tokens]) for target in group]
            started = time.perf_counter()
            ends = [target.cached - target.base + len(piece) for target, piece in zip(group, tokens, strict=True)]
            self._forward(
                group, tokens, neighbours([Piece(target.bank, target.slot, 1, end) for target, end in zip(group, ends, strict=True)])
            )
            for target, piece in zip(group, tokens, strict=True):
                target.cached += len(piece)
            self.counters.model_s += time.perf_counter() - started
            self.counters.prompt_tokens += sum(map(len, tokens))

    def _pieces(self) -> list[Piece]:
        """All running rows, cut where their lengths may differ; one piece if the model's own attention reads them."""
        pieces = []
        size = PIECE if can_attend(self._model()) else 1 << 31
        for bank, rows in self._banks:
            for first in range(0, len(rows), size):
                some = rows[first : first + size]
                pieces.append(Piece(bank, first, len(some), max(row.cached - row.base for row in some) + 1))
        return pieces

    def _shared(self, rows: Sequence[Row]) -> list[Shared]:
        """Prefixes in use, side by side in their bank and used by about equally many rows, together."""
        users: dict[Prefix, list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            if row.prefix:
                users[row.prefix].append(number)
        found, run, device = [], list[Prefix](), self._model().device
        for prefix in [prefix for _, members in self._prefix_banks for prefix in members if prefix in users] + [None]:
            if run and (prefix is None or not _fits(run, prefix, users)):
                lengths, using = [one.length for one in run], [users[one] for one in run]
                found.append(Shared.of(run[0].bank, run[0].slot, lengths, using, device))
                run = []
            if prefix is not None:
                run.append(prefix)
        return found

    def _forward(
        self,
        targets: Sequence[Target],
        tokens: Sequence[Sequence[int]],
        pieces: Sequence[Piece],
        shared: Sequence[Shared] = (),
        keep: int = 1,
    ) -> Float[Tensor, "rows keep vocabulary"]:
        """Logits of the last `keep` columns for the targets that lie in `pieces`; shorter token lists are padded at their end.

        What padding writes lies beyond its row's length, where it is hidden until overwritten.
        """
        model = self._model()
        if model.training:  # the trainer left it so; dropout has no place in sampling
            model.eval()
        banked, steps, device = can_attend(model), max(map(len, tokens)), model.device
        ids = torch.tensor([[*some, *[0] * (steps - len(some))] for some in tokens], device=device)
        columns = torch.tensor([[target.cached - target.base] for target in targets], device=device) + torch.arange(steps, device=device)
        room = torch.tensor([[piece.bank.columns] for piece in pieces for _ in range(piece.count)], device=device)
        columns = columns.minimum(room - 1)
        width = max(piece.width for piece in pieces)
        self._cache.place(pieces, columns, shared)
        attention = row_attention(model) if banked else nullcontext()
        with self._lock, attention, self._packed.used_by(model) if self._packed else nullcontext():
            output = model(
                input_ids=ids,
                attention_mask=self._masks(columns, width, model.dtype, _barred(targets, steps, width, device)),
                position_ids=_positions(targets, steps, self._limit, device),
                use_cache=True,
                logits_to_keep=keep,
                **{_cache_name(model): self._cache},
                **({"rows": self._cache} if banked else {}),
                **self._adapters([target.adapter for target in targets]),
            )
        logits: Tensor = output.logits[:, -keep:]
        return logits


def _cache_name(model: Any) -> str:
    """transformers has renamed the argument that takes the cache."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    kind: Any = type(base)
    return _cache_argument(kind)


@functools.cache
def _cache_argument(kind: Any) -> str:
    return "cache" if "cache" in inspect.signature(kind.forward).parameters else "past_key_values"


def _positions(targets: Sequence[Any], steps: int, limit: int, device: torch.device) -> Int[Tensor, "rows time"]:
    """Position ids of the next `steps` tokens of each target; those of padding are only kept within the limit."""
    starts = [[target.cached + target.shift] for target in targets]
    positions = torch.tensor(starts, device=device) + torch.arange(steps, device=device)
    for number, target in enumerate(targets):
        known = target.positions[target.cached : target.cached + steps]
        positions[number, : len(known)] = torch.tensor(known, dtype=torch.long, device=device)
    return positions.clamp(0, limit - 1)


def _barred(targets: Sequence[Any], steps: int, width: int, device: torch.device) -> Bool[Tensor, "rows time width"] | None:
    """What tokens of parallel paths must not see; None if no target has paths ahead of it."""
    if not any(target.cached < len(target.positions) - 1 for target in targets):
        return None
    barred = torch.zeros(len(targets), steps, width, dtype=torch.bool, device=device)
    for number, target in enumerate(targets):
        if target.positions:
            rows = siblings(target.start, target.request.parallel)[target.cached : target.cached + steps, :width]
            barred[number, : rows.shape[0], : rows.shape[1]] = rows.to(device)
    return barred


def _fits(run: Sequence[Prefix], prefix: Prefix, users: Mapping[Prefix, Sequence[int]]) -> bool:
    """Whether `prefix` lies beside the last of `run`, and at most half of the places for rows would be padding then."""
    counts = [len(users[one]) for one in (*run, prefix)]
    beside = prefix.bank is run[-1].bank and prefix.slot == run[-1].slot + 1
    return beside and max(counts) * len(counts) <= 2 * sum(counts)


def _waves(targets: Sequence[T]) -> tuple[list[T], list[T]]:
    """Those to be computed first, and those that begin like one of them and can copy that beginning then."""
    leaders: list[T] = []
    followers: list[T] = []
    for target in targets:
        alike = any(row.adapter == target.adapter and common_prefix(row.ids, target.ids) >= SHARED_MIN for row in leaders)
        (followers if alike else leaders).append(target)
    return leaders, followers


def _shared(row: Target, other: Target) -> int:
    """How many first tokens of `row`'s prompt, without its last, `other` has cached, alone or in its prefix."""
    if row.adapter != other.adapter:
        return 0
    return min(common_prefix(row.ids[:-1], other.ids[: other.cached]), row.plain, other.plain)


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning of two sequences, by bisection over slices (compared in C)."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if list(a[low:middle]) == list(b[low:middle]) else (low, middle - 1)
    return low


def _token_logprobs(logits: Float[Tensor, "time vocabulary"], ids: Sequence[int], temperature: float) -> Float[Tensor, " time"]:
    scaled = logits.float() / (temperature or 1.0)
    chosen = scaled.gather(-1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]
    return (chosen - scaled.logsumexp(-1)).cpu()
