"""The clipped surrogate that PPO's relatives share; only what they take for the ratio differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

CLIP = "max(-A r, -A clip(r, 1 - epsilon_low, 1 + epsilon_high))"


def clipped(
    ratio: Float[Tensor, "batch #time"], advantage: Float[Tensor, "batch time"], options: Mapping[str, Any]
) -> Float[Tensor, "batch time"]:
    """max(-A r, -A clip(r, 1 - epsilon_low, 1 + epsilon_high)); `ratio` is per token or per sequence."""
    limited = ratio.clamp(1.0 - options["epsilon_low"], 1.0 + options["epsilon_high"])
    return torch.maximum(-advantage * ratio, -advantage * limited)
