"""Sums, means and whitening over the cells that a mask selects. Padded cells must be finite; they never count."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def sequence_sum(values: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
    """Sum over each sequence's masked-in cells."""
    return (values * mask).sum(dim=1, keepdim=True)


def sequence_mean(values: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
    """Mean over each sequence's masked-in cells; 0 for a sequence without any."""
    return sequence_sum(values, mask) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def whiten(values: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"], epsilon: float = 1e-8) -> Float[Tensor, "batch time"]:
    """(x - mean) / sqrt(var + epsilon), mean and variance (ddof 1) over all masked-in cells of the batch. 0 outside the mask."""
    count = mask.sum()
    mean = (values * mask).sum() / count.clamp(min=1)
    centred = (values - mean) * mask
    variance = (centred**2).sum() / (count - 1).clamp(min=1)
    return centred * (variance + epsilon).rsqrt()
