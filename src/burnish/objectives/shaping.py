"""DAPO's two filters on rewards: a penalty for answers that run too long, and which groups are worth learning from.

Source: objectives spec, 1.2 (overlong shaping, dynamic sampling).
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
