"""Rejection of tokens whose ratio to the sampler lies outside of the limits; what is kept has weight 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._ratio import between, token_rho


def _reject_tokens(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return between(token_rho(batch), options).to(batch.mask)


reject_tokens = Weight(
    name="reject_tokens",
    function=_reject_tokens,
    needs=frozenset({"old", "rollout"}),
    formula="1 where lower <= exp(old - rollout) <= upper, else 0",
    source="objectives spec, 1.3 (rejection); verl's token level",
    defaults={"lower": 0.5, "upper": 2.0},
)
