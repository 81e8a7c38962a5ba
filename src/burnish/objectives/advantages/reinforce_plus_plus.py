"""REINFORCE++: no groups; rewards with a KL term per token, summed to the end, and whitened over all tokens of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import returns_to_go, scored_mask, token_rewards
from burnish.objectives.masked import whiten


def _reinforce_plus_plus(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    mask = scored_mask(batch)
    return whiten(returns_to_go(token_rewards(batch, options["kl"]), mask, options["gamma"]), mask)


reinforce_plus_plus = Advantage(
    name="reinforce_plus_plus",
    function=_reinforce_plus_plus,
    needs=frozenset({"mask"}),
    also_needs={"kl": frozenset({"old", "reference"})},
    formula="whiten(sum_(s >= t) gamma^(s - t) rho_s), rho_t = 1[t = last] r - kl (old_t - reference_t)",
    source="objectives spec, 1.1 (REINFORCE++); arXiv 2501.03262",
    defaults={"kl": 0.01, "gamma": 1.0},
)
