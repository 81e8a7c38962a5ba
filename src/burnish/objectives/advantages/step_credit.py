"""GRPO with a reward per step: step rewards in units of their group's, each token gets the sum from its own step on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._groups import group_statistics
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import returns_to_go


def _step_credit(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.mask is not None
    assert batch.token_reward is not None
    assert batch.segment_end is not None
    ends = batch.segment_end & (batch.mask > 0)
    statistics = group_statistics(batch.token_reward[ends], batch.group[:, None].expand_as(ends)[ends])
    relative = (statistics.rewards - statistics.mean) / (statistics.deviation + options["epsilon"])
    steps = torch.zeros_like(batch.mask).masked_scatter(ends, torch.where(statistics.alive, relative, 0.0).to(batch.mask))
    return returns_to_go(steps, batch.mask, 1.0)


step_credit = Advantage(
    name="step_credit",
    function=_step_credit,
    needs=frozenset({"mask", "token_reward", "segment_end"}),
    formula="sum over steps ending at s >= t of (q_s - mean_group(q)) / (std_group(q) + epsilon), q = token_reward at segment ends",
    source="GRPO with process supervision (DeepSeekMath, arXiv 2402.03300)",
    defaults={"epsilon": 1e-6},
)
