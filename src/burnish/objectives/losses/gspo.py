"""GSPO: one ratio per answer, the geometric mean of its tokens' ratios, clipped as a whole. For mixtures of experts.

Every token of an answer gets the answer's loss, so that the mean over its tokens is that loss and each token an equal share
of its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.losses._clip import CLIP, clipped
from burnish.objectives.masked import sequence_mean


def _gspo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    return clipped(sequence_mean(log_ratio(batch), batch.mask).exp(), batch.advantage, options)


gspo = Loss(
    name="gspo",
    function=_gspo,
    needs=frozenset({"advantage", "old"}),
    aggregation="seq-mean-token-mean",
    formula=f"{CLIP}, r = exp(mean_t(logp - old))",
    source="objectives spec, 1.2 (GSPO); arXiv 2507.18071",
    defaults={"epsilon_low": 3e-4, "epsilon_high": 4e-4},
    silent_at_zero_advantage=True,
)
