"""Adaptive batch: draw as many groups as will probably leave a full batch after filtering (CodeV-R1).

Two keep rates are remembered: that of whole steps, and the worst within this one. As published the former only ever falls;
with `recovery` it follows what is observed. Source: arXiv 2505.24183.
"""

from __future__ import annotations

import math

from burnish.core.errors import InputError
from burnish.core.records import Record


class KeepRate(Record):
    """Rates of kept to drawn groups, and the counts of the step that is being filled."""

    of_steps: float = 1.0
    within_step: float = 1.0
    kept: int = 0
    drawn: int = 0


def groups_to_draw(state: KeepRate, wanted: int, *, most: int | None = None) -> int:
    """How many groups to sample next, so that a step gets `wanted` kept ones; 0 if it has them. At most `most` at once."""
    need = max(wanted - state.kept, 0)
    draws = math.ceil(need / min(state.of_steps, state.within_step))
    return draws if most is None else min(draws, most)


def after_draw(state: KeepRate, wanted: int, *, drawn: int, kept: int, recovery: float = 0.0) -> KeepRate:
    """The state after `drawn` groups of which the filter kept `kept`. When the step is full, its counts start again from 0.

    `recovery` is the weight of a step's rate in a moving average; 0 takes the lowest rate ever seen. A draw of which nothing
    was kept counts as one kept, so that the next one is larger but finite. Raises `InputError` for impossible counts.
    """
    if not 0 <= kept <= drawn or drawn < 1:
        raise InputError(f"Of {drawn} drawn groups {kept} were kept: draw at least 1, and keep no more than were drawn.")
    total_kept, total_drawn = state.kept + kept, state.drawn + drawn
    within = min(state.within_step, max(kept, 1) / drawn)
    if total_kept < wanted:
        return KeepRate(of_steps=state.of_steps, within_step=within, kept=total_kept, drawn=total_drawn)
    rate = total_kept / total_drawn
    of_steps = (1.0 - recovery) * state.of_steps + recovery * rate if recovery else min(state.of_steps, rate)
    return KeepRate(of_steps=of_steps)
