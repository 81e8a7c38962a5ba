"""KL term k2: its gradient is that of KL(policy || reference) on the policy's own samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._kl import k2


def _kl_k2(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return k2(batch)


kl_k2 = Loss(
    name="kl_k2",
    function=_kl_k2,
    needs=frozenset({"reference"}),
    formula="d^2 / 2, d = reference - logp",
    source="objectives spec, 1.2 (KL terms)",
)
