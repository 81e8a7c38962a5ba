"""Every policy loss, weight and advantage learns: a table of logits comes to answer as it is rewarded, from samples alone.

Four tasks with one right answer of two tokens each, out of six; an answer earns the share of its tokens that are right. Two
updates are made on the same samples, so that the ratio is not 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from burnish.core.plugins import find, names
from burnish.objectives.base import AdvantageBatch, Denominators, TokenBatch, aggregate

TASKS, GROUP, TOKENS, WORDS = 4, 8, 2, 6
RIGHT = torch.tensor([[0, 3], [5, 1], [2, 2], [4, 0]])
POLICY = [name for name in names("loss") if "advantage" in find("loss", name).needs]
OFF_POLICY = [name for name in names("weight") if find("weight", name).needs <= {"advantage", "old", "rollout"} and "pear" not in name]


@dataclass
class Learner:
    """A softmax policy over words, by task and position."""

    seed: int = 0
    logits: Tensor = field(default_factory=lambda: torch.zeros(TASKS, TOKENS, WORDS, dtype=torch.float64, requires_grad=True))

    def __post_init__(self) -> None:
        self._generator = torch.Generator().manual_seed(self.seed)
        self._optimizer = torch.optim.Adam([self.logits], lr=0.1)

    def success(self) -> float:
        """The mean probability of the right token."""
        return self.logits.softmax(-1).gather(-1, RIGHT[:, :, None]).mean().item()

    def step(self, loss: str, advantage: str, weight: str | None = None) -> None:
        """Sample a group for each task, then two updates."""
        task = torch.arange(TASKS).repeat_interleave(GROUP)
        probability = self.logits.detach().softmax(-1)[task].flatten(0, 1)
        words = torch.multinomial(probability, 1, generator=self._generator).view(-1, TOKENS)
        hits = (words == RIGHT[task]).double()
        old, mask = self._logp(task, words).detach(), torch.ones(len(task), TOKENS, dtype=torch.float64)
        samples = AdvantageBatch(
            reward=hits.mean(1),
            group=task,
            mask=mask,
            old=old,
            reference=old,
            value=torch.full_like(mask, 0.3),
            token_reward=hits - 0.5 if advantage in ("step_credit", "token_credit", "span_gae") else None,
            segment_end=mask > 0,
            baseline=torch.full((len(task),), 0.3, dtype=torch.float64),
        )
        estimator = find("advantage", advantage)
        estimate = estimator.function(samples, estimator.options({}))
        spread = estimate if estimate.dim() == 2 else estimate[:, None] * mask
        for _ in range(2):
            batch = TokenBatch(logp=self._logp(task, words), mask=mask, old=old, rollout=old - 0.05, advantage=spread)
            self._update(batch, loss, weight)

    def _update(self, batch: TokenBatch, loss: str, weight: str | None) -> None:
        plugin = find("loss", loss)
        unreduced = plugin.function(batch, plugin.options({}))
        if weight is not None:
            unreduced = unreduced * find("weight", weight).function(batch, find("weight", weight).options({}))
        self._optimizer.zero_grad()
        aggregate(unreduced, batch.mask, plugin.aggregation, Denominators.of(batch.mask, TOKENS)).backward()
        self._optimizer.step()

    def _logp(self, task: Tensor, words: Tensor) -> Tensor:
        return self.logits.log_softmax(-1)[task].gather(-1, words[:, :, None])[:, :, 0]


def learned(loss: str = "dapo", advantage: str = "grpo", weight: str | None = None) -> float:
    learner = Learner()
    assert learner.success() == pytest.approx(1 / WORDS)
    for _ in range(40):
        learner.step(loss, advantage, weight)
    return learner.success()


@pytest.mark.parametrize("loss", POLICY)
def test_every_policy_loss_learns(loss) -> None:
    assert learned(loss) > 0.8


@pytest.mark.parametrize("advantage", names("advantage"))
def test_every_advantage_teaches(advantage) -> None:
    assert learned(advantage=advantage) > 0.8


@pytest.mark.parametrize("weight", OFF_POLICY)
def test_a_weight_near_one_does_not_hinder(weight) -> None:
    """The sampler's log-probabilities are 0.05 off at every token; rejections by a tight limit keep nothing."""
    success = learned(weight=weight)
    if weight in ("reject_geometric",):
        assert success == pytest.approx(1 / WORDS)
    else:
        assert success > 0.8
