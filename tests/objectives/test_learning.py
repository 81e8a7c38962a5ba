"""Small models learn what each loss promises: seeded, a few seconds, with the loop written out."""

from __future__ import annotations

import pytest
import torch
from tests.training.conftest import tiny_model
from torch import Tensor, nn

from burnish.core.plugins import find
from burnish.objectives.base import Denominators, TokenBatch, aggregate
from burnish.objectives.preferences.base import divergence, judged_of, margin, pairs_of

pytestmark = pytest.mark.usefixtures("one_thread")


def imitate(name: str, seed: int) -> tuple[float, float]:
    """A table of 4 contexts over 8 tokens learns targets that are 60 % one token and 40 % another.

    Gives the drift KL(base || policy) and the probability of the first token among the two.
    """
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(4, 8, generator=generator)
    targets = torch.stack([torch.randperm(8, generator=generator)[:2] for _ in range(4)])
    table, anchor = base.clone().requires_grad_(), base.log_softmax(-1)
    loss, share = find("loss", name), torch.tensor([0.6, 0.4])
    for _ in range(1000):
        policy = table.log_softmax(-1)
        kl = (anchor.exp() * (anchor - policy)).sum(-1, keepdim=True).expand(4, 2)
        batch = TokenBatch(logp=policy.gather(1, targets), mask=torch.ones(4, 2), kl_forward=kl)
        value = (loss.function(batch, loss.options({})) * share).sum() / 4
        table.data -= 2.0 * torch.autograd.grad(value, table)[0]
    policy = table.detach().log_softmax(-1)
    first, second = policy.gather(1, targets).exp().unbind(1)
    return (anchor.exp() * (anchor - policy)).sum(-1).mean().item(), (first / (first + second)).mean().item()


@pytest.mark.parametrize("seed", [0, 1])
def test_asft_drifts_least_and_dft_is_not_calibrated(seed) -> None:
    plain, dynamic, anchored = imitate("nll", seed), imitate("dft", seed), imitate("asft", seed)
    assert anchored[0] < 0.6 * min(plain[0], dynamic[0])
    assert plain[1] == pytest.approx(0.6, abs=0.01)
    assert dynamic[1] > 0.7


class Answers:
    """A two-layer random model, six prompts of three tokens, and for each a better and a worse answer of four."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        prompts = torch.randint(5, 33, (6, 3), generator=generator).repeat_interleave(2, dim=0)
        self.ids = torch.cat([prompts, torch.randint(5, 33, (12, 4), generator=generator)], dim=1)
        self.mask = torch.ones(12, 4)
        self.mask[1::3, 3] = 0
        self.model = tiny_model().train()
        with torch.no_grad():
            self.reference = self.logp()

    def logp(self, ids: Tensor | None = None) -> Tensor:
        ids = self.ids if ids is None else ids
        logits = self.model(input_ids=ids[:, :-1]).logits[:, 2:]
        return logits.log_softmax(-1).gather(2, ids[:, 3:, None])[..., 0]

    def batch(self) -> TokenBatch:
        good = torch.tensor([True, False] * 6)
        return TokenBatch(logp=self.logp(), mask=self.mask, reference=self.reference, correct=good)

    def learn(self, name: str, steps: int, **options: float) -> TokenBatch:
        loss = find("preference", name)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=0.0)
        mismatched = torch.cat([self.ids[:, :3], self.ids[:, 3:].roll(2, 0)], dim=1)
        with torch.no_grad():
            before = self.logp(mismatched).sum(1)
        for _ in range(steps):
            batch = self.batch()
            if name == "kto":
                with torch.no_grad():
                    drift = divergence(self.logp(mismatched).sum(1), before)
                judged = judged_of(batch, drift)
            else:
                judged = pairs_of(batch)
            optimizer.zero_grad()
            loss.function(judged, loss.options(options)).mean().backward()
            optimizer.step()
        with torch.no_grad():
            return self.batch()


@pytest.mark.parametrize(("name", "options"), [("dpo", {}), ("dpo", {"nll_mean": 0.2}), ("ipo", {}), ("kto", {})])
def test_pairs_are_put_in_order(name, options) -> None:
    answers = Answers()
    assert not margin(pairs_of(answers.batch())).any()
    after = pairs_of(answers.learn(name, 30, **options))
    assert (margin(after) > 2).all()


def test_likelihood_term_keeps_the_chosen_answer_likely() -> None:
    plain, kept = Answers().learn("dpo", 30), Answers().learn("dpo", 30, nll_sum=0.2)
    assert pairs_of(kept).chosen.mean() > pairs_of(plain).chosen.mean() + 1


def test_ipo_stops_at_its_margin_where_dpo_goes_on() -> None:
    ipo, dpo = pairs_of(Answers().learn("ipo", 120, beta=0.5)), pairs_of(Answers().learn("dpo", 120, beta=0.5))
    per_token = (ipo.chosen - ipo.reference_chosen) / ipo.chosen_tokens - (ipo.rejected - ipo.reference_rejected) / ipo.rejected_tokens
    assert per_token.tolist() == pytest.approx([1.0] * 6, abs=0.1)
    assert (margin(dpo) > margin(ipo)).all()


def steps(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows of four steps of three letters and an end token each. A step is right if its first two letters are in order."""
    letters = torch.randint(5, 31, (count, 4, 3), generator=generator)
    ids = torch.cat([letters, torch.full((count, 4, 1), 31)], dim=2)
    return ids.reshape(count, 16), (letters[..., 0] <= letters[..., 1]).float()


def test_step_reward_model_tells_right_steps_from_wrong_ones() -> None:
    """Trained on steps of 200 traces, it orders the steps of 100 others almost without a mistake."""
    generator = torch.Generator().manual_seed(0)
    backbone, loss = tiny_model().model.train(), find("loss", "step_label")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = nn.Linear(32, 1)
    ends = torch.zeros(16).index_fill(0, torch.tensor([3, 7, 11, 15]), 1.0)

    def scores(ids: Tensor) -> Tensor:
        return head(backbone(input_ids=ids).last_hidden_state)[..., 0]

    def area(ids: Tensor, labels: Tensor) -> float:
        """Chance that a right step scores above a wrong one."""
        with torch.no_grad():
            got = scores(ids)[:, ends > 0]
        return (got[labels == 1][:, None] > got[labels == 0][None]).float().mean().item()

    held_out = steps(100, generator)
    before = area(*held_out)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(150):
        ids, labels = steps(64, generator)
        mask = ends.expand(64, 16)
        targets = torch.zeros(64, 16).masked_scatter(mask > 0, labels)
        batch = TokenBatch(logp=torch.zeros(64, 16), mask=mask, value=scores(ids), returns=targets)
        optimizer.zero_grad()
        aggregate(loss.function(batch, {}), mask, loss.aggregation, Denominators.of(mask)).backward()
        optimizer.step()
    after = area(*held_out)
    assert before < 0.7
    assert after > 0.97
