"""Truncated importance sampling per token: corrects what the sampler's engine computed differently, with bounded variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._ratio import token_rho


def _tis_token(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return token_rho(batch).clamp(max=options["cap"])


tis_token = Weight(
    name="tis_token",
    function=_tis_token,
    needs=frozenset({"old", "rollout"}),
    formula="min(rho, cap), rho = exp(old - rollout)",
    source="objectives spec, 1.3 (TIS token); TRL's token_truncate",
    defaults={"cap": 2.0},
)
