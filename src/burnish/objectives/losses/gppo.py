"""GPPO (Klear-Reasoner): clip-higher in value, but a clipped token keeps the gradient of its limit instead of none.

Only the far side of `bound` (as in `ppo_dual_clip`) has no gradient. There is no hard trust region: large updates on reused
samples can go further than with `dapo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio


def _gppo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    ratio = log_ratio(batch).exp()
    one = ratio / ratio.detach()  # its value is 1, its gradient that of the log-probability
    limited = ratio.clamp((1.0 - options["epsilon_low"]) * one, (1.0 + options["epsilon_high"]) * one)
    loss = torch.maximum(-batch.advantage * ratio, -batch.advantage * limited)
    return torch.where(batch.advantage < 0, torch.minimum(loss, -batch.advantage * options["bound"]), loss)


gppo = Loss(
    name="gppo",
    function=_gppo,
    needs=frozenset({"advantage", "old"}),
    formula="ppo_dual_clip, with clip(r, (1 - epsilon_low) r / sg(r), (1 + epsilon_high) r / sg(r))",
    source="objectives spec, 2 (GPPO, Klear-Reasoner; arXiv 2508.07629)",
    defaults={"epsilon_low": 0.2, "epsilon_high": 0.28, "bound": 10.0},
    silent_at_zero_advantage=True,
)
