"""Importance sampling per answer, without the answers on which sampler and trainer disagree too much (TRL's default)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._ratio import between, sequence_rho


def _sequence_mask(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    ratio = sequence_rho(batch)
    return ratio * between(ratio, options)


sequence_mask = Weight(
    name="sequence_mask",
    function=_sequence_mask,
    needs=frozenset({"old", "rollout"}),
    formula="rho where lower <= rho <= upper, else 0; rho = exp(sum_t(old - rollout))",
    source="objectives spec, 1.3 (sequence mask); TRL's sequence_mask",
    defaults={"lower": 0.0, "upper": 3.0},
)
