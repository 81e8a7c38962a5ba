"""What is counted over the micro-batches of one stream in one update: sums and lists, so that ranks can put theirs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.models._mismatch import compare
from burnish.objectives.base import TokenBatch, log_ratio
from burnish.training._micro import MicroBatch
from burnish.training._objective import Evaluation


@dataclass
class Tally:
    """Sums over tokens. `mass` and `square` are those of |c_t|, the size of each token's pull on the weights (spec 3.3).

    `sampler` and `trainer` hold the log-probabilities of the rows called `names`.
    """

    loss: float = 0.0
    tokens: int = 0
    counted: float = 0.0
    coefficient: float = 0.0
    mass: float = 0.0
    square: float = 0.0
    still: float = 0.0
    peaks: list[float] = field(default_factory=list)
    sampler: list[Sequence[float | None]] = field(default_factory=list)
    trainer: list[list[float]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    with_old: float = 0.0
    update_kl: float = 0.0
    ratio: float = 0.0
    ratio_square: float = 0.0
    with_advantage: float = 0.0
    clipped: float = 0.0
    with_reference: float = 0.0
    reference_kl: float = 0.0
    with_entropy: float = 0.0
    entropy: float = 0.0

    @torch.no_grad()
    def add(self, micro: MicroBatch, batch: TokenBatch, evaluation: Evaluation) -> None:
        """Count one evaluated micro-batch."""
        mask, count = batch.mask, float(batch.mask.sum())
        self.loss += evaluation.value
        self.tokens += micro.tokens
        if evaluation.coefficient is not None:
            self._add_coefficients(evaluation.coefficient * mask, mask)
        if batch.advantage is not None:
            self._add_policy(micro, batch, evaluation)
        if batch.reference is not None:
            self.with_reference += count
            self.reference_kl += _k3_sum(batch.reference - batch.logp, mask)
        if batch.entropy is not None:
            self.with_entropy += count
            self.entropy += float((batch.entropy * mask).sum())

    def _add_coefficients(self, pull: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> None:
        self.counted += float(mask.sum())
        self.coefficient += float(pull.sum())
        self.mass += float(pull.abs().sum())
        self.square += float((pull**2).sum())
        self.still += float((mask * (pull == 0)).sum())
        self.peaks.append(float(pull.abs().max()))

    def _add_policy(self, micro: MicroBatch, batch: TokenBatch, evaluation: Evaluation) -> None:
        assert batch.advantage is not None
        signal = batch.mask * (batch.advantage != 0)
        if evaluation.coefficient is not None:
            self.with_advantage += float(signal.sum())
            self.clipped += float((signal * (evaluation.coefficient == 0)).sum())
        for row, logp in zip(micro.rows, batch.logp.tolist(), strict=True):
            if row.rollout is not None:
                self.sampler.append(row.rollout)
                self.trainer.append(logp[: len(row.rollout)])
                self.names.append(row.id)
        if batch.old is not None:
            ratio = log_ratio(batch).exp() * batch.mask
            self.with_old += float(batch.mask.sum())
            self.update_kl += _k3_sum(batch.logp - batch.old, batch.mask)
            self.ratio += float(ratio.sum())
            self.ratio_square += float((ratio**2).sum())

    @classmethod
    def total(cls, parts: Sequence[Tally]) -> Tally:
        """Several tallies as one."""
        whole = cls()
        for part in parts:
            for one in fields(cls):
                value: Any = getattr(whole, one.name) + getattr(part, one.name)
                setattr(whole, one.name, value)
        return whole

    def report(self) -> dict[str, float]:
        """Means per token and effective sample sizes, as fields of `StreamStats`; what was not measured is left out."""
        means = {
            "coefficient_mean": (self.coefficient, self.counted),
            "coefficient_zero": (self.still, self.counted),
            "coefficient_ess": (self.mass**2, self.square * self.counted),
            "update_kl": (self.update_kl, self.with_old),
            "ratio_ess": (self.ratio**2, self.ratio_square * self.with_old),
            "clip_share": (self.clipped, self.with_advantage),
            "reference_kl": (self.reference_kl, self.with_reference),
            "exact_entropy": (self.entropy, self.with_entropy),
        }
        found = compare(self.sampler, self.trainer)
        agreement = {
            "rollout_delta": found.mean,
            "rollout_delta_max": found.maximum,
            "rollout_kl": found.k3,
            "rollout_ess": found.ess,
            "rollout_outside": found.outside,
        }
        measured = {name: total / count for name, (total, count) in means.items() if count}
        return measured | ({"coefficient_max": max(self.peaks)} if self.peaks else {}) | (agreement if found.tokens else {})


def _k3_sum(difference: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> float:
    difference = difference.clamp(-20.0, 20.0)
    return float(((difference.exp() - difference - 1.0) * mask).sum())
