"""Rejection of whole answers by their mean k3 divergence from the sampler: drift in either direction counts, none cancels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.masked import sequence_mean
from burnish.objectives.weights._ratio import log_rho


def _reject_divergence(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    gap = log_rho(batch)
    divergence = sequence_mean(gap.exp() - gap - 1.0, batch.mask).expand_as(batch.logp)
    kept: Tensor = divergence <= options["upper"]
    return kept.to(batch.mask)


reject_divergence = Weight(
    name="reject_divergence",
    function=_reject_divergence,
    needs=frozenset({"old", "rollout"}),
    formula="1 where mean_t(exp(d) - d - 1) <= upper, else 0; d = old - rollout",
    source="objectives spec, 1.3 (rejection); verl's seq_mean_k3",
    defaults={"upper": 0.01},
)
