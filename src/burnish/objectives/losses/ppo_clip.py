"""The clipped policy loss of PPO: no gradient where the ratio has already moved past a limit in the asked direction.

GRPO, DAPO and Dr. GRPO are this loss with their own limits and reductions. Strictly on-policy (`old` None) the ratio is 1
and the gradient is that of `policy_gradient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.losses._clip import CLIP, clipped


def _ppo_clip(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    return clipped(log_ratio(batch).exp(), batch.advantage, options)


ppo_clip = Loss(
    name="ppo_clip",
    function=_ppo_clip,
    needs=frozenset({"advantage", "old"}),
    formula=f"{CLIP}, r = exp(logp - old)",
    source="objectives spec, 1.2 (PPO clip); arXiv 1707.06347",
    defaults={"epsilon_low": 0.2, "epsilon_high": 0.2},
    silent_at_zero_advantage=True,
)
