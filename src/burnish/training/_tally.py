"""What is counted over the micro-batches of one stream in one update: sums only, so that ranks can add theirs up."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, log_ratio
from burnish.training._objective import Evaluation


@dataclass
class Tally:
    """Sums over tokens. `mass` and `square` are those of |c_t|, the size of each token's pull on the weights (spec 3.3)."""

    loss: float = 0.0
    tokens: float = 0.0
    counted: float = 0.0
    coefficient: float = 0.0
    mass: float = 0.0
    square: float = 0.0
    still: float = 0.0
    with_rollout: float = 0.0
    delta: float = 0.0
    rollout_kl: float = 0.0
    with_advantage: float = 0.0
    clipped: float = 0.0
    ratio: float = 0.0
    ratio_square: float = 0.0
    with_reference: float = 0.0
    reference_kl: float = 0.0
    with_entropy: float = 0.0
    entropy: float = 0.0

    @torch.no_grad()
    def add(self, tokens: int, batch: TokenBatch, evaluation: Evaluation) -> None:
        """Count one evaluated micro-batch, in which `tokens` were read."""
        mask, pull = batch.mask, evaluation.coefficient * batch.mask
        self.loss += evaluation.value
        self.tokens += tokens
        self.counted += float(mask.sum())
        self.coefficient += float(pull.sum())
        self.mass += float(pull.abs().sum())
        self.square += float((pull**2).sum())
        self.still += float((mask * (pull == 0)).sum())
        if batch.advantage is not None:
            self._add_policy(batch, evaluation)
        if batch.reference is not None:
            self.with_reference += float(mask.sum())
            self.reference_kl += _k3_sum(batch.reference - batch.logp, mask)
        if batch.entropy is not None:
            self.with_entropy += float(mask.sum())
            self.entropy += float((batch.entropy * mask).sum())

    def _add_policy(self, batch: TokenBatch, evaluation: Evaluation) -> None:
        assert batch.advantage is not None
        signal = batch.mask * (batch.advantage != 0)
        self.with_advantage += float(signal.sum())
        self.clipped += float((signal * (evaluation.coefficient == 0)).sum())
        ratio = log_ratio(batch).exp() * batch.mask
        self.ratio += float(ratio.sum())
        self.ratio_square += float((ratio**2).sum())
        if batch.rollout is not None:
            self.with_rollout += float(batch.mask.sum())
            self.delta += float(((batch.logp - batch.rollout).abs() * batch.mask).sum())
            self.rollout_kl += _k3_sum(batch.logp - batch.rollout, batch.mask)

    def numbers(self) -> list[float]:
        """All sums, in the order of the fields."""
        return [float(getattr(self, one.name)) for one in fields(self)]

    @classmethod
    def total(cls, parts: list[list[float]]) -> Tally:
        """The sum of the `numbers` of several tallies."""
        return cls(*(sum(column) for column in zip(*parts, strict=True)))

    def report(self) -> dict[str, float]:
        """Means per token and effective sample sizes, as fields of `StreamStats`; what was not measured is left out."""
        means = {
            "coefficient_mean": (self.coefficient, self.counted),
            "coefficient_zero": (self.still, self.counted),
            "coefficient_ess": (self.mass**2, self.square * self.counted),
            "rollout_delta": (self.delta, self.with_rollout),
            "rollout_kl": (self.rollout_kl, self.with_rollout),
            "clip_share": (self.clipped, self.with_advantage),
            "ratio_ess": (self.ratio**2, self.ratio_square * self.counted if self.with_advantage else 0.0),
            "reference_kl": (self.reference_kl, self.with_reference),
            "exact_entropy": (self.entropy, self.with_entropy),
        }
        return {name: total / count for name, (total, count) in means.items() if count}


def _k3_sum(difference: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> float:
    difference = difference.clamp(-20.0, 20.0)
    return float(((difference.exp() - difference - 1.0) * mask).sum())
