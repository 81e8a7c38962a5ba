"""GSPO with token advantages: the answer's ratio decides on clipping, but each token keeps its own gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, log_ratio
from burnish.objectives.losses._clip import CLIP, clipped
from burnish.objectives.losses.gspo import gspo
from burnish.objectives.masked import sequence_mean


def _gspo_token(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    of_answer = sequence_mean(log_ratio(batch), batch.mask).exp().detach()
    return clipped(of_answer * (batch.logp - batch.logp.detach()).exp(), batch.advantage, options)


gspo_token = replace(
    gspo,
    name="gspo_token",
    function=_gspo_token,
    formula=f"{CLIP}, r = sg(exp(mean_t(logp - old))) exp(logp - sg(logp))",
    source="objectives spec, 1.2 (GSPO-token); arXiv 2507.18071; verl's form of GSPO",
)
