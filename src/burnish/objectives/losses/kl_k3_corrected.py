"""KL term k3 times the policy's ratio, so that it stays right on samples of an older policy (TRL's default)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.losses._kl import k3


def _kl_k3_corrected(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return k3(batch) * log_ratio(batch).exp()


kl_k3_corrected = Loss(
    name="kl_k3_corrected",
    function=_kl_k3_corrected,
    needs=frozenset({"reference", "old"}),
    formula="(exp(d) - d - 1) r, d = reference - logp, r = exp(logp - old)",
    source="objectives spec, 1.2 (KL terms); TRL's use_bias_correction_kl",
)
