"""Rewards shaped by more than the outcome, and which groups are worth learning from. Pure functions of numbers already measured.

Sources: objectives spec, 1.2 (overlong shaping, dynamic sampling) and MRT (progress, regret).
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

from burnish.core.errors import InputError
from burnish.objectives.advantages._groups import group_statistics


def overlong_penalty(lengths: Float[Tensor, " batch"], *, limit: int, buffer: int, factor: float = 1.0) -> Float[Tensor, " batch"]:
    """0 up to `limit` - `buffer` tokens, then falling by `factor` / `buffer` per token: min(0, (limit - buffer - n) / buffer factor).

    DAPO adds it to the reward, with a limit of 16,384 and a buffer of 4,096 tokens. Raises `InputError` unless 0 < buffer <= limit.
    """
    if not 0 < buffer <= limit:
        raise InputError(f"The overlong buffer is {buffer} tokens of a limit of {limit}. It must be at least 1 and at most the limit.")
    return ((limit - buffer - lengths) / buffer * factor).clamp(max=0.0)


def informative(rewards: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
    """Dynamic sampling: True for the scored samples of groups whose scored rewards are not all the same.

    The others have no group advantage. DAPO drops them and samples further groups until the batch is full.
    """
    return group_statistics(rewards, group).alive


def progress(success: Float[Tensor, "*batch prefixes"]) -> Float[Tensor, "*batch episodes"]:
    """What each episode of reasoning added: the success of a forced answer after it, minus that before it."""
    return success.diff(dim=-1)


def progress_reward(
    outcome: Float[Tensor, " batch"], before: Float[Tensor, " batch"], after: Float[Tensor, " batch"], *, alpha: float
) -> Float[Tensor, " batch"]:
    """MRT's reward of a continuation: outcome + alpha (after - before), the success of a forced answer at its end and at its start."""
    return outcome + alpha * (after - before)


def cumulative_regret(success: Float[Tensor, "*batch prefixes"], best: Float[Tensor, "*batch prefixes"]) -> Float[Tensor, "*batch"]:
    """How much success an ideal use of the same budgets would have added, summed over the prefixes. Divide by their number to compare."""
    return (best - success).sum(dim=-1)
