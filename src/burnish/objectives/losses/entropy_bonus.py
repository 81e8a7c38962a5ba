"""Minus the policy's entropy: as an extra term with a small coefficient it keeps the policy exploring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _entropy_bonus(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.entropy is not None
    return -batch.entropy


entropy_bonus = Loss(
    name="entropy_bonus",
    function=_entropy_bonus,
    needs=frozenset({"entropy"}),
    formula="-H, H = -sum_v p(v) log p(v)",
    source="objectives spec, 1 (100-Days, entropy bonus)",
)
