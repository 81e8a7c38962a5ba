"""RLOO: the reward minus the mean of the other samples of its group (leave one out); `kl` takes the divergence off first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import kl_to_reference


def _rloo(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, " batch"]:
    rewards = batch.reward - options["kl"] * kl_to_reference(batch) if options["kl"] else batch.reward
    statistics = group_statistics(rewards, batch.group)
    scale = statistics.count / (statistics.count - 1).clamp(min=1)
    return torch.where(statistics.alive, scale * (statistics.rewards - statistics.mean), 0.0)


rloo = Advantage(
    name="rloo",
    function=_rloo,
    also_needs={"kl": frozenset({"mask", "old", "reference"})},
    formula="r' - mean of the others' r' = G / (G - 1) (r' - mean_group(r')), r' = r - kl sum_t(old - reference)",
    source="objectives spec, 1.1 (RLOO; TRL's trainer has kl 0.05); arXiv 2402.14740",
    defaults={"kl": 0.0},
)
