"""One set of tensors and one reduction for every objective.

Rewards become advantages (`Advantage`), advantages and log-probabilities become a token loss (`Loss`), and a `Weight`
multiplies that loss where the samples came from another policy. All three are pure functions with a name, and none sees
the vocabulary. A loss returns an unreduced `[batch, time]` tensor. Only `aggregate` reduces, with denominators counted over
the global batch of the optimiser step, per stream, so that micro-batch splits and ranks never change a gradient.
Source: objectives spec, sections 3.1-3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

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
    divergence: Float[Tensor, "batch time"] | None = None
    """Average drift from the reference over the whole step (KTO), the same in every cell."""
    fault_mask: Float[Tensor, "batch time"] | None = None
    """1 where a right program differs from its wrong variant."""
    fault_logp: Float[Tensor, " batch"] | None = None
    """Mean log-probability of the wrong variant's differing tokens under the current policy; NaN if there are none."""


@dataclass(frozen=True, kw_only=True)
class AdvantageBatch:
    """What an estimator may look at: all samples of one optimiser step, before any of them is split or left out.

    `reward` is NaN where a sample is unscored; it counts in no statistic and its advantage is 0. `token_reward` is credit for
    single tokens beside the outcome; `segment_end` marks the last token of each step or span; `baseline` is what another
    way of answering earned (a forced stop, a greedy answer). Everything of shape `[batch, time]` is aligned as in `TokenBatch`.
    """

    reward: Float[Tensor, " batch"]
    group: Int[Tensor, " batch"]
    mask: Float[Tensor, "batch time"] | None = None
    old: Float[Tensor, "batch time"] | None = None
    reference: Float[Tensor, "batch time"] | None = None
    value: Float[Tensor, "batch time"] | None = None
    token_reward: Float[Tensor, "batch time"] | None = None
    segment_end: Bool[Tensor, "batch time"] | None = None
    baseline: Float[Tensor, " batch"] | None = None


@dataclass(frozen=True)
class Denominators:
    """Counts over the global batch of one optimiser step: loss tokens, sequences with any, and a fixed horizon C."""

    tokens: float
    sequences: float
    horizon: float = 1.0

    @classmethod
    def of(cls, mask: Float[Tensor, "batch time"], horizon: float = 1.0) -> Denominators:
        """The counts of one mask. A sequence without a loss token is not counted; an empty mask counts 1, so that 0 / 1 = 0."""
        return cls(max(float(mask.sum()), 1.0), max(float((mask.sum(1) > 0).sum()), 1.0), horizon)


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A named pure function: the fields of its batch that it needs, its options with their defaults, its formula and source.

    `also_needs` are further fields by the option that makes it read them: `{"kl": {"old", "reference"}}` if `kl` is not 0.
    """

    kind: ClassVar[str] = "formula"
    name: str
    needs: frozenset[str] = frozenset()
    also_needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    formula: str = ""
    source: str = ""
    defaults: Mapping[str, float] = field(default_factory=dict)

    def options(self, given: Mapping[str, float]) -> dict[str, float]:
        """The defaults, overridden by what is given. Raises `InputError` for an option that does not exist."""
        unknown = sorted(set(given) - set(self.defaults))
        if unknown:
            known = ", ".join(sorted(self.defaults)) or "none"
            raise InputError(f"The {self.kind} {self.name!r} has no option {unknown[0]!r}. Its options: {known}.")
        return {**self.defaults, **given}

    def reads(self, options: Mapping[str, float]) -> frozenset[str]:
        """Every field that the function reads with these options (all of them, as `options` returns)."""
        return self.needs.union(*(fields for name, fields in self.also_needs.items() if options[name]))


@dataclass(frozen=True, kw_only=True)
class Loss(Formula):
    """A token loss. `needs` are `TokenBatch` fields beside `logp` and `mask`; `aggregation` is its usual reduction.

    `silent_at_zero_advantage` promises that A = 0 gives no value and no gradient, so that the trainer need not compute such
    rows (it still counts them in the denominators). `counts` says which sequences have this loss; both its mask and its
    denominators are of those only (`counted`). Weights inside a loss are detached; `gradient_through_weight` declares the
    one exception.
    """

    kind: ClassVar[str] = "loss"
    function: Callable[[TokenBatch, Mapping[str, Any]], Float[Tensor, "batch time"]]
    aggregation: Aggregation = "token-mean"
    silent_at_zero_advantage: bool = False
    counts: Literal["all", "correct"] = "all"
    gradient_through_weight: bool = False


@dataclass(frozen=True, kw_only=True)
class Advantage(Formula):
    """From rewards to advantages: `[batch]` where all tokens of a sample share one, else `[batch, time]`.

    `needs` are `AdvantageBatch` fields beside `reward` and `group`. `returns` is the critic's target, for estimators that have a critic.
    """

    kind: ClassVar[str] = "advantage"
    function: Callable[[AdvantageBatch, Mapping[str, Any]], Tensor]
    returns: Callable[[AdvantageBatch, Mapping[str, Any]], Float[Tensor, "batch time"]] | None = None


@dataclass(frozen=True, kw_only=True)
class Weight(Formula):
    """A detached factor on the token loss, after clipping. `needs` are `TokenBatch` fields beside `logp` and `mask`.

    A weight of 0 leaves the token in the denominators, as TRL does. To take it out of them as well, multiply the mask by the
    weight before counting, as verl's rejection does.
    """

    kind: ClassVar[str] = "weight"
    function: Callable[[TokenBatch, Mapping[str, Any]], Float[Tensor, "batch time"]]


def counted(loss: Loss, batch: TokenBatch) -> Float[Tensor, "batch time"]:
    """The mask of the tokens that have this loss: all of the batch's, or those of the correct sequences."""
    if loss.counts == "all":
        return batch.mask
    assert batch.correct is not None
    return batch.mask * batch.correct[:, None].to(batch.mask)


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
