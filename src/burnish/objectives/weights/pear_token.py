"""PEAR, token form (recommended): each token is weighted by the ratios of the tokens after it; its own is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._pear import CLIP, block_weight


def _pear_token(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return block_weight(batch, {**options, "block": 1.0})


pear_token = Weight(
    name="pear_token",
    function=_pear_token,
    needs=frozenset({"rollout"}),
    formula="exp(clip(log G_t, -10, 5)), log G_t = (T - t) log gamma + sum_{j > t} delta_j, delta = clip(logp - rollout)",
    source="objectives spec, 2 (PEAR; arXiv 2602.01058)",
    defaults={**CLIP, "gamma": 0.999},
)
