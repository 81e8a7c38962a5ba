"""Anchored fine-tuning: `dft` and a KL leash to the initial model, over the full vocabulary.

The divergence is forward, KL(reference || policy): what the reference can say must stay possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses.dft import dft


def _asft(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.kl_forward is not None
    anchor: float = options["anchor"]
    return dft.function(batch, {}) + anchor * batch.kl_forward


asft = Loss(
    name="asft",
    function=_asft,
    needs=frozenset({"kl_forward"}),
    formula="-sg(p) logp + anchor KL(reference || policy), p = exp(logp)",
    source="objectives spec, 2 (ASFT; arXiv 2509.23753)",
    defaults={"anchor": 0.05},
)
