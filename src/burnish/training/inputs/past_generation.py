"""Past-generation mask of CYCLE: part of the model's own faulty program is hidden, so that it cannot just copy it.

Two forms: later tokens cannot attend to the hidden ones (`attention.causal_attention`), or these are replaced by another
token. Draw anew in every epoch. The loss mask is untouched: the faulty program is context. Source: arXiv 2403.18746.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence

from burnish.core.errors import InputError

SHARE = 0.05
"""Share of the faulty program's tokens to hide. From memory of the paper, not verified."""


def faulty_span(ids: Sequence[int], marker: Sequence[int], end: int) -> tuple[int, int]:
    """From the first token of `marker` (the heading before the faulty program) to `end`, where the prompt ends.

    Empty if the marker is not there: a sample that repairs nothing hides nothing.
    """
    starts = range(end - len(marker) + 1)
    return next((start for start in starts if tuple(ids[start : start + len(marker)]) == tuple(marker)), end), end


def hidden_count(tokens: int, share: float) -> int:
    """floor(share tokens + 0.5), and at least 1 if both are positive."""
    return max(math.floor(share * tokens + 0.5), 1) if share > 0 and tokens > 0 else 0


def hidden_positions(span: tuple[int, int], rng: random.Random, *, share: float = SHARE, independent: bool = False) -> tuple[int, ...]:
    """Positions to hide within the half-open `span` of the faulty program, ascending. `share` 0 hides none.

    Exactly `hidden_count` of them; with `independent` each with probability `share`, as the authors' code does.
    Raises `InputError` for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError(f"The share of hidden tokens is {share}; it must be between 0 and 1.")
    positions = range(*span)
    if independent:
        return tuple(position for position in positions if rng.random() < share)
    return tuple(sorted(rng.sample(positions, hidden_count(len(positions), share))))


def replaced(ids: Sequence[int], hidden: Collection[int], replacement: int) -> tuple[int, ...]:
    """The ids with `replacement` (a mask or padding token) at the hidden positions: for engines without custom attention."""
    return tuple(replacement if position in hidden else token for position, token in enumerate(ids))
