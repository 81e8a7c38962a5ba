"""Estimators with a KL term, a critic, token rewards or spans: the numbers of the specs, unscored samples, laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.objectives.fx import MASK, REWARD, VALUE, estimate, fx_advantage, padded
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.plugins import find, names
from burnish.objectives.advantages.dr_grpo import dr_grpo
from burnish.objectives.advantages.gae import gae
from burnish.objectives.advantages.given_baseline import given_baseline
from burnish.objectives.advantages.grpo import grpo
from burnish.objectives.advantages.length_adaptive_gae import adaptive_lambda, length_adaptive_gae
from burnish.objectives.advantages.maxrl import maxrl
from burnish.objectives.advantages.reinforce_plus_plus import reinforce_plus_plus
from burnish.objectives.advantages.reinforce_plus_plus_baseline import reinforce_plus_plus_baseline
from burnish.objectives.advantages.rloo import rloo
from burnish.objectives.advantages.span_gae import span_gae
from burnish.objectives.advantages.step_credit import step_credit
from burnish.objectives.advantages.token_credit import token_credit
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import at_ends, token_rewards

NAN = float("nan")


def close(got: Tensor, *rows: list[float], places: float = 1e-9) -> None:
    assert torch.allclose(got, padded(*rows), rtol=0, atol=places)


def one(length: int, **fields: object) -> AdvantageBatch:
    """One sample of some length with reward 0; lists become rows of one, in float64."""
    made = {name: torch.tensor([value], dtype=torch.float64) for name, value in fields.items()}
    mask = torch.ones(1, length, dtype=torch.float64)
    return AdvantageBatch(**{"reward": torch.zeros(1).double(), "group": torch.zeros(1).long(), "mask": mask} | made)


class TestSpec:
    def test_rloo_with_the_divergence_in_the_reward(self) -> None:
        got = estimate(rloo, fx_advantage(), kl=0.05)
        assert got.tolist() == pytest.approx([0.8441666667, -0.5058333333, -0.4991666667, 0.1608333333], rel=0, abs=1e-9)

    def test_reinforce_plus_plus(self) -> None:
        close(
            estimate(reinforce_plus_plus, fx_advantage()),
            [1.1059688434, 1.1039630965, 1.1079745903, 1.1079745903],
            [-0.9047924272, -0.9027866803],
            [-0.9027866803, -0.9067981741, -0.9067981741],
            [0.0980810245],
            places=1e-8,  # verl adds 1e-8 to its denominators
        )

    def test_reinforce_plus_plus_baseline(self) -> None:
        close(
            estimate(reinforce_plus_plus_baseline, fx_advantage()),
            *([1.1061624915] * 4, [-0.9050420383] * 2, [-0.9050420383] * 3, [0.1005602266]),
            places=1e-8,
        )

    def test_gae(self) -> None:
        got = estimate(gae, fx_advantage())
        close(got, [0.7374625, 0.56575, 0.385, 0.3], [-0.085, -0.3], [-0.28525, -0.195, -0.1], [0])
        assert gae.returns is not None
        assert torch.allclose(gae.returns(fx_advantage(), gae.defaults), (got + VALUE) * MASK)

    def test_gae_whitened(self) -> None:
        got = estimate(gae, fx_advantage(), whiten=1)
        assert got[0].tolist() == pytest.approx([1.7222508933, 1.2566530967, 0.7665501529, 0.5360729733], rel=0, abs=1e-8)

    def test_length_adaptive_gae(self) -> None:
        lengths = MASK.sum(1)
        assert adaptive_lambda(lengths, 2.0).tolist() == pytest.approx([0.875, 0.75, 0.8333333333, 0.5])
        paper = torch.tensor([1000.0, 20.0, 10.0], dtype=torch.float64)
        assert adaptive_lambda(paper, 0.05).tolist() == pytest.approx([0.98, 0, 0], abs=1e-12)
        close(
            estimate(length_adaptive_gae, fx_advantage(), alpha=2.0),
            [0.6525390625, 0.5171875, 0.3625, 0.3], [-0.025, -0.3], [-0.2527777778, -0.1833333333, -0.1], [0],
        )  # fmt: skip

    def test_the_critic_of_vapo_learns_undiscounted_returns(self) -> None:
        assert length_adaptive_gae.returns is not None
        target = length_adaptive_gae.returns(fx_advantage(), length_adaptive_gae.defaults)
        assert torch.allclose(target, REWARD[:, None] * MASK, rtol=0, atol=1e-12)

    def test_reft(self) -> None:
        """ReFT: KL 0.05 in the reward, lambda 0.95, whitening over all tokens of the batch."""
        batch = AdvantageBatch(
            reward=torch.tensor([1, 0.1], dtype=torch.float64),
            group=torch.tensor([0, 1]),
            mask=padded([1, 1, 1, 0], [1, 1, 1, 1]),
            old=padded([-0.5, -1, -0.2], [-0.3, -0.8, -0.6, -1.1]),
            reference=padded([-0.6, -0.7, -0.2], [-0.3, -1, -0.5, -1]),
            value=padded([0.3, 0.5, 0.6], [0.2, 0.1, 0.4, 0.3]),
        )
        close(token_rewards(batch, 0.05), [-0.005, 0.015, 1], [0, -0.01, 0.005, 0.105])
        close(estimate(gae, batch, kl=0.05), [0.66525, 0.495, 0.4], [-0.077425625, 0.0237625, -0.28025, -0.195])
        assert gae.returns is not None
        target = gae.returns(batch, gae.options({"kl": 0.05}))
        close(target, [0.96525, 0.995, 1], [0.122574375, 0.1237625, 0.11975, 0.105])
        whitened = estimate(gae, batch, kl=0.05, whiten=1)
        close(
            whitened,
            [1.4020315104, 0.9411540890, 0.6839831344],
            [-0.6084379579, -0.3345153610, -1.1574962542, -0.9267191607],
            places=1e-8,
        )

    def test_maxrl(self) -> None:
        batch = AdvantageBatch(reward=torch.tensor([1.0, 0, 0, 0]).double(), group=torch.zeros(4).long())
        assert estimate(maxrl, batch).tolist() == pytest.approx([3, -1, -1, -1], abs=2e-5)
        assert estimate(maxrl, batch, epsilon=0).tolist() == [3, -1, -1, -1]

    def test_mrt(self) -> None:
        outcome = torch.tensor([1.0, 0, 1, 0]).double()
        batch = AdvantageBatch(reward=outcome, group=torch.zeros(4).long(), baseline=torch.full((4,), 0.5).double())
        assert estimate(given_baseline, batch).tolist() == [0.5, -0.5, 0.5, -0.5]

    def test_prlcoder(self) -> None:
        """A score at the end of each line, and a KL penalty at every token."""
        ratio = [0.1, -0.2, 0.05, 0, 0.3, 0.1, -0.1, 0, 0.2]
        batch = one(9, old=ratio, reference=[0.0] * 9)
        assert batch.mask is not None
        reward, end = at_ends([[2, 4, 8]], [[0.9, 0.2, 0.6]], batch.mask)
        batch = replace(batch, token_reward=reward, segment_end=end)
        expected = [-0.01, 0.02, 0.895, 0, 0.17, -0.01, 0.01, 0, 0.58]
        assert token_rewards(batch, 0.1)[0].tolist() == pytest.approx(expected, abs=1e-12)
        earned = torch.tensor(expected, dtype=torch.float64).flip(0).cumsum(0).flip(0)
        assert torch.allclose(estimate(token_credit, batch, kl=0.1)[0], earned)


class TestLedex:
    """Explanation of two tokens, code of three; R(e) = 2 and R(r) = 1.5 at their ends."""

    def batch(self) -> AdvantageBatch:
        mask = torch.ones(1, 5, dtype=torch.float64)
        reward, end = at_ends([[1, 4]], [[2.0, 1.5]], mask)
        divergence = [0.01, -0.02, 0.03, 0, 0.01]
        batch = one(5, value=[0.1, 0.2, 0.3, 0.4, 0.5], old=divergence, reference=[0.0] * 5)
        return replace(batch, token_reward=reward, segment_end=end)

    def test_token_rewards(self) -> None:
        assert token_rewards(self.batch(), 1.0)[0].tolist() == pytest.approx([-0.01, 2.02, -0.03, 0, 1.49], abs=1e-12)

    def test_literal(self) -> None:
        got = estimate(span_gae, self.batch(), kl=1, cut=0)
        assert got[0].tolist() == pytest.approx([3.291685, 3.236046, 1.130349, 1.0751, 0.99], rel=0, abs=5e-7)
        assert torch.equal(got, estimate(gae, self.batch(), kl=1, gamma=0.99, **{"lambda": 1.0}))

    def test_cut(self) -> None:
        got = estimate(span_gae, self.batch(), kl=1)
        assert got[0].tolist() == pytest.approx([1.8898, 1.82, 1.130349, 1.0751, 0.99], rel=0, abs=5e-7)

    @pytest.mark.parametrize(("code", "literal"), [(10, -0.62), (28, -0.02), (29, 0.01)])
    def test_credit_of_a_good_explanation_of_bad_code(self, code, literal) -> None:
        explanation = 4
        length = explanation + code
        mask = torch.ones(1, length, dtype=torch.float64)
        reward, end = at_ends([[explanation - 1, length - 1]], [[3.0, -4.0]], mask)
        batch = replace(one(length, value=[0.0] * length), token_reward=reward, segment_end=end)
        at_last = estimate(span_gae, batch, kl=0, cut=0)[0, explanation - 1].item()
        assert at_last == pytest.approx(3 - 4 * 0.99**code)
        assert at_last == pytest.approx(literal, abs=0.006)
        assert (estimate(span_gae, batch, kl=0)[0, :explanation] > 0).all()
        assert (estimate(span_gae, batch, kl=0)[0, explanation:] < 0).all()
        joint = replace(batch, token_reward=torch.zeros_like(reward), reward=torch.tensor([-1.0]).double())
        assert (estimate(span_gae, joint, kl=0, cut=0) < 0).all()


class TestSteps:
    def test_by_hand(self) -> None:
        """Step scores 1, 0 | 0.5 of one group: mean 0.5, deviation 0.5; later steps count for earlier tokens."""
        mask = padded([1, 1, 1, 1], [1, 1])
        reward, end = at_ends([[1, 3], [1]], [[1.0, 0.0], [0.5]], mask)
        batch = AdvantageBatch(reward=torch.zeros(2).double(), group=torch.zeros(2).long(), mask=mask, token_reward=reward, segment_end=end)
        close(estimate(step_credit, batch, epsilon=0), [0, 0, -1, -1], [0, 0])

    def test_a_score_of_zero_counts_and_an_unscored_step_does_not(self) -> None:
        mask = padded([1, 1, 1], [1, 1])
        reward, end = at_ends([[0, 2], [0, 1]], [[1.0, NAN], [0.0, 1.0]], mask)
        batch = AdvantageBatch(reward=torch.zeros(2).double(), group=torch.zeros(2).long(), mask=mask, token_reward=reward, segment_end=end)
        good, bad = 1 / 3 / (1 / 3) ** 0.5, -2 / 3 / (1 / 3) ** 0.5
        close(estimate(step_credit, batch, epsilon=0), [good, 0, 0], [bad + good, good], places=1e-12)

    def test_one_step_per_answer_is_grpo(self) -> None:
        reward, end = at_ends([[3], [1], [2], [0]], [[reward] for reward in REWARD.tolist()], MASK)
        got = estimate(step_credit, fx_advantage(token_reward=reward, segment_end=end))
        assert torch.allclose(got, estimate(grpo, fx_advantage())[:, None] * MASK, rtol=0, atol=1e-15)


def test_ends_and_scores_must_fit() -> None:
    with pytest.raises(InputError, match="2 segments and 1 scores"):
        at_ends([[0, 1]], [[1.0]], torch.ones(1, 2))
    with pytest.raises(InputError, match="ends at token 3"):
        at_ends([[3]], [[1.0]], torch.ones(1, 3))


def test_divergence_without_a_reference_says_what_to_do() -> None:
    with pytest.raises(InputError, match="Or set kl = 0"):
        estimate(gae, fx_advantage(reference=None), kl=0.1)


def test_maxrl_takes_no_negative_reward() -> None:
    with pytest.raises(InputError, match="one is -1"):
        estimate(maxrl, fx_advantage(reward=torch.tensor([1, -1, NAN, 0]).double()))


def test_batch_std_divides_every_group_by_the_same() -> None:
    rewards = torch.tensor([1, 0, NAN, 0.6, 0.4, NAN], dtype=torch.float64)
    got = estimate(find("advantage", "batch_std"), AdvantageBatch(reward=rewards, group=torch.tensor([0, 0, 0, 1, 1, 1])))
    deviation = torch.tensor([1, 0, 0.6, 0.4], dtype=torch.float64).std()
    expected = torch.tensor([0.5, -0.5, 0, 0.1, -0.1, 0], dtype=torch.float64) / (deviation + 1e-4)
    assert torch.allclose(got, expected, rtol=0, atol=1e-12)


def test_what_is_read_depends_on_the_options() -> None:
    assert gae.reads(gae.options({})) == {"mask", "value"}
    assert gae.reads(gae.options({"kl": 0.1})) == {"mask", "value", "old", "reference"}
    assert reinforce_plus_plus.reads(reinforce_plus_plus.options({"kl": 0})) == {"mask"}
    with pytest.raises(InputError, match=r"advantage 'gae' has no option 'lam'.*gamma, kl, lambda, whiten"):
        gae.options({"lam": 1})


ESTIMATORS = [find("advantage", name) for name in names("advantage")]


def full(batch: AdvantageBatch) -> AdvantageBatch:
    """The batch with every field that an estimator may need: half of each token reward at the last token of each answer."""
    assert batch.mask is not None
    last = batch.mask.cumsum(1) == batch.mask.sum(1, keepdim=True)
    end = last & (batch.mask > 0)
    token_reward = torch.where(end, batch.reward.nan_to_num()[:, None] / 2, 0.0)
    return replace(batch, token_reward=token_reward, segment_end=end, baseline=batch.reward * 0 + 0.25)


def per_token(estimator: Advantage, batch: AdvantageBatch) -> Tensor:
    assert batch.mask is not None
    got = estimate(estimator, batch)
    return got if got.dim() == 2 else got[:, None] * batch.mask


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.name)
class TestEveryEstimator:
    def test_is_an_advantage_of_its_name(self, estimator) -> None:
        assert isinstance(estimator, Advantage)
        assert find("advantage", estimator.name) is estimator
        assert estimator.formula
        assert estimator.source
        assert set(estimator.also_needs) <= set(estimator.defaults)
        assert {*estimator.needs, *(name for also in estimator.also_needs.values() for name in also)} <= set(vars(fx_advantage()))

    def test_needs_no_more_than_it_says(self, estimator) -> None:
        reads = estimator.reads(estimator.options({}))
        batch = full(fx_advantage())
        if "token_reward" not in reads:  # an estimator that places rewards on tokens takes these too, if there are any
            batch = replace(batch, token_reward=None)
        bare = replace(batch, **{name: None for name in vars(batch) if name not in {*reads, "reward", "group"}})
        assert torch.equal(estimate(estimator, bare), estimate(estimator, batch))

    def test_padding_changes_nothing(self, estimator) -> None:
        batch = full(fx_advantage())
        tensors = {name: tensor for name, tensor in vars(batch).items() if tensor is not None and tensor.dim() == 2}
        wide = replace(batch, **{name: torch.nn.functional.pad(tensor, (0, 3)) for name, tensor in tensors.items()})
        got = per_token(estimator, wide)
        assert torch.allclose(got[:, :4], per_token(estimator, batch), rtol=0, atol=1e-14)
        assert (got[:, 4:] == 0).all()

    def test_order_of_samples_does_not_matter(self, estimator) -> None:
        batch, order = full(fx_advantage()), torch.tensor([2, 0, 3, 1])
        shuffled = replace(batch, **{name: tensor[order] for name, tensor in vars(batch).items() if tensor is not None})
        assert torch.allclose(per_token(estimator, shuffled), per_token(estimator, batch)[order], rtol=0, atol=1e-14)

    def test_an_unscored_sample_learns_nothing_and_changes_no_other(self, estimator) -> None:
        batch = full(fx_advantage(reward=torch.tensor([1, NAN, 0, 0.5]).double()))
        if estimator.name == "step_credit":  # it has no outcome: its steps are unscored one by one
            batch = replace(batch, token_reward=batch.token_reward + batch.reward[:, None] * 0)
        kept = torch.tensor([0, 2, 3])
        without = replace(batch, **{name: tensor[kept] for name, tensor in vars(batch).items() if tensor is not None})
        got = per_token(estimator, batch)
        assert got[1].tolist() == [0.0] * 4
        assert torch.allclose(got[kept], per_token(estimator, without), rtol=0, atol=1e-14)

    def test_no_samples(self, estimator) -> None:
        batch = full(fx_advantage())
        none = replace(batch, **{name: tensor[:0] for name, tensor in vars(batch).items() if tensor is not None})
        assert len(estimate(estimator, none)) == 0


@pytest.mark.parametrize("estimator", [each for each in ESTIMATORS if each.returns is not None], ids=lambda estimator: estimator.name)
def test_the_critic_is_asked_nothing_by_an_unscored_sample(estimator) -> None:
    batch = full(fx_advantage(reward=torch.tensor([1, NAN, 0, 0.5]).double()))
    target = estimator.returns(batch, estimator.options({}))
    assert torch.equal(target[1], VALUE[1])
    assert (target[MASK == 0] == 0).all()


def test_a_gap_in_the_mask_is_passed_over() -> None:
    """A tool's reply between two sampled tokens has no advantage and delays nothing."""
    dense = one(3, value=[0.1, 0.2, 0.3], reward=1.0)
    gap = one(5, value=[0.1, 9, 0.2, 9, 0.3], mask=[1.0, 0, 1, 0, 1], reward=1.0)
    got = estimate(gae, gap, gamma=0.9)[0]
    assert got[[0, 2, 4]].tolist() == pytest.approx(estimate(gae, dense, gamma=0.9)[0].tolist(), abs=1e-15)
    assert got[[1, 3]].tolist() == [0, 0]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=6), st.floats(0, 1))
def test_gae_with_lambda_one_is_the_return_minus_the_value(steps, gamma) -> None:
    rewards, values = map(list, zip(*steps, strict=True))
    batch = one(len(steps), value=values, token_reward=rewards)
    got = estimate(gae, batch, gamma=gamma, **{"lambda": 1.0})
    returns = estimate(token_credit, batch, gamma=gamma)
    assert torch.allclose(got, returns - batch.value, rtol=0, atol=1e-12)


def test_reinforce_plus_plus_baseline_of_equal_lengths_is_proportional_to_dr_grpo() -> None:
    batch = fx_advantage(mask=torch.ones(4, 2).double())
    ratio = estimate(reinforce_plus_plus_baseline, batch) / estimate(dr_grpo, batch)[:, None]
    assert torch.allclose(ratio, ratio[:1, :1].expand(4, 2))


def test_vapo_with_lambda_one_is_the_monte_carlo_advantage() -> None:
    got = estimate(gae, fx_advantage(), **{"lambda": 1.0})
    assert torch.allclose(got, (REWARD[:, None] - VALUE) * MASK, rtol=0, atol=1e-12)
