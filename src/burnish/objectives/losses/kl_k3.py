"""KL term k3: never negative, exact in expectation, little variance; the usual one beside a policy loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._kl import k3


def _kl_k3(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return k3(batch)


kl_k3 = Loss(
    name="kl_k3",
    function=_kl_k3,
    needs=frozenset({"reference"}),
    formula="exp(d) - d - 1, d = reference - logp",
    source="objectives spec, 1.2 (KL terms)",
)
