"""CISPO: every token keeps a gradient, that of its log-probability times its clipped, detached ratio.

`lower` and `upper` bound the ratio itself. TRL's `epsilon_high` is `upper` with `lower` 0 (the default, and ScaleRL's);
verl's clip ratios are `lower` = 1 - low and `upper` = 1 + high.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio


def _cispo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    ratio = log_ratio(batch).detach().exp().clamp(options["lower"], options["upper"])
    return -ratio * batch.advantage * batch.logp


cispo = Loss(
    name="cispo",
    function=_cispo,
    needs=frozenset({"advantage", "old"}),
    formula="-sg(clip(r, lower, upper)) A logp, r = exp(logp - old)",
    source="objectives spec, 1.2 (CISPO, both libraries); MiniMax-M1, arXiv 2506.13585; ScaleRL",
    defaults={"lower": 0.0, "upper": 5.0},
    silent_at_zero_advantage=True,
)
