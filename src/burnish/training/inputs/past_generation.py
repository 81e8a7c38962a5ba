"""Past-generation mask of CYCLE: part of the model's own faulty program is hidden, so that it cannot just copy it.

Where it is: `meta["faulty"]`, its text as the prompt has it, else from CYCLE's first heading to its last; an example with
neither is read as ever. Hidden tokens cannot be seen by later ones, or (`replacement`, a token id) are replaced by another.
They are drawn anew in every pass. The loss mask is untouched: the faulty program is context.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.signals.cycle import BAD, GOOD
from burnish.training._rows import Row, View
from burnish.training.inputs._texts import place_of
from burnish.training.inputs.base import Input

SHARE = 0.05
"""Share of the faulty program's tokens to hide. From memory of the paper, not verified."""


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


def faulty_span(renderer: Renderer, prompt: Sequence[int], faulty: str | None) -> tuple[int, int] | None:
    """The tokens of the faulty program in a prompt: those of its text, or from CYCLE's first heading to its last. None: it holds none.

    Raises `InputError` if `faulty` is given, but is not in the prompt.
    """
    place = place_of(renderer, prompt, BAD if faulty is None else faulty)
    if faulty is None:
        end = place_of(renderer, prompt, GOOD)
        return None if place is None else (place[0], end[1] if end is not None and end > place else len(prompt))
    if place is None:
        raise InputError("meta['faulty'] is not in the prompt of its example. Write it exactly as the prompt has it.")
    return place


def _past_generation(row: Row, example: Example, renderer: Renderer, dice: random.Random, options: Mapping[str, float]) -> Row:
    span = faulty_span(renderer, row.ids[: row.positions[0]], example.meta.get("faulty"))
    if span is None:
        return row
    hidden = hidden_positions(span, dice, share=options["share"], independent=bool(options["independent"]))
    if options["replacement"] >= 0:
        return replace(row, ids=replaced(row.ids, hidden, int(options["replacement"])))
    return replace(row, view=replace(row.view or View(), hidden=hidden)) if hidden else row


past_generation = Input(
    name="past_generation",
    function=_past_generation,
    drawn=True,
    measured=False,
    formula="floor(share n + 0.5) of the n tokens of the faulty program are hidden; if independent each with probability share",
    source="objectives spec, 2 (CYCLE; arXiv 2403.18746; share from memory)",
    defaults={"share": SHARE, "independent": 0.0, "replacement": -1.0},
)
