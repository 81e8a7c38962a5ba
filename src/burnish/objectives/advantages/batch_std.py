"""The reward minus its group's mean, in units of the whole batch's standard deviation: no group is blown up ("PPO-lite")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics
from burnish.objectives.base import Advantage, AdvantageBatch


def _batch_std(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, " batch"]:
    groups = group_statistics(batch.reward, batch.group)
    whole = group_statistics(batch.reward, torch.zeros_like(batch.group))
    return torch.where(groups.alive, (groups.rewards - groups.mean) / (whole.deviation + options["epsilon"]), 0.0)


batch_std = Advantage(
    name="batch_std",
    function=_batch_std,
    formula="(r - mean_group(r)) / (std_batch(r) + epsilon)",
    source="objectives spec, 1.1 (batch-std); TRL's scale_rewards=batch",
    defaults={"epsilon": 1e-4},
)
