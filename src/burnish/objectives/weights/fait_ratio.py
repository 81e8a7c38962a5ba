"""FAIT with the ratio of the two mean log-probabilities as weight, instead of the exponential of their gap. See `fait`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights.fait import fault_weight

CERTAIN = 1e-12
"""Smallest mean negative log-probability of the wrong tokens: at 0 the ratio would have no sign."""


def _fait_ratio(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return fault_weight(batch, lambda right, wrong: right / wrong.clamp(max=-CERTAIN), options["maximum"])


fait_ratio = Weight(
    name="fait_ratio",
    function=_fait_ratio,
    needs=frozenset({"fault_mask", "fault_logp"}),
    formula="clip(q_right / q_wrong, 1, maximum) on differing tokens, else 1",
    source="objectives spec, 2 (FAIT, nll_ratio, reconstructed; arXiv 2503.16913)",
    defaults={"maximum": 3.0},
)
