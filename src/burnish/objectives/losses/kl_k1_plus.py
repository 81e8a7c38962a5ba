"""KL term k1+: the value of k1 with the gradient of k2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._kl import difference, with_gradient_of_k2


def _kl_k1_plus(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return with_gradient_of_k2(-difference(batch), batch)


kl_k1_plus = Loss(
    name="kl_k1_plus",
    function=_kl_k1_plus,
    needs=frozenset({"reference"}),
    formula="-d, gradient of d^2 / 2, d = reference - logp",
    source="objectives spec, 1.2 (KL terms, straight-through)",
)
