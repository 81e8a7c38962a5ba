"""Micro-batches and what is counted over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

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
    delta_max: float = 0.0
    rollout_kl: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
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
        if batch.rollout is not None:
            self._compare(batch.logp - batch.rollout, mask * _known(micro.rows).to(mask))
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

    def _compare(self, difference: Float[Tensor, "batch time"], known: Float[Tensor, "batch time"]) -> None:
        """Trainer against sampler, over the tokens whose sampler told its log-probability."""
        self.with_rollout += float(known.sum())
        self.delta += float((difference.abs() * known).sum())
        self.delta_max = max(self.delta_max, float((difference.abs() * known).max()))
        self.rollout_kl += _k3_sum(difference, known)
        weight = difference.clamp(-20.0, 20.0).exp() * known
        self.weight += float(weight.sum())
        self.weight_squared += float((weight**2).sum())

    def report(self) -> dict[str, float]:
        """Means per token and the like, as fields of `StreamStats`; what was not measured is left out."""
        means = {
            "rollout_delta": (self.delta, self.with_rollout),
            "rollout_delta_max": (self.delta_max, 1.0 if self.with_rollout else 0.0),
            "rollout_kl": (self.rollout_kl, self.with_rollout),
            "rollout_ess": (self.weight**2, self.with_rollout * self.weight_squared),
            "update_kl": (self.update_kl, self.with_old),
            "clip_share": (self.clipped, self.with_advantage),
            "reference_kl": (self.reference_kl, self.with_reference),
        }
        return {name: total / count for name, (total, count) in means.items() if count}


def _known(rows: Sequence[Row]) -> Float[Tensor, "batch time"]:
    """1 where the sampler told its log-probability."""
    return pad_sequence([torch.tensor([float(value is not None) for value in row.rollout or ()]) for row in rows], batch_first=True)


def _k3_sum(difference: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"]) -> float:
    difference = difference.clamp(-20.0, 20.0)
    return float(((difference.exp() - difference - 1.0) * mask).sum())
