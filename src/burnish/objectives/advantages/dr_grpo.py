"""Dr. GRPO: the reward minus its group's mean, without the division that favours very easy and very hard groups."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics


def dr_grpo(rewards: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """r - mean. Unscored (NaN) rewards, and groups with fewer than two scored ones, get 0. Source: objectives spec, 1.1."""
    statistics = group_statistics(rewards, group)
    return torch.where(statistics.alive, statistics.rewards - statistics.mean, 0.0)
