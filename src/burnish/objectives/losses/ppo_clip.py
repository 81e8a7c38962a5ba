"""The clipped policy loss of PPO, GRPO and (with a higher upper limit) DAPO.

The gradient vanishes where the ratio has already moved past a limit in the direction that the advantage asks for.
Strictly on-policy (`old` None) the ratio is 1 and the gradient is that of `policy_gradient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio


def _ppo_clip(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    ratio = log_ratio(batch).exp()
    clipped = ratio.clamp(1.0 - options["epsilon_low"], 1.0 + options["epsilon_high"])
    return torch.maximum(-batch.advantage * ratio, -batch.advantage * clipped)


ppo_clip = Loss(
    name="ppo_clip",
    function=_ppo_clip,
    needs=frozenset({"advantage", "old"}),
    formula="max(-A r, -A clip(r, 1 - epsilon_low, 1 + epsilon_high)), r = exp(logp - old)",
    source="objectives spec, 1.2 (PPO/GRPO clip, DAPO)",
    defaults={"epsilon_low": 0.2, "epsilon_high": 0.2},
    silent_at_zero_advantage=True,
)
