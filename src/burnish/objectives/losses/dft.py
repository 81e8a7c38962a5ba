"""Dynamic fine-tuning: the negative log-likelihood weighted by the token's own probability.

Cancels the weight 1/p that is implicit in supervised fine-tuning, so that improbable tokens no longer dominate. It drifts
and sharpens: `asft` adds a leash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _dft(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return -batch.logp.detach().exp() * batch.logp


dft = Loss(
    name="dft",
    function=_dft,
    formula="-sg(p) logp, p = exp(logp)",
    source="objectives spec, 2 (DFT; arXiv 2508.05629)",
)
