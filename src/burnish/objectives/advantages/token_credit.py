"""Rewards of tokens, lines or steps passed back without a critic: each token gets what is earned from it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import returns_to_go, scored_mask, token_rewards


def _token_credit(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return returns_to_go(token_rewards(batch, options["kl"]), scored_mask(batch), options["gamma"])


token_credit = Advantage(
    name="token_credit",
    function=_token_credit,
    needs=frozenset({"mask", "token_reward"}),
    also_needs={"kl": frozenset({"old", "reference"})},
    formula="sum_(s >= t) gamma^(s - t) rho_s, rho_t = 1[t = last] r + token_reward_t - kl (old_t - reference_t)",
    source="code and debugging spec, PRLCoder, line rewards (arXiv 2502.01715)",
    defaults={"kl": 0.0, "gamma": 1.0},
)
