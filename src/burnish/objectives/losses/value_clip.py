"""The critic's clipped squared error: a value that moved past its limit gains nothing by moving on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch


def _value_clip(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.value is not None
    assert batch.old_value is not None
    assert batch.returns is not None
    limited = batch.old_value + (batch.value - batch.old_value).clamp(-options["epsilon"], options["epsilon"])
    return 0.5 * torch.maximum((batch.value - batch.returns) ** 2, (limited - batch.returns) ** 2)


value_clip = Loss(
    name="value_clip",
    function=_value_clip,
    needs=frozenset({"value", "old_value", "returns"}),
    formula="max((V - R)^2, (clip(V, V_old - epsilon, V_old + epsilon) - R)^2) / 2",
    source="objectives spec, 1.2 (value loss)",
    defaults={"epsilon": 0.2},
)
