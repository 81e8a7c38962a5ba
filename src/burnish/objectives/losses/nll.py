"""Token negative log-likelihood: the loss of supervised fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _nll(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return -batch.logp


nll = Loss(name="nll", function=_nll, formula="-logp", source="objectives spec, 3.3 (c_t = 1)")
