"""KL term k1: unbiased and noisy. As a loss its gradient has mean zero, so use it in the reward (`kl` of an advantage)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._kl import difference


def _kl_k1(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return -difference(batch)


kl_k1 = Loss(
    name="kl_k1",
    function=_kl_k1,
    needs=frozenset({"reference"}),
    formula="-d, d = reference - logp",
    source="objectives spec, 1.2 (KL terms)",
)
