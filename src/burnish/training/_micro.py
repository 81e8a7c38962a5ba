"""Micro-batches and what is counted over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.models._mismatch import compare
from burnish.objectives.base import TokenBatch
from burnish.training._objective import Evaluation
from burnish.training._rows import Row


@dataclass
class MicroBatch:
    """Rows that go through the model together. What stays the same over the updates of one step is kept here."""

    rows: list[Row]
    old: Float[Tensor, "batch time"] | None = None
    reference: Float[Tensor, "batch time"] | None = None

    @property
    def tokens(self) -> int:
        """Tokens that are read, without padding."""
        return sum(row.length for row in self.rows)


def micro_batches(rows: Sequence[Row], token_budget: int) -> list[MicroBatch]:
    """Rows of similar length together, each batch's padded size within the budget (a single row may exceed it)."""
    batches: list[MicroBatch] = []
    for row in sorted(rows, key=lambda row: -row.length):
        if batches and (len(batches[-1].rows) + 1) * batches[-1].rows[0].length <= token_budget:
            batches[-1].rows.append(row)
        else:
            batches.append(MicroBatch([row]))
    return batches


@dataclass
class Tally:
    """Sums over the micro-batches of one stream in one update."""

    loss: float = 0.0
    tokens: int = 0
    sampler: list[Sequence[float | None]] = field(default_factory=list)
    trainer: list[list[float]] = field(default_factory=list)
    with_old: float = 0.0
    update_kl: float = 0.0
    with_advantage: float = 0.0
    clipped: float = 0.0
    with_reference: float = 0.0
    reference_kl: float = 0.0

    @torch.no_grad()
    def add(self, micro: MicroBatch, batch: TokenBatch, evaluation: Evaluation) -> None:
        """Count one evaluated micro-batch."""
        mask = batch.mask
        self.loss += evaluation.value
        self.tokens += micro.tokens
        for row, logp in zip(micro.rows, batch.logp.tolist(), strict=True):
            if row.rollout is not None:
                self.sampler.append(row.rollout)
                self.trainer.append(logp[: len(row.rollout)])
        if batch.old is not None:
            self.with_old += float(mask.sum())
            self.update_kl += _k3_sum(batch.logp - batch.old, mask)
        if batch.advantage is not None:
            signal = mask * (batch.advantage != 0)
            self.with_advantage += float(signal.sum())
            self.clipped += float((signal * (evaluation.coefficient == 0)).sum())
        if batch.reference is not None:
            self.with_reference += float(mask.sum())
            self.reference_kl += _k3_sum(batch.reference - batch.logp, mask)

    def report(self) -> dict[str, float]:
        """Means per token and the like, as fields of `StreamStats`; what was not measured is left out."""
        means = {
            "update_kl": (self.update_kl, self.with_old),
            "clip_share": (self.clipped, self.with_advantage),
            "reference_kl": (self.reference_kl, self.with_reference),
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
        return measured | (agreement if found.tokens else {})


def _k3_sum(difference: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> float:
    difference = difference.clamp(-20.0, 20.0)
    return float(((difference.exp() - difference - 1.0) * mask).sum())
