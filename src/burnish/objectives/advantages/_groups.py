"""Group statistics that ignore unscored samples. An unscored reward is NaN; it never counts as zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class GroupStatistics:
    """Per sample: its group's mean, standard deviation (ddof 1) and count over scored rewards.

    `alive` marks scored samples of groups with at least two scored rewards that are not all the same.
    `rewards` has 0 where the sample is unscored.
    """

    rewards: Float[Tensor, " batch"]
    mean: Float[Tensor, " batch"]
    deviation: Float[Tensor, " batch"]
    count: Float[Tensor, " batch"]
    alive: Bool[Tensor, " batch"]


def group_statistics(rewards: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> GroupStatistics:
    """Statistics over the scored (non-NaN) rewards of each group. `group` holds any integers; equal means same group."""
    scored = ~rewards.isnan()
    filled = torch.where(scored, rewards, 0.0)
    _, index = torch.unique(group, return_inverse=True)
    size = int(index.max()) + 1 if len(index) else 0
    count = rewards.new_zeros(size).index_add(0, index, scored.to(rewards.dtype))
    mean = rewards.new_zeros(size).index_add(0, index, filled) / count.clamp(min=1)
    centred = torch.where(scored, filled - mean[index], 0.0)
    variance = rewards.new_zeros(size).index_add(0, index, centred**2) / (count - 1).clamp(min=1)
    high = rewards.new_full((size,), -torch.inf).scatter_reduce(0, index, rewards.nan_to_num(nan=-torch.inf), "amax")
    low = rewards.new_full((size,), torch.inf).scatter_reduce(0, index, rewards.nan_to_num(nan=torch.inf), "amin")
    alive = (count >= 2) & (high > low)  # compared exactly: rounding in the mean must not give a constant group a signal
    return GroupStatistics(filled, mean[index], variance.sqrt()[index], count[index], alive[index] & scored)
