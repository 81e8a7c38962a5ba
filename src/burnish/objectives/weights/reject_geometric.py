"""Rejection of whole answers by the geometric mean of their tokens' ratios: independent of length; kept answers have weight 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.masked import sequence_mean
from burnish.objectives.weights._ratio import between, log_rho


def _reject_geometric(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    ratio = sequence_mean(log_rho(batch), batch.mask).exp().expand_as(batch.logp)
    return between(ratio, options).to(batch.mask)


reject_geometric = Weight(
    name="reject_geometric",
    function=_reject_geometric,
    needs=frozenset({"old", "rollout"}),
    formula="1 where lower <= exp(mean_t(old - rollout)) <= upper, else 0",
    source="objectives spec, 1.3 (rejection); verl's seq_mean_k1",
    defaults={"lower": 0.99, "upper": 1.01},
)
