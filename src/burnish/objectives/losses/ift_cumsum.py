"""Intuitive fine-tuning as its paper writes it: every token answers for the discounted losses that follow it.

A sum over the sequence, not a mean: a token counts once for each token before it, so later ones weigh more. Compare `ift`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._discount import discounted_sums


def _ift_cumsum(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return discounted_sums(-batch.logp * batch.mask, options["gamma"])


ift_cumsum = Loss(
    name="ift_cumsum",
    function=_ift_cumsum,
    aggregation="seq-mean-token-sum",
    formula="sum_{j >= i} gamma^(j - i) n_j, n = -logp",
    source="objectives spec, 2 (IFT, equation of the paper; arXiv 2405.11870)",
    defaults={"gamma": 0.95},
)
