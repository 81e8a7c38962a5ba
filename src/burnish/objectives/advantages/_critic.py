"""What the estimators with a critic share: its targets, and samples without a reward, from which nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from burnish.objectives.base import AdvantageBatch
from burnish.objectives.credit import generalised_advantage, scored_mask, token_rewards


def critic_advantage(
    batch: AdvantageBatch,
    options: Mapping[str, Any],
    trace: float | Float[Tensor, " batch"],
    cut: Bool[Tensor, "batch time"] | None = None,
) -> Float[Tensor, "batch time"]:
    """The generalised advantage of the batch's token rewards under its values. Unscored samples get 0."""
    assert batch.value is not None
    rewards, mask = token_rewards(batch, options["kl"]), scored_mask(batch)
    return generalised_advantage(rewards, batch.value, mask, discount=options["gamma"], trace=trace, cut=cut)


def critic_target(batch: AdvantageBatch, advantage: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """A + V. For unscored samples it is V itself, which asks nothing of the critic; 0 outside the mask."""
    assert batch.mask is not None
    assert batch.value is not None
    return torch.where(batch.mask > 0, advantage + batch.value, 0.0)
