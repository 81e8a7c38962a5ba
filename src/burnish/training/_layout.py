"""Rows laid end to end in one sequence: nothing is padded, and a prompt that several rows share is there once.

    prompt A | answer A1 | answer A2 | prompt B with answer B1 | …

Each piece is a segment. A token sees its own segment up to itself and, if the segment continues a shared prompt, all of
that. Positions count from each row's own beginning, so that every row is computed as if it stood alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jaxtyping import Bool
from torch import Tensor

from burnish.training._rows import Row

TILE = 256
"""Most queries of one block of attention scores: bounds their memory for long rows."""


@dataclass(frozen=True)
class Segment:
    """Columns `start … end` of the sequence, continuing the columns `prefix` (empty for the beginning of a row)."""

    start: int
    end: int
    prefix: tuple[int, int] = (0, 0)

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Half-open ranges of at most `TILE` columns."""
        for start in range(self.start, self.end, TILE):
            yield start, min(start + TILE, self.end)


@dataclass(frozen=True)
class Block:
    """Queries that are computed together, the two ranges of keys that they may see, and which of those each must not."""

    queries: slice
    keys: tuple[slice, slice]
    hidden: Bool[Tensor, "queries keys"]


@dataclass
class Layout:
    """A packed sequence. `sources[n]` is the column whose hidden state predicts the n-th learned token, row by row."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    blocks: dict[int | None, list[Block]] = field(default_factory=dict)
    """What `_attention` has worked out from the segments, by sliding window; the same for all layers."""

    def add(self, ids: Sequence[int], position: int, prefix: tuple[int, int] = (0, 0)) -> int:
        """Append a segment whose first token has this position in its row. Returns its first column."""
        start = len(self.ids)
        self.ids.extend(ids)
        self.positions.extend(range(position, position + len(ids)))
        if ids:
            self.segments.append(Segment(start, len(self.ids), prefix))
        return start


def lay_out(rows: Sequence[Row]) -> Layout:
    """Pack rows. Those with the same tokens before their first learned one share that beginning."""
    layout = Layout()
    begins: dict[int, tuple[int, int, int]] = {}
    for prompt, members in by_prompt(rows).items():
        shared = len(prompt) if len(members) > 1 else 0
        first = layout.add(prompt[:shared], 0)
        for index in members:
            row = rows[index]
            begins[index] = first, layout.add(row.ids[shared : row.length], shared, (first, first + shared)), shared
    for index, row in enumerate(rows):
        first, own, shared = begins[index]
        layout.sources.extend(first + p - 1 if p <= shared else own + p - 1 - shared for p in row.positions)
        layout.targets.extend(row.ids[p] for p in row.positions)
    return layout


def by_prompt(rows: Sequence[Row]) -> dict[tuple[int, ...], list[int]]:
    """Indices of rows by what stands before their first learned token, in order of appearance."""
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        found[row.ids[: row.positions[0]] if row.positions else ()].append(index)
    return found


def packed_tokens(rows: Sequence[Row]) -> int:
    """Tokens that `lay_out` would compute."""
    groups = by_prompt(rows)
    repeated = sum(len(prompt) * (len(members) - 1) for prompt, members in groups.items())
    return sum(row.length for row in rows) - repeated
