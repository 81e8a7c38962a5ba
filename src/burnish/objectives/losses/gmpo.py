"""GMPO: the geometric mean of an answer's ratios, each clipped in the logarithm on the side that the advantage asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.masked import sequence_mean


def _gmpo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    ratio = log_ratio(batch)
    limited = ratio.clamp(-options["epsilon_low"], options["epsilon_high"])
    pessimistic = torch.where(batch.advantage >= 0, torch.minimum(ratio, limited), torch.maximum(ratio, limited))
    return -batch.advantage * sequence_mean(pessimistic, batch.mask).exp()


gmpo = Loss(
    name="gmpo",
    function=_gmpo,
    needs=frozenset({"advantage", "old"}),
    aggregation="seq-mean-token-mean",
    formula="-A exp(mean_t q), q = min(d, epsilon_high) if A >= 0 else max(d, -epsilon_low), d = logp - old",
    source="objectives spec, 1.2 (GMPO); arXiv 2507.20673; verl's geo_mean",
    defaults={"epsilon_low": 0.4, "epsilon_high": 0.4},
    silent_at_zero_advantage=True,
)
