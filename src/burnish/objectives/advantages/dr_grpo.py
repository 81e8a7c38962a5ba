"""Dr. GRPO: the reward minus its group's mean, without the division that favours very easy and very hard groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics
from burnish.objectives.base import Advantage, AdvantageBatch


def _dr_grpo(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, " batch"]:
    statistics = group_statistics(batch.reward, batch.group)
    return torch.where(statistics.alive, statistics.rewards - statistics.mean, 0.0)


dr_grpo = Advantage(
    name="dr_grpo",
    function=_dr_grpo,
    formula="r - mean_group(r)",
    source="objectives spec, 1.1 (Dr.GRPO); arXiv 2503.20783",
)
