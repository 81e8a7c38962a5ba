"""GRPO: the reward relative to its group, in units of the group's standard deviation."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics


def grpo(rewards: Float[Tensor, " batch"], group: Int[Tensor, " batch"], *, epsilon: float = 1e-6) -> Float[Tensor, " batch"]:
    """(r - mean) / (std + epsilon), std with ddof 1.

    Unscored rewards are NaN: they count in neither mean nor deviation and get 0. Groups with fewer than two scored
    rewards, or all the same, get 0. Source: objectives spec, 1.1.
    """
    statistics = group_statistics(rewards, group)
    return torch.where(statistics.alive, (statistics.rewards - statistics.mean) / (statistics.deviation + epsilon), 0.0)
