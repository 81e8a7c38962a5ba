"""RLOO: the reward minus the mean of the other samples of its group (leave one out)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics


def rloo(rewards: Float[Tensor, " batch"], group: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """r - mean of the others = G / (G - 1) (r - mean) over the G scored samples. Unscored (NaN) rewards get 0.

    Groups with fewer than two scored rewards get 0. Source: objectives spec, 1.1.
    """
    statistics = group_statistics(rewards, group)
    scale = statistics.count / (statistics.count - 1).clamp(min=1)
    return torch.where(statistics.alive, scale * (statistics.rewards - statistics.mean), 0.0)
