"""KL term k3+: the value of k3 with the gradient of k2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._kl import k3, with_gradient_of_k2


def _kl_k3_plus(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return with_gradient_of_k2(k3(batch), batch)


kl_k3_plus = Loss(
    name="kl_k3_plus",
    function=_kl_k3_plus,
    needs=frozenset({"reference"}),
    formula="exp(d) - d - 1, gradient of d^2 / 2, d = reference - logp",
    source="objectives spec, 1.2 (KL terms, straight-through); verl's k3+",
)
