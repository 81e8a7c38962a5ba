"""The k3 estimate of the KL divergence from the reference: never negative, exact in expectation, little variance.

An extra term beside a policy loss; its coefficient belongs to the trainer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _kl_k3(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.reference is not None
    difference = (batch.reference - batch.logp).clamp(-20.0, 20.0)
    return difference.exp() - difference - 1.0


kl_k3 = Loss(
    name="kl_k3",
    function=_kl_k3,
    needs=frozenset({"reference"}),
    formula="exp(d) - d - 1, d = reference - logp",
    source="objectives spec, 1.2 (KL terms)",
)
