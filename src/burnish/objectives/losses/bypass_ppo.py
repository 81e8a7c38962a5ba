"""PPO without a second forward pass: the sampler's own log-probabilities are the ones that the ratio is clipped around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch
from burnish.objectives.losses._clip import CLIP
from burnish.objectives.losses.ppo_clip import ppo_clip


def _bypass_ppo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.rollout is not None
    return ppo_clip.function(replace(batch, old=batch.rollout), options)


bypass_ppo = replace(
    ppo_clip,
    name="bypass_ppo",
    function=_bypass_ppo,
    needs=frozenset({"advantage", "rollout"}),
    formula=f"{CLIP}, r = exp(logp - rollout)",
    source="objectives spec, 1.3 (bypass PPO); verl's bypass_mode",
)
