"""What preference and reward-model losses see: one number per answer, in pairs or judged one by one.

The number is the answer's summed log-probability, or the score of a reward model. `pairs_of` and `judged_of` make these
batches from a `TokenBatch`, so that the gradient flows back through its token log-probabilities. A loss returns one value
per pair (or answer); the trainer divides the sum by the pairs of the whole optimiser step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.objectives.base import Formula, TokenBatch


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """A better and a worse answer to the same prompt. Only `chosen` and `rejected` carry gradient.

    `strength` says how much better the chosen one is (default 1); the token counts are needed by losses per token.
    """

    chosen: Float[Tensor, " pairs"]
    rejected: Float[Tensor, " pairs"]
    reference_chosen: Float[Tensor, " pairs"] | None = None
    reference_rejected: Float[Tensor, " pairs"] | None = None
    chosen_tokens: Float[Tensor, " pairs"] | None = None
    rejected_tokens: Float[Tensor, " pairs"] | None = None
    strength: Float[Tensor, " pairs"] | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedBatch:
    """Answers judged one by one. Only `logp` carries gradient. `divergence` estimates KL(policy || reference): see `divergence`."""

    logp: Float[Tensor, " batch"]
    reference: Float[Tensor, " batch"]
    desirable: Bool[Tensor, " batch"]
    divergence: Float[Tensor, ""]


@dataclass(frozen=True, kw_only=True)
class PreferenceLoss(Formula):
    """A loss on answers. `batch` is the kind of batch that it takes, `needs` are optional fields of that.

    `scores`: `chosen` and `rejected` are scores of a reward model, not log-probabilities.
    """

    kind: ClassVar[str] = "preference loss"
    function: Callable[[Any, Mapping[str, Any]], Float[Tensor, " pairs"]]
    batch: type[PairBatch] | type[JudgedBatch] = PairBatch
    scores: bool = False


def pairs_of(batch: TokenBatch, strength: Float[Tensor, " pairs"] | None = None) -> PairBatch:
    """The pairs of a batch whose rows alternate: chosen, rejected, chosen, rejected … Raises `InputError` for an odd number of rows."""
    if len(batch.logp) % 2:
        raise InputError(f"A batch of pairs has {len(batch.logp)} rows. Keep the chosen and the rejected answer of a pair together.")
    sums, tokens = (batch.logp * batch.mask).sum(dim=1), batch.mask.sum(dim=1)
    reference = None if batch.reference is None else (batch.reference * batch.mask).sum(dim=1)
    return PairBatch(
        chosen=sums[0::2],
        rejected=sums[1::2],
        reference_chosen=None if reference is None else reference[0::2],
        reference_rejected=None if reference is None else reference[1::2],
        chosen_tokens=tokens[0::2],
        rejected_tokens=tokens[1::2],
        strength=strength,
    )


def judged_of(batch: TokenBatch, divergence: Float[Tensor, ""]) -> JudgedBatch:
    """The answers of a batch with `reference` and `correct`, which becomes `desirable`."""
    assert batch.reference is not None
    assert batch.correct is not None
    logp, reference = ((tensor * batch.mask).sum(dim=1) for tensor in (batch.logp, batch.reference))
    return JudgedBatch(logp=logp, reference=reference, desirable=batch.correct, divergence=divergence)


def divergence(logp: Float[Tensor, " batch"], reference: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """KTO's estimate of KL(policy || reference), detached and never negative: the mean log-ratio of *mismatched* answers.

    Score answers to other prompts of the batch, summed over their tokens. An empty batch gives 0.
    """
    return (logp - reference).detach().sum().div(max(len(logp), 1)).clamp(min=0.0)


def margin(batch: PairBatch) -> Float[Tensor, " pairs"]:
    """By how much more than the reference the policy prefers the chosen answer: the difference of the two log-ratios."""
    assert batch.reference_chosen is not None
    assert batch.reference_rejected is not None
    return (batch.chosen - batch.reference_chosen) - (batch.rejected - batch.reference_rejected)
