"""SAPO: a smooth gate instead of a clip; the gradient fades as the ratio leaves 1, faster for bad tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio


def _sapo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    ratio = log_ratio(batch).exp()
    steepness = torch.where(batch.advantage > 0, ratio.new_tensor(options["positive"]), options["negative"])
    return -batch.advantage * 4.0 / steepness * torch.sigmoid(steepness * (ratio - 1.0))


sapo = Loss(
    name="sapo",
    function=_sapo,
    needs=frozenset({"advantage", "old"}),
    aggregation="seq-mean-token-mean",
    formula="-A (4 / tau) sigmoid(tau (r - 1)), tau = positive if A > 0 else negative, r = exp(logp - old)",
    source="objectives spec, 1.2 (SAPO); arXiv 2511.20347",
    defaults={"positive": 1.0, "negative": 1.05},
    silent_at_zero_advantage=True,
)
