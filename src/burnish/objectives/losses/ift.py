"""Intuitive fine-tuning: each token's loss is weighted by the losses that follow it; early mistakes weigh what they cause.

The form of the authors' code; `ift_cumsum` is the equation of the paper. The gradient flows through the weight: the one
declared exception. Its inputs are blended with the model's own guesses: `training.inputs.residual`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._discount import discounted_sums


def _ift(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    loss = -batch.logp * batch.mask
    if options["gamma"] == 0:
        return loss
    later = discounted_sums(loss, options["gamma"]) * batch.mask
    total = later.sum(dim=1, keepdim=True)
    weight = later * batch.mask.sum(dim=1, keepdim=True) / torch.where(total > 0, total, 1.0)
    return loss * weight


ift = Loss(
    name="ift",
    function=_ift,
    aggregation="seq-mean-token-mean",
    formula="n W, n = -logp, W_i = N S_i / sum_j S_j, S_i = sum_{j >= i} gamma^(j - i) n_j; W = 1 if gamma = 0",
    source="objectives spec, 2 (IFT, the authors' code; arXiv 2405.11870)",
    defaults={"gamma": 0.95},
    gradient_through_weight=True,
)
