"""Length stages: short answers first, then longer ones, with what belongs to each length (AceReason-Nemotron).

Where many answers hit the limit, those must not count as wrong: they are left unscored up to about 16,000 tokens. At
32,000 they count, which teaches brevity. Source: arXiv 2505.16400 and 2506.13284.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.training.curricula.history import stage_at


class LengthStage(Record):
    """One stage. Settings left at None stay as configured."""

    steps: int
    max_tokens: int
    """Most tokens of one completion."""
    drop_truncated: bool = False
    """Leave completions that hit the limit unscored, instead of counting them as wrong."""
    group_size: int | None = None
    temperature: float | None = None


def length_stage(stages: Sequence[LengthStage], step: int) -> LengthStage:
    """The stage that `step` (from 0) falls in; the last one never ends. Raises `InputError` if there is none, or an empty one."""
    return stages[stage_at([stage.steps for stage in stages], step)[0]]


def without_truncated(rewards: Sequence[float | None], truncated: Sequence[bool]) -> list[float | None]:
    """Rewards with None (unscored) where the completion was cut off: it is in no group statistic and has no loss.

    Raises `InputError` if the two are of different lengths.
    """
    if len(rewards) != len(truncated):
        raise InputError(f"There are {len(rewards)} rewards and {len(truncated)} marks of truncation. Give one mark per reward.")
    return [None if cut else reward for reward, cut in zip(rewards, truncated, strict=True)]
