"""PPO with dual clip: what a bad token can cost is bounded too, for samples that are far off-policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.losses._clip import clipped


def _ppo_dual_clip(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    loss = clipped(log_ratio(batch).exp(), batch.advantage, options)
    bounded = torch.minimum(loss, -batch.advantage * options["bound"])
    return torch.where(batch.advantage < 0, bounded, loss)


ppo_dual_clip = Loss(
    name="ppo_dual_clip",
    function=_ppo_dual_clip,
    needs=frozenset({"advantage", "old"}),
    formula="ppo_clip; where A < 0: min(ppo_clip, -A bound)",
    source="objectives spec, 1.2 (dual clip); arXiv 1912.09729; verl's clip_ratio_c, TRL's delta",
    defaults={"epsilon_low": 0.2, "epsilon_high": 0.2, "bound": 3.0},
    silent_at_zero_advantage=True,
)
