"""REINFORCE on another policy's samples, each answer weighted by its truncated ratio to the sampler; no second forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.masked import sequence_sum


def _bypass_reinforce(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    assert batch.rollout is not None
    log_weight = sequence_sum(batch.logp.detach() - batch.rollout, batch.mask).clamp(-20.0, 20.0)
    return -log_weight.exp().clamp(max=options["cap"]) * batch.advantage * batch.logp


bypass_reinforce = Loss(
    name="bypass_reinforce",
    function=_bypass_reinforce,
    needs=frozenset({"advantage", "rollout"}),
    aggregation="seq-mean-token-sum",
    formula="-sg(min(exp(sum_t(logp - rollout)), cap)) A logp",
    source="objectives spec, 1.3 (bypass REINFORCE); verl's bypass_mode",
    defaults={"cap": 2.0},
    silent_at_zero_advantage=True,
)
