"""Micro-batches: the rows of a step, divided so that each part fits into one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from jaxtyping import Float
from torch import Tensor

from burnish.training._layout import by_prompt, packed_tokens
from burnish.training._rows import Row


@dataclass
class MicroBatch:
    """Rows that go through the model together. What stays the same over the updates of one step is `known`."""

    rows: list[Row]
    known: dict[str, Float[Tensor, "batch time"]] = field(default_factory=dict)
    idle: bool = False
    """Computed only so that other ranks need not wait; counts for nothing."""

    @property
    def tokens(self) -> int:
        """Tokens that are read, without padding and with every shared prompt once."""
        return packed_tokens(self.rows)


def micro_batches(rows: Sequence[Row], token_budget: int, *, together: bool = False, packed: bool = True) -> list[MicroBatch]:
    """Rows in parts of at most `token_budget` tokens (padding counts if not `packed`; a single row may exceed it).

    Rows that share a prompt stay together if they fit. `together`: rows of one group are never divided nor reordered.
    """
    pieces = [piece for unit in _units(rows, together) for piece in _divided(unit, token_budget, together, packed)]
    batches: list[MicroBatch] = []
    for piece in sorted(pieces, key=lambda piece: -max(row.length for row in piece)):
        if batches and _size([*batches[-1].rows, *piece], packed) <= token_budget:
            batches[-1].rows.extend(piece)
        else:
            batches.append(MicroBatch(list(piece)))
    return batches


def _units(rows: Sequence[Row], together: bool) -> list[list[Row]]:
    if together:
        return [list(members) for _, members in groupby(rows, key=lambda row: row.group)]
    return [[rows[index] for index in members] for members in by_prompt(rows).values()]


def _divided(unit: list[Row], budget: int, together: bool, packed: bool) -> list[list[Row]]:
    """One unit, or as few parts of it as fit."""
    if together:
        return [unit]
    parts: list[list[Row]] = []
    for row in sorted(unit, key=lambda row: -row.length):
        if parts and _size([*parts[-1], row], packed) <= budget:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _size(rows: Sequence[Row], packed: bool) -> int:
    return packed_tokens(rows) if packed else len(rows) * max(row.length for row in rows)
