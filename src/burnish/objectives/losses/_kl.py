"""Estimates of the KL divergence KL(policy || reference) from the sampled token alone. d = reference - logp.

In expectation over the policy's own samples k1 and k3 have the right value, but the gradient of k1 is that of a constant
and the gradient of k3 that of the opposite divergence; only k2's gradient is that of KL(policy || reference).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch


def difference(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """reference - logp, clamped to +-20."""
    assert batch.reference is not None
    return (batch.reference - batch.logp).clamp(-20.0, 20.0)


def k2(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """d^2 / 2."""
    return difference(batch) ** 2 / 2.0


def k3(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """exp(d) - d - 1."""
    gap = difference(batch)
    return gap.exp() - gap - 1.0


def with_gradient_of_k2(value: Float[Tensor, "batch time"], batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """`value` going forward, the gradient of k2 going backward (straight-through)."""
    quadratic = k2(batch)
    return value.detach() + quadratic - quadratic.detach()
