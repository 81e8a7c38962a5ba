"""Plain policy gradient (REINFORCE): the advantage times the negative log-probability, no ratio and no clipping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _policy_gradient(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    return -batch.advantage * batch.logp


policy_gradient = Loss(
    name="policy_gradient",
    function=_policy_gradient,
    needs=frozenset({"advantage"}),
    formula="-A logp",
    source="objectives spec, 1.2 (GPG / plain PG)",
    silent_at_zero_advantage=True,
)
