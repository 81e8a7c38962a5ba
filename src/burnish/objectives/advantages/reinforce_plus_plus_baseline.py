"""REINFORCE++ with a baseline: the reward minus its group's mean, then whitened over all tokens of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages.dr_grpo import dr_grpo
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import scored_mask
from burnish.objectives.masked import whiten


def _reinforce_plus_plus_baseline(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    mask = scored_mask(batch)
    return whiten(dr_grpo.function(batch, {})[:, None] * mask, mask)


reinforce_plus_plus_baseline = Advantage(
    name="reinforce_plus_plus_baseline",
    function=_reinforce_plus_plus_baseline,
    needs=frozenset({"mask"}),
    formula="whiten(r - mean_group(r)), over all tokens of the batch",
    source="objectives spec, 1.1 (REINFORCE++-baseline); arXiv 2501.03262",
)
