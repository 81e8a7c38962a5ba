"""Supervised fine-tuning with a KL leash to the initial model: `nll` + anchor KL(reference || policy)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _anchored_nll(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.kl_forward is not None
    anchor: float = options["anchor"]
    return -batch.logp + anchor * batch.kl_forward


anchored_nll = Loss(
    name="anchored_nll",
    function=_anchored_nll,
    needs=frozenset({"kl_forward"}),
    formula="-logp + anchor KL(reference || policy)",
    source="objectives spec, 2 (ASFT, variant sft+kl)",
    defaults={"anchor": 0.05},
)
