"""One set of tensors and one reduction for every loss.

A loss is a pure function of a `TokenBatch` that returns an unreduced `[batch, time]` tensor; it never sees the vocabulary.
Only `aggregate` reduces, with denominators counted over the global batch of the optimiser step, per stream, so that
micro-batch splits and ranks never change a gradient. Source: objectives spec, sections 3.2-3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

from burnish.core.errors import InputError

Aggregation = Literal["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"]


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Response-aligned tensors: column t belongs to response token y_t; padded cells are 0 and masked.

    Only `logp`, `entropy`, `value`, `kl_forward` and `kl_reverse` carry gradient. `old` None means strictly on-policy.
    """

    logp: Float[Tensor, "batch time"]
    mask: Float[Tensor, "batch time"]
    weight: Float[Tensor, "batch time"] | None = None
    old: Float[Tensor, "batch time"] | None = None
    rollout: Float[Tensor, "batch time"] | None = None
    reference: Float[Tensor, "batch time"] | None = None
    advantage: Float[Tensor, "batch time"] | None = None
    entropy: Float[Tensor, "batch time"] | None = None
    value: Float[Tensor, "batch time"] | None = None
    old_value: Float[Tensor, "batch time"] | None = None
    returns: Float[Tensor, "batch time"] | None = None
    kl_forward: Float[Tensor, "batch time"] | None = None
    kl_reverse: Float[Tensor, "batch time"] | None = None
    group: Int[Tensor, " batch"] | None = None
    reward: Float[Tensor, " batch"] | None = None
    correct: Bool[Tensor, " batch"] | None = None


@dataclass(frozen=True)
class Denominators:
    """Counts over the global batch of one optimiser step: loss tokens, sequences with any, and a fixed horizon C."""

    tokens: float
    sequences: float
    horizon: float = 1.0


@dataclass(frozen=True)
class Loss:
    """A loss as the trainer sees it: the function, the `TokenBatch` fields it reads beside `logp` and `mask`, its reduction.

    `defaults` are its options and their values. `silent_at_zero_advantage` promises that A = 0 gives no value and no
    gradient, so that the trainer need not compute such rows (it still counts them in the denominators).
    """

    name: str
    function: Callable[[TokenBatch, Mapping[str, Any]], Float[Tensor, "batch time"]]
    needs: frozenset[str] = frozenset()
    aggregation: Aggregation = "token-mean"
    formula: str = ""
    source: str = ""
    defaults: Mapping[str, float] = field(default_factory=dict)
    silent_at_zero_advantage: bool = False

    def options(self, given: Mapping[str, float]) -> dict[str, float]:
        """The defaults, overridden by what is given. Raises `InputError` for an option that this loss does not have."""
        unknown = sorted(set(given) - set(self.defaults))
        if unknown:
            known = ", ".join(sorted(self.defaults)) or "none"
            raise InputError(f"The loss {self.name!r} has no option {unknown[0]!r}. Its options: {known}.")
        return {**self.defaults, **given}


def aggregate(
    loss: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"], mode: Aggregation, denominators: Denominators
) -> Float[Tensor, ""]:
    """Reduce an unreduced loss. The sum of the results over micro-batches equals the result over the whole batch.

    token-mean: sum(L m) / tokens. seq-mean-token-mean: sum_i (sum_t L m / sum_t m) / sequences.
    seq-mean-token-sum: sum(L m) / sequences. seq-mean-token-sum-norm: the former / horizon.
    """
    masked = loss * mask
    if mode == "token-mean":
        return masked.sum() / denominators.tokens
    if mode == "seq-mean-token-mean":
        lengths = mask.sum(dim=1)
        return (masked.sum(dim=1) / lengths.clamp(min=1)).sum() / denominators.sequences
    total = masked.sum() / denominators.sequences
    return total if mode == "seq-mean-token-sum" else total / denominators.horizon


def log_ratio(batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """log pi_theta - log pi_old, clamped to +-20. With `old` None its value is 0 and its gradient that of `logp`."""
    old = batch.logp.detach() if batch.old is None else batch.old
    return (batch.logp - old).clamp(-20.0, 20.0)
