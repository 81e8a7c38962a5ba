"""Policy losses: every FX-RL number of the spec on value and gradient, the coefficients c_t, the identities between losses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.objectives.fx import (
    DR_GRPO,
    GRPO,
    LOG_RATIO,
    MASK,
    OLD,
    REWARD,
    RLOO,
    TRL,
    VALUE,
    coefficient,
    estimate,
    fx_advantage,
    fx_rl,
    in_single_precision,
    padded,
    run,
)

from burnish.core.plugins import find, names
from burnish.objectives.advantages.length_adaptive_gae import length_adaptive_gae
from burnish.objectives.advantages.reinforce_plus_plus import reinforce_plus_plus
from burnish.objectives.base import Denominators, TokenBatch

RATIO = LOG_RATIO.exp()
NARROW = {"epsilon_low": 0.05, "epsilon_high": 0.05}
HIGHER = {"epsilon_low": 0.2, "epsilon_high": 0.28}
VERL_CISPO = {"lower": 0.8, "upper": 1.2}

VALUES = [
    ("grpo", GRPO, {}, 0.0146922014, [0, -0.057502, -0.085782, -0.073834]),
    ("grpo", TRL, {}, 0.0146891636, None),
    ("dapo", GRPO, {}, -0.1424538993, [0, -0.092003, -0.137252, -0.118134]),
    ("dapo", TRL, {}, -0.1424244453, None),
    ("dr_grpo", DR_GRPO, {}, -0.0194358609, [0, -0.013763, -0.020533, -0.017673]),
    ("ppo_dual_clip", GRPO, {"bound": 1.3}, -0.1338260130, [0, -0.092003, -0.137252, -0.118134]),
    ("ppo_dual_clip", TRL, {"bound": 1.3}, -0.1337983430, None),
    ("gspo", GRPO, NARROW, -0.0228476446, [-0.081599] * 4),
    ("gspo", TRL, NARROW, -0.0228429206, None),
    ("gspo", GRPO, {}, -0.0001436138, [-0.081599] * 4),
    ("gspo_token", GRPO, NARROW, -0.0228476446, [-0.081599] * 4),
    ("cispo", GRPO, {"upper": 1.2}, 0.1356287389, [-0.156670, -0.092003, -0.137252, -0.118134]),
    ("cispo", TRL, {"upper": 1.2}, 0.1356006962, None),
    ("cispo", TRL, {}, 0.1338085049, None),
    ("cispo", GRPO, VERL_CISPO, 0.0944564508, [-0.156670, -0.104446, -0.137252, -0.118134]),
    ("gppo", GRPO, {}, -0.1424538993, [-0.167114, -0.092003, -0.137252, -0.118134]),
    ("reinforce", RLOO, {}, 0.1737500000, [-0.208333] * 4),
    ("rloo_clip", RLOO, {}, -0.0507448363, [-0.208333] * 4),
    ("policy_gradient", GRPO, {}, 0.1088853463, [-0.130558] * 4),
    ("gmpo", GRPO, {}, -0.0432747823, [-0.081599] * 4),
    ("sapo", GRPO, {}, -0.0854720529, [-0.114657, -0.056266, -0.085726, -0.073667]),
    ("sapo", TRL, {}, -0.0854543806, None),
    ("luspo", TRL, NARROW, -0.4438053148, [-0.326327] * 4),
    ("vespo", TRL, {}, 0.2456321745, [-0.130531] * 4),
    ("bypass_ppo", GRPO, HIGHER, -0.2043781299, None),
    ("bypass_reinforce", GRPO, {}, 1.8748797819, None),
    ("positive_nll", GRPO, {}, 1.0, [-0.25] * 4),
]
POLICY = sorted(name for name in names("loss") if "advantage" in find("loss", name).needs)


@pytest.mark.parametrize(("name", "advantage", "options", "value", "first_row"), VALUES)
def test_fx_rl(name, advantage, options, value, first_row) -> None:
    loss, batch = find("loss", name), fx_rl(advantage)
    got = run(loss, batch, **options)
    assert got.loss == pytest.approx(value, rel=0, abs=1e-9)
    if first_row is not None:
        assert got.gradient[0].tolist() == pytest.approx(first_row, rel=0, abs=5.1e-7)
    single = run(loss, in_single_precision(batch), **options)
    assert single.loss == pytest.approx(value, rel=0, abs=1e-6)
    assert torch.allclose(single.gradient.double(), got.gradient, rtol=0, atol=1e-6)


def test_every_policy_loss_has_a_number_of_the_spec() -> None:
    assert {"ppo_clip", *(name for name, *_ in VALUES)} >= set(POLICY)


def with_tokens(advantage: torch.Tensor) -> TokenBatch:
    return replace(fx_rl(), advantage=advantage)


def test_reinforce_plus_plus() -> None:
    batch = with_tokens(estimate(reinforce_plus_plus, fx_advantage()))
    got = run(find("loss", "ppo_clip"), batch)
    assert got.loss == pytest.approx(0.0293732313, rel=0, abs=1e-9)
    assert got.gradient[0].tolist() == pytest.approx([0, -0.077795, -0.116478, -0.100254], rel=0, abs=5.1e-7)


def test_vapo_with_its_positive_term() -> None:
    batch = with_tokens(estimate(length_adaptive_gae, fx_advantage(), alpha=2.0))
    policy, positive = run(find("loss", "dapo"), batch), run(find("loss", "positive_nll"), batch)
    assert policy.loss == pytest.approx(-0.1022276556, rel=0, abs=1e-9)
    assert policy.gradient[0].tolist() == pytest.approx([0, -0.036446, -0.038109, -0.027145], rel=0, abs=5.1e-7)
    assert policy.loss + 0.1 * positive.loss == pytest.approx(-0.0022276556, rel=0, abs=1e-9)
    both = policy.gradient + 0.1 * positive.gradient
    assert both[0].tolist() == pytest.approx([-0.025000, -0.061446, -0.063109, -0.052145], rel=0, abs=5.1e-7)


def test_klear_total() -> None:
    total = run(find("loss", "gppo"), fx_rl()).loss + 0.1 * run(find("loss", "positive_nll"), fx_rl()).loss
    assert total == pytest.approx(-0.0424538993, rel=0, abs=1e-9)


def test_gppo_gradient_of_every_token() -> None:
    expected = padded(
        [-0.16711420, -0.09200265, -0.13725182, -0.11813374], [0.10574089, 0.06266783], [0.07678365, 0.09761115, 0.06266783], [-0.03342284]
    )  # fmt: skip
    assert torch.allclose(run(find("loss", "gppo"), fx_rl()).gradient, expected, rtol=0, atol=5.1e-9)


def test_gradients_of_other_rows() -> None:
    dual = run(find("loss", "ppo_dual_clip"), fx_rl(), bound=1.3)
    assert dual.gradient[1].tolist() == [0, 0, 0, 0]
    rloo = run(find("loss", "rloo_clip"), fx_rl(RLOO))
    assert rloo.gradient[1, :2].tolist() == pytest.approx([0.107589] * 2, rel=0, abs=5.1e-7)


def test_gspo_ratio_of_each_answer() -> None:
    """Without clipping the coefficient of an answer of n tokens is A s; s as in the spec."""
    wide = {"epsilon_low": 1.0, "epsilon_high": 10.0}
    ratio = coefficient(find("loss", "gspo"), fx_rl((1.0,) * 4), **wide).sum(dim=1) / MASK.sum(dim=1)
    assert ratio.tolist() == pytest.approx([1, 0.9277434863, 0.8751733190, 1.3231298124], rel=0, abs=1e-10)


def test_value_loss() -> None:
    value = VALUE + padded([0.3, -0.1, 0.05, 0.1], [0, -0.4], [0.1, 0.1, 0.1], [-0.5])
    returns = padded([1, 1, 1, 1], [0, 0], [0, 0, 0], [0.5])
    got = run(find("loss", "value_clip"), replace(fx_rl(), value=value, returns=returns), by="value")
    assert got.loss == pytest.approx(0.078625, rel=0, abs=1e-12)
    expected = (value - returns) / 10
    expected[0, 0] = 0  # moved by more than 0.2 towards its target: nothing more to gain
    assert torch.allclose(got.gradient, expected, rtol=0, atol=1e-15)


def test_entropy_bonus() -> None:
    got = run(find("loss", "entropy_bonus"), fx_rl(), by="entropy")
    assert got.loss == pytest.approx(-0.5)
    assert torch.equal(got.gradient, -MASK / 10)


class TestCoefficients:
    """c_t tells losses apart that have the same value (spec 3.3). A and r are per token; kept: not clipped."""

    advantage = fx_rl().advantage

    def kept(self, low: float, high: float) -> torch.Tensor:
        assert self.advantage is not None
        return ~(((self.advantage > 0) & (high + 1 < RATIO)) | ((self.advantage < 0) & (1 - low > RATIO))) * MASK

    def check(self, name: str, expected: torch.Tensor, **options: float) -> None:
        assert torch.allclose(coefficient(find("loss", name), fx_rl(), **options), expected * MASK, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("name", ["policy_gradient", "reinforce"])
    def test_plain(self, name) -> None:
        self.check(name, self.advantage)

    @pytest.mark.parametrize(("name", "high"), [("ppo_clip", 0.2), ("grpo", 0.2), ("dr_grpo", 0.2), ("dapo", 0.28)])
    def test_clipped(self, name, high) -> None:
        self.check(name, self.advantage * RATIO * self.kept(0.2, high))

    def test_dual_clip(self) -> None:
        far = (self.advantage < 0) & (RATIO > 1.3)
        assert far.sum() == 1
        self.check("ppo_dual_clip", self.advantage * RATIO * self.kept(0.2, 0.2) * ~far, bound=1.3)

    @pytest.mark.parametrize("name", ["gspo", "gspo_token"])
    def test_gspo(self, name) -> None:
        """With the mean over each answer. Answers 1 and 2 (A < 0) and 3 (A > 0) are past a limit of 0.05."""
        of_answer = ((LOG_RATIO * MASK).sum(1) / MASK.sum(1)).exp()[:, None]
        kept = torch.tensor([[1.0], [0.0], [0.0], [0.0]]).double()
        gradient = run(find("loss", name), fx_rl(), **NARROW).gradient
        expected = -self.advantage * of_answer * kept / MASK.sum(1, keepdim=True) / 4
        assert torch.allclose(gradient, expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize(("lower", "upper"), [(0.0, 1.2), (0.8, 1.2), (0.0, 5.0)])
    def test_cispo(self, lower, upper) -> None:
        self.check("cispo", self.advantage * RATIO.clamp(lower, upper), lower=lower, upper=upper)

    def test_gppo(self) -> None:
        clipped_side = self.kept(0.2, 0.28) == 0
        self.check("gppo", self.advantage * torch.where(clipped_side, RATIO.clamp(0.8, 1.28), RATIO))

    def test_gppo_beyond_its_far_bound(self) -> None:
        batch = TokenBatch(logp=padded([2.4, 2.2]), old=padded([0.0, 0.0]), mask=padded([1.0, 1.0]), advantage=padded([-1.0, -1.0]))
        assert coefficient(find("loss", "gppo"), batch)[0].tolist() == pytest.approx([0, -RATIO.new_tensor(2.2).exp().item()])

    def test_sapo(self) -> None:
        steepness = torch.where(self.advantage > 0, RATIO.new_tensor(1.0), 1.05)
        gate = torch.sigmoid(steepness * (RATIO - 1))
        self.check("sapo", self.advantage * 4 * gate * (1 - gate) * RATIO)

    def test_vespo(self) -> None:
        product = (LOG_RATIO * MASK).sum(1, keepdim=True).exp()
        phi = torch.where(self.advantage >= 0, product**2 * (3 * (1 - product)).exp(), product**3 * (2 * (1 - product)).exp())
        self.check("vespo", self.advantage * phi)

    def test_positive(self) -> None:
        gradient = run(find("loss", "positive_nll"), fx_rl()).gradient
        assert torch.equal(gradient, -MASK * (REWARD == 1)[:, None] / 4)

    def test_gmpo(self) -> None:
        within = torch.where(self.advantage >= 0, LOG_RATIO <= 0.4, LOG_RATIO >= -0.4) * MASK
        limited = torch.where(within > 0, LOG_RATIO, LOG_RATIO.clamp(-0.4, 0.4))
        of_answer = ((limited * MASK).sum(1) / MASK.sum(1)).exp()[:, None]
        gradient = run(find("loss", "gmpo"), fx_rl()).gradient
        assert torch.allclose(gradient, -self.advantage * of_answer * within / MASK.sum(1, keepdim=True) / 4, rtol=0, atol=1e-12)


RATIO_LOSSES = ["ppo_clip", "gspo", "gspo_token", "gppo", "cispo", "sapo", "gmpo", "vespo", "ppo_dual_clip"]


@pytest.mark.parametrize("name", RATIO_LOSSES)
@pytest.mark.parametrize("old", [OLD, None], ids=["equal", "left out"])
def test_on_policy_all_gradients_are_the_policy_gradient(name, old) -> None:
    batch = replace(fx_rl(), logp=OLD, old=old)
    expected = run(find("loss", "policy_gradient"), batch, "seq-mean-token-mean").gradient
    assert torch.allclose(run(find("loss", name), batch, "seq-mean-token-mean").gradient, expected, rtol=0, atol=1e-16)


def test_rloo_clip_on_policy_is_reinforce_over_answers() -> None:
    batch = replace(fx_rl(RLOO), logp=OLD)
    expected = run(find("loss", "reinforce"), batch).gradient
    assert torch.allclose(run(find("loss", "rloo_clip"), batch).gradient, expected, rtol=0, atol=1e-16)


@pytest.mark.parametrize("name", POLICY)
def test_a_constant_group_has_no_value_and_no_gradient(name) -> None:
    loss = find("loss", name)
    got = run(loss, fx_rl((0.0,) * 4))
    assert loss.silent_at_zero_advantage
    assert got.loss == 0
    assert (got.gradient == 0).all()


@pytest.mark.parametrize("name", POLICY)
@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize("shift", [-500.0, 500.0])
def test_extreme_ratios_stay_finite(name, advantage, shift) -> None:
    zeros = torch.zeros(1, 3, dtype=torch.float64)
    batch = TokenBatch(logp=zeros - 600, old=zeros - 600 - shift, rollout=zeros - 600 - shift, mask=zeros + 1, advantage=zeros + advantage)
    for precision in (batch, in_single_precision(batch)):
        got = run(find("loss", name), precision)
        assert torch.tensor(got.loss).isfinite()
        assert got.gradient.isfinite().all()


class TestIdentities:
    """Reductions of one loss to another that hold exactly (spec 3.6)."""

    def same(self, left: str, right: str, batch: TokenBatch) -> None:
        one, other = run(find("loss", left), batch), run(find("loss", right), batch)
        assert one.loss == pytest.approx(other.loss, rel=0, abs=1e-15)
        assert torch.allclose(one.gradient, other.gradient, rtol=0, atol=1e-15)

    def test_gspo_of_one_token_answers_is_grpo(self) -> None:
        short = replace(fx_rl(), mask=MASK[3].expand(4, 4))
        one, other = (run(find("loss", name), short, **HIGHER) for name in ("gspo", "grpo"))
        assert one.loss == pytest.approx(other.loss, rel=0, abs=1e-15)
        assert torch.allclose(one.gradient, other.gradient, rtol=0, atol=1e-15)

    def test_gppo_has_the_value_of_clip_higher(self) -> None:
        assert run(find("loss", "gppo"), fx_rl()).loss == pytest.approx(run(find("loss", "dapo"), fx_rl()).loss, rel=0, abs=1e-15)
        assert not torch.allclose(run(find("loss", "gppo"), fx_rl()).gradient, run(find("loss", "dapo"), fx_rl()).gradient)

    def test_gspo_token_is_gspo_for_advantages_of_whole_answers(self) -> None:
        self.same("gspo_token", "gspo", fx_rl())

    def test_luspo_is_gspo_times_length(self) -> None:
        lengths = replace(fx_rl(), weight=MASK.sum(1, keepdim=True) * MASK)
        got, expected = run(find("loss", "luspo"), fx_rl(), **NARROW), run(find("loss", "gspo"), lengths, **NARROW)
        assert got.loss == pytest.approx(expected.loss, rel=0, abs=1e-15)
        assert torch.allclose(got.gradient, expected.gradient, rtol=0, atol=1e-15)

    def test_a_far_dual_bound_is_the_plain_clip(self) -> None:
        self.same("ppo_dual_clip", "ppo_clip", fx_rl())

    def test_bypass_with_old_as_sampler_is_ppo(self) -> None:
        self.same("bypass_ppo", "ppo_clip", replace(fx_rl(), rollout=OLD))

    def test_positive_only_learns_correct_answers(self) -> None:
        """Imitation of verified answers is the policy gradient with A = 1 on them."""
        batch = fx_rl((1.0, 0.0, 0.0, 0.0))
        of_correct = Denominators(tokens=4, sequences=1)
        left = run(find("loss", "positive_nll"), batch)
        right = run(find("loss", "policy_gradient"), batch, denominators=of_correct)
        assert left.loss == right.loss
        assert torch.equal(left.gradient, right.gradient)
