"""MaxRL: the reward relative to its group's mean success, in units of that mean: rare successes weigh most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.objectives.advantages._groups import group_statistics
from burnish.objectives.base import Advantage, AdvantageBatch


def _maxrl(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, " batch"]:
    if (batch.reward < 0).any():
        lowest = float(batch.reward.nan_to_num(nan=0.0).min())
        raise InputError(f"MaxRL divides by the mean reward, so no reward may be negative; one is {lowest:g}. Give a failure 0.")
    statistics = group_statistics(batch.reward, batch.group)
    relative = (statistics.rewards - statistics.mean) / (statistics.mean + options["epsilon"])
    return torch.where(statistics.alive, relative, 0.0)


maxrl = Advantage(
    name="maxrl",
    function=_maxrl,
    formula="(r - mean_group(r)) / (mean_group(r) + epsilon), r >= 0",
    source="arXiv 2602.02710",
    defaults={"epsilon": 1e-6},
)
