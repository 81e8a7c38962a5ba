"""Micro-batches and what is counted over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

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
    with_rollout: float = 0.0
    delta: float = 0.0
    rollout_kl: float = 0.0
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
        if batch.rollout is not None:
            self.with_rollout += float(mask.sum())
            self.delta += float(((batch.logp - batch.rollout).abs() * mask).sum())
            self.rollout_kl += _k3_sum(batch.logp - batch.rollout, mask)
        if batch.advantage is not None:
            signal = mask * (batch.advantage != 0)
            self.with_advantage += float(signal.sum())
            self.clipped += float((signal * (evaluation.coefficient == 0)).sum())
        if batch.reference is not None:
            self.with_reference += float(mask.sum())
            self.reference_kl += _k3_sum(batch.reference - batch.logp, mask)

    def report(self) -> dict[str, float]:
        """Means per token, as fields of `StreamStats`; what was not measured is left out."""
        means = {
            "rollout_delta": (self.delta, self.with_rollout),
            "rollout_kl": (self.rollout_kl, self.with_rollout),
            "clip_share": (self.clipped, self.with_advantage),
            "reference_kl": (self.reference_kl, self.with_reference),
        }
        return {name: total / count for name, (total, count) in means.items() if count}


def _k3_sum(difference: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> float:
    difference = difference.clamp(-20.0, 20.0)
    return float(((difference.exp() - difference - 1.0) * mask).sum())
