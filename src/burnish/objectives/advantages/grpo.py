"""GRPO: the reward relative to its group, in units of the group's standard deviation (ddof 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics
from burnish.objectives.base import Advantage, AdvantageBatch


def _grpo(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, " batch"]:
    statistics = group_statistics(batch.reward, batch.group)
    relative = (statistics.rewards - statistics.mean) / (statistics.deviation + options["epsilon"])
    return torch.where(statistics.alive, relative, 0.0)


grpo = Advantage(
    name="grpo",
    function=_grpo,
    formula="(r - mean_group(r)) / (std_group(r) + epsilon)",
    source="objectives spec, 1.1 (GRPO); arXiv 2402.03300",
    defaults={"epsilon": 1e-6},
)
