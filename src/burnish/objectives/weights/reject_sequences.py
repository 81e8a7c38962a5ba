"""Rejection of whole answers by the product of their tokens' ratios; what is kept has weight 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._ratio import between, sequence_rho


def _reject_sequences(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return between(sequence_rho(batch), options).to(batch.mask)


reject_sequences = Weight(
    name="reject_sequences",
    function=_reject_sequences,
    needs=frozenset({"old", "rollout"}),
    formula="1 where lower <= exp(sum_t(old - rollout)) <= upper, else 0",
    source="objectives spec, 1.3 (rejection); verl's sequence level",
    defaults={"lower": 0.5, "upper": 2.0},
)
