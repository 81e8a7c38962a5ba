"""IcePop: importance sampling per token, without the tokens on which sampler and trainer disagree too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.weights._ratio import between, token_rho


def _icepop(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    ratio = token_rho(batch)
    return ratio * between(ratio, options)


icepop = Weight(
    name="icepop",
    function=_icepop,
    needs=frozenset({"old", "rollout"}),
    formula="rho where lower <= rho <= upper, else 0; rho = exp(old - rollout)",
    source="objectives spec, 1.3 (IcePop, token mask); TRL's token_mask",
    defaults={"lower": 0.5, "upper": 2.0},
)
