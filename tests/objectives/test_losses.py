"""Token losses: the numbers of the spec on values and gradients, the coefficients c_t, and the invariances.

FX-RL is one prompt with a group of four, FX-SFT two demonstrations; both as in the objectives spec, section 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.plugins import find, names
from burnish.objectives.base import Aggregation, Denominators, Loss, TokenBatch, aggregate
from burnish.objectives.losses.kl_k3 import kl_k3
from burnish.objectives.losses.nll import nll
from burnish.objectives.losses.policy_gradient import policy_gradient
from burnish.objectives.losses.ppo_clip import ppo_clip


def padded(*rows: list[float]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0.0] * (width - len(row))] for row in rows], dtype=torch.float64)


OLD = padded([-0.5, -1.2, -0.3, -2.0], [-0.7, -0.9], [-1.1, -0.4, -1.6], [-0.2])
MASK = padded([1, 1, 1, 1], [1, 1], [1, 1, 1], [1])
LOG_RATIO = padded([0.40, -0.35, 0.05, -0.10], [0.30, -0.45], [-0.02, 0.22, -0.60], [0.28])
REFERENCE_MINUS_OLD = padded([0.10, -0.20, 0, 0.30], [-0.10, 0.05], [0.20, 0, -0.15], [-0.05])
SFT_PROBABILITY = padded([0.5, 0.25, 0.8, 0.1], [0.9, 0.6, 0.3])
SFT_MASK = padded([1, 1, 1, 1], [1, 1, 1])


@dataclass(frozen=True)
class Outcome:
    """A reduced loss and its gradient with respect to every log-probability."""

    loss: float
    gradient: Tensor


def run(loss: Loss, batch: TokenBatch, aggregation: Aggregation, denominators: Denominators | None = None, **options: float) -> Outcome:
    """Evaluate and differentiate a loss; denominators default to those of the batch itself."""
    if denominators is None:
        denominators = Denominators(tokens=float(batch.mask.sum()), sequences=float((batch.mask.sum(1) > 0).sum()))
    logp = batch.logp.detach().requires_grad_()
    value = aggregate(loss.function(replace(batch, logp=logp), loss.options(options)), batch.mask, aggregation, denominators)
    (gradient,) = torch.autograd.grad(value, logp)
    return Outcome(value.item(), gradient)


@pytest.fixture
def fx_rl() -> TokenBatch:
    """FX-RL with the GRPO advantage (ddof 1, epsilon 1e-6)."""
    advantage = torch.tensor([1.3055796924, -0.7833478154, -0.7833478154, 0.2611159385], dtype=torch.float64)
    return TokenBatch(logp=OLD + LOG_RATIO, mask=MASK, old=OLD, reference=OLD + REFERENCE_MINUS_OLD, advantage=advantage[:, None] * MASK)


@pytest.fixture
def fx_sft() -> TokenBatch:
    """FX-SFT: log-probabilities of two demonstrations of lengths 4 and 3."""
    return TokenBatch(logp=torch.where(SFT_MASK > 0, SFT_PROBABILITY, 1.0).log(), mask=SFT_MASK)


DAPO = {"epsilon_low": 0.2, "epsilon_high": 0.28}
CLOSE = {"rel": 0, "abs": 1e-9}
ROUND = {"rel": 0, "abs": 5e-7}


def rescaled(batch: TokenBatch, advantage: list[float]) -> TokenBatch:
    return replace(batch, advantage=torch.tensor(advantage, dtype=torch.float64)[:, None] * batch.mask)


TRL = [1.3053097494, -0.7831858496, -0.7831858496, 0.2610619499]


def test_every_loss_is_a_loss_of_its_name() -> None:
    for name in names("loss"):
        loss = find("loss", name)
        assert isinstance(loss, Loss)
        assert loss.name == name
        assert loss.formula
        assert loss.source
        assert loss.needs <= {field.name for field in fields(TokenBatch)}


def test_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no option 'epsilon_hi'.*epsilon_high, epsilon_low"):
        ppo_clip.options({"epsilon_hi": 0.3})


class TestSupervised:
    def test_token_mean(self, fx_sft) -> None:
        got = run(nll, fx_sft, "token-mean")
        assert got.loss == pytest.approx(0.9179041614, **CLOSE)
        assert torch.allclose(got.gradient, -fx_sft.mask / 7)

    def test_sequence_mean(self, fx_sft) -> None:
        got = run(nll, fx_sft, "seq-mean-token-mean")
        assert got.loss == pytest.approx(0.8790060972, **CLOSE)
        assert torch.allclose(got.gradient, -fx_sft.mask / torch.tensor([[8.0], [6.0]]))


class TestPolicy:
    def test_ppo_clip_sequence_mean(self, fx_rl) -> None:
        got = run(ppo_clip, fx_rl, "seq-mean-token-mean")
        assert got.loss == pytest.approx(0.0146922014, **CLOSE)
        assert got.gradient[0].tolist() == pytest.approx([0, -0.057502, -0.085782, -0.073834], **ROUND)
        assert run(ppo_clip, rescaled(fx_rl, TRL), "seq-mean-token-mean").loss == pytest.approx(0.0146891636, **CLOSE)

    def test_dapo(self, fx_rl) -> None:
        got = run(ppo_clip, fx_rl, "token-mean", **DAPO)
        assert got.loss == pytest.approx(-0.1424538993, **CLOSE)
        assert got.gradient[0].tolist() == pytest.approx([0, -0.092003, -0.137252, -0.118134], **ROUND)
        assert run(ppo_clip, rescaled(fx_rl, TRL), "token-mean", **DAPO).loss == pytest.approx(-0.1424244453, **CLOSE)

    def test_dr_grpo_with_a_fixed_horizon(self, fx_rl) -> None:
        batch = rescaled(fx_rl, [0.625, -0.375, -0.375, 0.125])
        got = run(ppo_clip, batch, "seq-mean-token-sum-norm", Denominators(tokens=10, sequences=4, horizon=8))
        assert got.loss == pytest.approx(-0.0194358609, **CLOSE)
        assert got.gradient[0].tolist() == pytest.approx([0, -0.013763, -0.020533, -0.017673], **ROUND)

    def test_policy_gradient(self, fx_rl) -> None:
        got = run(policy_gradient, fx_rl, "token-mean")
        assert got.loss == pytest.approx(0.1088853463, **CLOSE)
        assert got.gradient[0].tolist() == pytest.approx([-0.130558] * 4, **ROUND)

    def test_rloo_in_its_reinforce_form(self, fx_rl) -> None:
        batch = rescaled(fx_rl, [5 / 6, -0.5, -0.5, 1 / 6])
        got = run(policy_gradient, batch, "seq-mean-token-sum")
        assert got.loss == pytest.approx(0.17375, **CLOSE)
        assert got.gradient[0].tolist() == pytest.approx([-0.208333] * 4, **ROUND)

    def test_one_token_of_each_sign_past_its_limit(self) -> None:
        batch = TokenBatch(
            logp=padded([0.3, -0.3], [0.3, -0.3]), old=padded([0.0, 0.0], [0.0, 0.0]), mask=torch.ones(2, 2).double(),
            advantage=padded([1.0, 1.0], [-1.0, -1.0]),
        )  # fmt: skip
        gradient = run(ppo_clip, batch, "token-mean").gradient
        assert (gradient == 0).tolist() == [[True, False], [False, True]]

    def test_on_policy_all_agree(self, fx_rl) -> None:
        on_policy = replace(fx_rl, logp=OLD)
        expected = run(policy_gradient, on_policy, "seq-mean-token-mean").gradient
        assert torch.allclose(run(ppo_clip, on_policy, "seq-mean-token-mean").gradient, expected, atol=1e-16, rtol=0)
        without_old = run(ppo_clip, replace(on_policy, old=None), "seq-mean-token-mean").gradient
        assert torch.allclose(without_old, expected, atol=1e-16, rtol=0)

    def test_extreme_ratio_stays_finite(self) -> None:
        batch = TokenBatch(
            logp=padded([0.0]), old=padded([-500.0]), mask=padded([1.0]), advantage=padded([-1.0]), reference=padded([-500.0])
        )
        for loss in (ppo_clip, kl_k3):
            got = run(loss, batch, "token-mean")
            assert torch.tensor(got.loss).isfinite()
            assert got.gradient.isfinite().all()


class TestKl:
    def test_k3(self, fx_rl) -> None:
        assert run(kl_k3, fx_rl, "token-mean").loss == pytest.approx(0.0580579350, abs=1e-8)

    def test_k3_beside_grpo(self, fx_rl) -> None:
        both = run(ppo_clip, rescaled(fx_rl, TRL), "seq-mean-token-mean").loss + 0.04 * run(kl_k3, fx_rl, "seq-mean-token-mean").loss
        assert both == pytest.approx(0.0171942330, **CLOSE)

    def test_never_negative_and_zero_at_the_reference(self, fx_rl) -> None:
        assert (kl_k3.function(fx_rl, {}) >= 0).all()
        at_reference = run(kl_k3, replace(fx_rl, logp=fx_rl.reference), "token-mean")
        assert at_reference.loss == 0
        assert (at_reference.gradient == 0).all()


class TestCoefficients:
    """dL/dl_t = -c_t m_t / tokens: the coefficient tells losses apart that have the same value."""

    def coefficient(self, loss: Loss, batch: TokenBatch, **options: float):
        return -run(loss, batch, "token-mean", **options).gradient * batch.mask.sum()

    def test_nll(self, fx_sft) -> None:
        assert torch.equal(self.coefficient(nll, fx_sft), fx_sft.mask)

    def test_policy_gradient(self, fx_rl) -> None:
        assert torch.allclose(self.coefficient(policy_gradient, fx_rl), fx_rl.advantage)

    def test_ppo_clip(self, fx_rl) -> None:
        ratio = LOG_RATIO.exp()
        clipped = ((fx_rl.advantage > 0) & (ratio > 1.2)) | ((fx_rl.advantage < 0) & (ratio < 0.8))
        assert clipped.sum() == 4
        assert torch.allclose(self.coefficient(ppo_clip, fx_rl), fx_rl.advantage * ratio * ~clipped * MASK)


LOSSES = [(nll, {}), (policy_gradient, {}), (ppo_clip, DAPO), (kl_k3, {})]
MODES = ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("loss", "options"), LOSSES)
class TestInvariance:
    def denominators(self) -> Denominators:
        return Denominators(tokens=10, sequences=4, horizon=8)

    def test_micro_batches(self, fx_rl, loss, options, mode) -> None:
        whole = run(loss, fx_rl, mode, self.denominators(), **options)
        parts = [run(loss, rows(fx_rl, part), mode, self.denominators(), **options) for part in (slice(0, 1), slice(1, 4))]
        assert sum(part.loss for part in parts) == pytest.approx(whole.loss, abs=1e-15)
        assert torch.allclose(torch.cat([part.gradient for part in parts]), whole.gradient, atol=1e-17)

    def test_padding(self, fx_rl, loss, options, mode) -> None:
        wider = replace(fx_rl, **{name: torch.nn.functional.pad(getattr(fx_rl, name), (0, 3)) for name in FIELDS})
        whole, wide = (run(loss, batch, mode, self.denominators(), **options) for batch in (fx_rl, wider))
        assert wide.loss == pytest.approx(whole.loss, abs=1e-14)
        assert torch.equal(wide.gradient[:, :4], whole.gradient)
        assert (wide.gradient[:, 4:] == 0).all()


FIELDS = ("logp", "mask", "old", "reference", "advantage")


def rows(batch: TokenBatch, part: slice) -> TokenBatch:
    return replace(batch, **{name: getattr(batch, name)[part] for name in FIELDS})


def test_micro_batch_parts_have_the_numbers_of_the_spec(fx_rl) -> None:
    of_all = Denominators(tokens=10, sequences=4)
    parts = [run(ppo_clip, rows(fx_rl, part), "token-mean", of_all, **DAPO).loss for part in (slice(0, 2), slice(2, 4))]
    assert parts == pytest.approx([-0.3460936818, 0.2036397825], **CLOSE)
    local = [run(ppo_clip, rows(fx_rl, part), "token-mean", **DAPO).loss for part in (slice(0, 2), slice(2, 4))]
    assert local == pytest.approx([-0.5768228030, 0.5090994563], **CLOSE)


def test_aggregations_weigh_long_answers_differently() -> None:
    """Lengths 2 and 8, advantages +1 and -1: 0 per sequence, 0.6 per token, 0.1875 with a horizon of 16 (peers.md, section 3)."""
    mask = padded([1.0] * 2, [1.0] * 8)
    batch = TokenBatch(logp=torch.zeros_like(mask), mask=mask, advantage=torch.tensor([[1.0], [-1.0]]).double() * mask)
    loss = ppo_clip.function(batch, ppo_clip.defaults)
    counts = Denominators(tokens=10, sequences=2, horizon=16)
    got = [float(aggregate(loss, mask, mode, counts)) for mode in MODES]
    assert got == pytest.approx([0.6, 0.0, 3.0, 0.1875])


@pytest.mark.parametrize("loss", [policy_gradient, ppo_clip])
def test_a_constant_group_has_no_gradient(fx_rl, loss) -> None:
    got = run(loss, rescaled(fx_rl, [0.0] * 4), "token-mean")
    assert loss.silent_at_zero_advantage
    assert got == Outcome(0.0, got.gradient)
    assert (got.gradient == 0).all()


def test_mixed_streams_keep_their_own_denominators(fx_rl, fx_sft) -> None:
    mixed = 0.3 * run(nll, fx_sft, "token-mean").loss + 0.7 * run(ppo_clip, fx_rl, "token-mean", **DAPO).loss
    assert mixed == pytest.approx(0.1756535189, **CLOSE)


@settings(deadline=None)
@given(st.lists(st.floats(-6, 0), min_size=3, max_size=3), st.lists(st.floats(-6, 0), min_size=3, max_size=3), st.floats(-3, 3))
def test_clipping_never_promises_more_than_the_ratio(logp, old, advantage) -> None:
    """The clipped loss bounds the unclipped surrogate -A r from above."""
    batch = TokenBatch(logp=padded(logp), old=padded(old), mask=torch.ones(1, 3).double(), advantage=torch.full((1, 3), advantage).double())
    surrogate = -batch.advantage * (batch.logp - batch.old).exp()
    assert (ppo_clip.function(batch, ppo_clip.defaults) >= surrogate - 1e-12).all()
