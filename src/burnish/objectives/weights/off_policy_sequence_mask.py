"""Bad answers that the policy has moved away from are left out; good ones always count (DeepSeek-V3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight
from burnish.objectives.masked import sequence_mean


def _off_policy_sequence_mask(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.rollout is not None
    assert batch.advantage is not None
    moved = sequence_mean(batch.rollout - batch.logp.detach(), batch.mask)
    near: Tensor = moved <= options["threshold"]
    return ((batch.advantage >= 0) | near).to(batch.mask)


off_policy_sequence_mask = Weight(
    name="off_policy_sequence_mask",
    function=_off_policy_sequence_mask,
    needs=frozenset({"advantage", "rollout"}),
    formula="1 where A >= 0 or mean_t(rollout - logp) <= threshold, else 0",
    source="objectives spec, 1.3 (off-policy sequence mask); TRL's off_policy_mask_threshold",
    defaults={"threshold": 0.1},
)
