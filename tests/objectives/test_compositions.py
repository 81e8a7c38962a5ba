"""Whole objectives of the specs, made of several of our functions: ReFT's two losses, a mixture of streams, steps of a line."""

from __future__ import annotations

import pytest
import torch
from tests.objectives.fx import fx_rl
from tests.objectives.test_supervised import fx_sft
from torch import Tensor

from burnish.core.plugins import find
from burnish.objectives.base import AdvantageBatch, Denominators, Loss, TokenBatch, aggregate
from burnish.objectives.controllers.base import Measured
from burnish.objectives.credit import at_ends


def tensor(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def reduced(loss: Loss, batch: TokenBatch, mode: str | None = None, **options: float) -> Tensor:
    unreduced = loss.function(batch, loss.options(options))
    return aggregate(unreduced, batch.mask, mode or loss.aggregation, Denominators.of(batch.mask))


class TestReft:
    """Two answers; rewards 1 (right) and 0.1 (an answer, but a wrong one)."""

    def test_losses(self) -> None:
        mask = tensor([1, 1, 1, 0], [1, 1, 1, 1])
        old = tensor([-0.5, -1, -0.2, 0], [-0.3, -0.8, -0.6, -1.1])
        reference = tensor([-0.6, -0.7, -0.2, 0], [-0.3, -1, -0.5, -1])
        value = tensor([0.3, 0.5, 0.6, 0], [0.2, 0.1, 0.4, 0.3])
        rollouts = AdvantageBatch(
            reward=torch.tensor([1, 0.1], dtype=torch.float64),
            group=torch.arange(2), mask=mask, old=old, reference=reference, value=value,
        )  # fmt: skip
        gae = find("advantage", "gae")
        options = gae.options({"kl": 0.05, "whiten": 1.0})
        batch = TokenBatch(
            logp=old + tensor([0.3, -0.1, 0.05, 0], [-0.3, 0.1, 0.4, -0.05]),
            mask=mask, old=old, advantage=gae.function(rollouts, options),
            value=value + tensor([0.1, -0.3, 0.05, 0], [0, 0.25, -0.1, 0.1]),
            old_value=value, returns=gae.returns(rollouts, options),
        )  # fmt: skip
        policy = reduced(find("loss", "ppo_clip"), batch, "seq-mean-token-mean")
        critic = reduced(find("loss", "value_clip"), batch, "seq-mean-token-mean")
        assert policy.item() == pytest.approx(-0.1090862770, rel=0, abs=1e-8)
        assert critic.item() == pytest.approx(0.1005460383, rel=0, abs=1e-8)
        assert (policy + 5 * critic).item() == pytest.approx(0.3936439146, rel=0, abs=1e-8)


class TestMixture:
    """A supervised and a reinforced stream, each with its own denominators; `fixed` and `amft` give the coefficients."""

    def losses(self) -> dict[str, Tensor]:
        return {"sft": reduced(find("loss", "nll"), fx_sft()), "rl": reduced(find("loss", "dapo"), fx_rl())}

    def total(self, controller: str, **options: float) -> float:
        chosen = find("controller", controller)
        _, plan = chosen.advance(chosen.state(), Measured(), chosen.options(options))
        losses = self.losses()
        return sum(share * losses[stream].item() for stream, share in plan.streams.items() if stream in losses)

    def test_a_third_of_imitation(self) -> None:
        assert self.total("fixed", sft=0.3, rl=0.7) == pytest.approx(0.1756535189, rel=0, abs=1e-8)
        assert self.total("linear", start=0.3) == pytest.approx(0.1756535189, rel=0, abs=1e-8)

    def test_pure_ends(self) -> None:
        losses = self.losses()
        assert self.total("linear", start=1.0) == losses["sft"].item()
        assert self.total("linear", start=0.0) == losses["rl"].item()
        assert self.total("sasr", warmup=1) == losses["sft"].item()


def test_long_wrong_answers_weigh_more_per_token_than_per_answer() -> None:
    """Answers of 2 and 6 tokens with advantages +1 and -1, at the derivative of the objective along all log-probabilities."""
    mask = (torch.arange(6) < torch.tensor([[2], [6]])).double()
    batch = TokenBatch(logp=-mask, mask=mask, advantage=tensor([1], [-1]) * mask)
    loss = find("loss", "policy_gradient")
    assert reduced(loss, batch, "token-mean").item() == -0.5
    assert reduced(loss, batch, "seq-mean-token-mean").item() == 0


def test_labels_of_lines_lie_on_their_last_tokens() -> None:
    """A process reward model sees one label per line and nothing between."""
    labels, ends = at_ends([[2, 4, 8]], [[1, 0, 1]], torch.ones(1, 9))
    logits = torch.zeros(1, 9, requires_grad=True)
    batch = TokenBatch(logp=torch.zeros(1, 9), mask=ends.float(), value=logits, returns=labels)
    value = reduced(find("loss", "step_label"), batch)
    assert value.item() == pytest.approx(0.6931472)
    gradient = torch.autograd.grad(value, logits)[0][0]
    assert gradient.tolist() == pytest.approx([0, 0, -1 / 6, 0, 1 / 6, 0, 0, 0, -1 / 6])
