"""Discounted sums over later positions, differentiable and without a loop over time."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad


def discounted_sums(values: Float[Tensor, "batch time"], gamma: float) -> Float[Tensor, "batch time"]:
    """S_i = sum over j >= i of gamma^(j - i) values_j.

    After k rounds S_i reaches 2^k positions ahead, so that log2(time) rounds are enough.
    """
    sums, reach, width = values, 1, values.shape[1]
    while reach < width and gamma > 0:
        sums = sums + gamma**reach * pad(sums[:, reach:], (0, reach))
        reach *= 2
    return sums
