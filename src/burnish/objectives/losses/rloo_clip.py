"""RLOO as TRL trains it: the ratio of the whole answer (a product over its tokens), clipped once per answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.losses._clip import CLIP, clipped
from burnish.objectives.masked import sequence_sum


def _rloo_clip(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    return clipped(sequence_sum(log_ratio(batch), batch.mask).clamp(-20.0, 20.0).exp(), batch.advantage, options)


rloo_clip = Loss(
    name="rloo_clip",
    function=_rloo_clip,
    needs=frozenset({"advantage", "old"}),
    aggregation="seq-mean-token-mean",
    formula=f"{CLIP}, r = exp(sum_t(logp - old))",
    source="objectives spec, 1.2 (RLOO, TRL form)",
    defaults={"epsilon_low": 0.2, "epsilon_high": 0.2},
    silent_at_zero_advantage=True,
)
