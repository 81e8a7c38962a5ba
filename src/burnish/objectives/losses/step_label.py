"""Loss of a process reward model: binary cross-entropy at the last token of each step.

`value` is the head's logit that the step is right, `returns` its label in [0, 1] (soft labels allowed); the mask is 1 at
the ends of labelled steps only. A step's reward is then p = sigmoid(value), or 2p - 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from burnish.objectives.base import Loss, TokenBatch


def _step_label(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.value is not None
    assert batch.returns is not None
    return binary_cross_entropy_with_logits(batch.value, batch.returns, reduction="none")


step_label = Loss(
    name="step_label",
    function=_step_label,
    needs=frozenset({"value", "returns"}),
    formula="-y log sigmoid(v) - (1 - y) log sigmoid(-v), v = value, y = returns",
    source="code and debugging spec, PRLCoder (arXiv 2502.01715)",
)
