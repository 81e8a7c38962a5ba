"""How far the policy that the loss is clipped around is from the one that sampled: log rho = old - rollout, detached.

With `old` None (strictly on-policy) the current policy takes its place. Everything is clamped to +-20 before exp.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from burnish.objectives.base import TokenBatch
from burnish.objectives.masked import sequence_sum


def log_rho(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """old - rollout per token."""
    assert batch.rollout is not None
    old = batch.logp if batch.old is None else batch.old
    return (old - batch.rollout).detach().clamp(-20.0, 20.0)


def token_rho(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """The ratio of each token."""
    return log_rho(batch).exp()


def sequence_rho(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """The ratio of the whole answer, a product over its tokens, on each of them."""
    return sequence_sum(log_rho(batch), batch.mask).clamp(-20.0, 20.0).exp().expand_as(batch.logp)


def between(ratio: Float[Tensor, "batch time"], options: Mapping[str, float]) -> Bool[Tensor, "batch time"]:
    """lower <= ratio <= upper."""
    return (ratio >= float(options["lower"])) & (ratio <= float(options["upper"]))
