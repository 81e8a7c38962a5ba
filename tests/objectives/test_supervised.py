"""Supervised losses: the numbers of the spec on values and gradients in both precisions, and what they reduce to.

FX-SFT is two demonstrations of lengths 4 and 3, as in the objectives spec, section 0.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.objectives.base import Denominators, Loss, TokenBatch, aggregate
from burnish.objectives.losses._discount import discounted_sums
from burnish.objectives.losses.ift import ift
from burnish.objectives.losses.nll import nll
from burnish.objectives.weights.fait import mean_where

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-8}
LIMITLESS = {"delta_low": -inf, "delta_high": inf}


@pytest.fixture(params=[torch.float32, torch.float64], ids=["fp32", "fp64"])
def dtype(request) -> torch.dtype:
    return request.param


def fx_sft(dtype: torch.dtype = torch.float64) -> TokenBatch:
    """Log-probabilities of the policy and (as `rollout`) of the teacher."""
    policy = torch.tensor([[0.5, 0.25, 0.8, 0.1], [0.9, 0.6, 0.3, 1.0]], dtype=dtype)
    teacher = torch.tensor([[0.6, 0.2, 0.7, 0.2], [0.85, 0.75, 0.25, 1.0]], dtype=dtype)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]], dtype=dtype)
    return TokenBatch(logp=policy.log(), mask=mask, rollout=teacher.log())


def run(loss: Loss, batch: TokenBatch, mode=None, **options: float) -> tuple[Tensor, Tensor]:
    """Reduced value and gradient with respect to every log-probability."""
    logp = batch.logp.detach().requires_grad_()
    unreduced = loss.function(replace(batch, logp=logp), loss.options(options))
    assert unreduced.shape == batch.mask.shape
    value = aggregate(unreduced, batch.mask, mode or loss.aggregation, Denominators.of(batch.mask))
    return value.detach(), torch.autograd.grad(value, logp)[0]


def check(loss: str, batch: TokenBatch, value: float, coefficient: list[list[float]], **options: float) -> None:
    """A token-mean loss has this value, and -dL/dl is this coefficient over the number of tokens."""
    tolerance = TOLERANCE[batch.logp.dtype]
    got, gradient = run(find("loss", loss), batch, **options)
    assert got.item() == pytest.approx(value, rel=0, abs=tolerance)
    for row, expected in zip(-gradient * batch.mask.sum(), coefficient, strict=True):
        assert row[: len(expected)].tolist() == pytest.approx(expected, rel=0, abs=tolerance * float(batch.mask.sum()))
        assert not row[len(expected) :].any()


class TestDft:
    def test_fx_sft(self, dtype) -> None:
        check("dft", fx_sft(dtype), 0.2663474587, [[0.5, 0.25, 0.8, 0.1], [0.9, 0.6, 0.3]])
        _, gradient = run(find("loss", "dft"), fx_sft(dtype))
        expected = [-0.0714285714, -0.0357142857, -0.1142857143, -0.0142857143]
        assert gradient[0].tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])


class TestAsft:
    """Two positions over three tokens; the model adapter's part (log-softmax, full divergences) is spelled out here."""

    def outcome(self, dtype, loss: str, *, reverse: bool = False, **options: float) -> tuple[float, Tensor]:
        logits = torch.tensor([[2.0, 0, -1], [0.5, 1.5, 0]], dtype=dtype, requires_grad=True)
        base = torch.tensor([[1, 0.5, 0], [0, 1, 1]], dtype=dtype).log_softmax(-1)
        policy = logits.log_softmax(-1)
        forward, backward = (base.exp() * (base - policy)).sum(-1), (policy.exp() * (policy - base)).sum(-1)
        assert forward.tolist() == pytest.approx([0.3230176239, 0.2358521774], rel=0, abs=TOLERANCE[dtype])
        logp = policy.gather(1, torch.tensor([[0], [2]]))[:, 0]
        batch = TokenBatch(logp=logp[None], mask=torch.ones(1, 2, dtype=dtype), kl_forward=(backward if reverse else forward)[None])
        chosen = find("loss", loss)
        value = aggregate(chosen.function(batch, chosen.options(options)), batch.mask, chosen.aggregation, Denominators.of(batch.mask))
        return value.item(), torch.autograd.grad(value, logits)[0]

    def test_value_and_gradient(self, dtype) -> None:
        value, gradient = self.outcome(dtype, "asft")
        assert value == pytest.approx(0.2233751777, rel=0, abs=TOLERANCE[dtype])
        expected = [-0.0574697317, 0.0433536368, 0.0141160949, 0.0181104638, 0.0492293447, -0.0673398085]
        assert gradient.flatten().tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])

    def test_reverse_divergence(self, dtype) -> None:
        assert self.outcome(dtype, "asft", reverse=True)[0] == pytest.approx(0.2204626868, rel=0, abs=TOLERANCE[dtype])

    def test_without_the_anchor_it_is_dft(self, dtype) -> None:
        value, gradient = self.outcome(dtype, "asft", anchor=0.0)
        same, its_gradient = self.outcome(dtype, "dft")
        assert value == same == pytest.approx(0.2094034327, rel=0, abs=TOLERANCE[dtype])
        assert torch.equal(gradient, its_gradient)

    def test_the_anchor_beside_plain_fine_tuning(self, dtype) -> None:
        plain, anchored = self.outcome(dtype, "nll")[0], self.outcome(dtype, "anchored_nll")[0]
        assert anchored == pytest.approx(plain + 0.05 * (0.3230176239 + 0.2358521774) / 2, rel=0, abs=TOLERANCE[dtype])


class TestPear:
    def test_sequence_form(self, dtype) -> None:
        check("pear_sequence", fx_sft(dtype), 1.1058516835, [[1.2173482700] * 4, [1.1729007695] * 3])

    def test_token_form(self, dtype) -> None:
        expected = [[1.3147853797, 1.0528811849, 0.9221932300, 1], [1.1055252442, 1.1988, 1]]
        check("pear_token", fx_sft(dtype), 0.9731626951, expected)
        check("pear_block", fx_sft(dtype), 0.9731626951, expected, block=1)

    def test_blocks_of_two(self, dtype) -> None:
        check("pear_block", fx_sft(dtype), 0.9511128953, [[1.0528811849, 1.0528811849, 1, 1], [1.1988, 1.1988, 1]], block=2)

    def test_without_a_clip(self, dtype) -> None:
        expected = [[0.5207142857, 0.4628571429, 0.45, 1], [0.7776, 1.08, 1]]
        check("pear_token", fx_sft(dtype), 0.7490257703, expected, gamma=0.9, **LIMITLESS)

    def test_a_block_as_long_as_the_answer_is_plain_fine_tuning(self) -> None:
        for got, expected in zip(run(find("loss", "pear_block"), fx_sft(), block=4), run(nll, fx_sft()), strict=True):
            assert torch.equal(got, expected)

    @pytest.mark.parametrize("form", ["pear_token", "pear_block", "pear_sequence"])
    def test_own_data_is_plain_fine_tuning(self, form) -> None:
        batch = replace(fx_sft(), rollout=fx_sft().logp)
        undiscounted = {} if form == "pear_sequence" else {"gamma": 1.0}
        for got, expected in zip(run(find("loss", form), batch, **undiscounted), run(nll, batch), strict=True):
            assert torch.equal(got, expected)

    @pytest.mark.parametrize("form", ["pear_token", "pear_block", "pear_sequence"])
    def test_centred_weights_have_mean_one_and_forget_a_constant_gap(self, form) -> None:
        batch, weight = fx_sft(), find("weight", form)
        options = weight.options({"center": 1.0, **LIMITLESS})
        centred = weight.function(batch, options)
        assert ((centred * batch.mask).sum(1) / batch.mask.sum(1)).tolist() == pytest.approx([1.0, 1.0])
        assert torch.allclose(weight.function(replace(batch, rollout=batch.rollout - 5), options), centred)

    def test_a_long_unlikely_answer_is_bounded(self) -> None:
        far = TokenBatch(logp=torch.full((1, 500), -9.0), rollout=torch.zeros(1, 500), mask=torch.ones(1, 500))
        weight = find("weight", "pear_token")
        got = weight.function(far, weight.options({}))
        assert got[0, 0].item() == pytest.approx(4.5399930e-05)
        assert got[0, -1].item() == 1.0

    def test_tokens_that_are_not_learned_do_not_count(self) -> None:
        """With a gap in the mask the answer is as if the gap were not there."""
        dense, weight = fx_sft(), find("weight", "pear_token")
        gap = [0, 1, 4, 2, 3]

        def spread(values: Tensor, fill: float) -> Tensor:
            return torch.cat([values, torch.full((2, 1), fill, dtype=values.dtype)], dim=1)[:, gap]

        sparse = TokenBatch(logp=spread(dense.logp, -3), rollout=spread(dense.rollout, -1), mask=spread(dense.mask, 0))
        expected = weight.function(dense, weight.options({}))
        assert torch.allclose(weight.function(sparse, weight.options({}))[:, [0, 1, 3, 4]] * dense.mask, expected * dense.mask)

    def test_impossible_options(self) -> None:
        weight = find("weight", "pear_block")
        with pytest.raises(InputError, match="block = 0"):
            weight.function(fx_sft(), weight.options({"block": 0}))
        with pytest.raises(InputError, match=r"gamma = 0"):
            weight.function(fx_sft(), weight.options({"gamma": 0}))


class TestFait:
    def batch(self, dtype) -> TokenBatch:
        right = torch.tensor([[0.9, 0.8, 0.3, 0.5, 0.95, 0.7]], dtype=dtype).log()
        wrong = mean_where(torch.tensor([[0.9, 0.8, 0.6, 0.95, 0.7]], dtype=dtype).log(), torch.tensor([[0, 0, 1, 0, 0]], dtype=dtype))
        fault = torch.tensor([[0, 0, 1, 1, 0, 0]], dtype=dtype)
        return TokenBatch(logp=right, mask=torch.ones_like(right), fault_mask=fault, fault_logp=wrong)

    def test_means_of_the_differing_tokens(self, dtype) -> None:
        batch = self.batch(dtype)
        assert mean_where(batch.logp, batch.fault_mask).item() == pytest.approx(-0.9485599924, rel=0, abs=TOLERANCE[dtype])
        assert batch.fault_logp.item() == pytest.approx(-0.5108256238, rel=0, abs=TOLERANCE[dtype])
        assert mean_where(batch.logp, torch.zeros_like(batch.mask)).isnan().all()

    @pytest.mark.parametrize(
        ("form", "weight", "value"), [("fait", 1.5491933385, 0.6125796580), ("fait_ratio", 1.8569154489, 0.7098772856)]
    )
    def test_weight_and_value(self, dtype, form, weight, value) -> None:
        check(form, self.batch(dtype), value, [[1, 1, weight, weight, 1, 1]])

    @pytest.mark.parametrize("form", ["fait", "fait_ratio"])
    def test_no_difference_is_plain_fine_tuning(self, dtype, form) -> None:
        batch = self.batch(dtype)
        expected = run(nll, batch)
        assert expected[0].item() == pytest.approx(0.4389320483, rel=0, abs=TOLERANCE[dtype])
        nowhere = replace(batch, fault_mask=torch.zeros_like(batch.mask), fault_logp=torch.tensor([torch.nan], dtype=dtype))
        for same in (nowhere, replace(batch, fault_logp=nowhere.fault_logp)):
            for got, wanted in zip(run(find("loss", form), same), expected, strict=True):
                assert torch.equal(got, wanted)

    @pytest.mark.parametrize("form", ["fait", "fait_ratio"])
    @pytest.mark.parametrize(("wrong", "weight"), [(-1e-12, 3.0), (-50.0, 1.0), (0.0, 3.0)])
    def test_the_weight_is_bounded(self, form, wrong, weight) -> None:
        batch = replace(self.batch(torch.float64), logp=torch.full((1, 6), -4.0).double(), fault_logp=torch.tensor([wrong]).double())
        chosen = find("weight", form)
        assert chosen.function(batch, chosen.options({}))[0].tolist() == [1, 1, weight, weight, 1, 1]


class TestIft:
    WEIGHT = ((1.3314075684, 1.1693974757, 0.7667763608, 0.7324185950), (1.1093275097, 1.0943595800, 0.7963129103))

    def test_value_and_gradient_through_the_weight(self, dtype) -> None:
        value, gradient = run(ift, fx_sft(dtype))
        assert value.item() == pytest.approx(0.8226343703, rel=0, abs=TOLERANCE[dtype])
        expected = [-0.1502338196, -0.1421600337, -0.0571533415, -0.1025935081]
        assert gradient[0].tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])
        assert ift.gradient_through_weight

    def test_weights_and_the_gradient_with_them_detached(self, dtype) -> None:
        batch = fx_sft(dtype)
        weight = ift.function(batch, ift.options({})) / -batch.logp
        for row, expected in zip(weight, self.WEIGHT, strict=True):
            assert row[: len(expected)].tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])
        _, detached = run(nll, replace(batch, mask=batch.mask), "seq-mean-token-mean")
        expected = [-0.1664259461, -0.1461746845, -0.0958470451, -0.0915523244]
        assert (detached * weight)[0].tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])

    def test_without_later_losses_it_is_plain_fine_tuning(self) -> None:
        for got, expected in zip(run(ift, fx_sft(), gamma=0.0), run(nll, fx_sft(), "seq-mean-token-mean"), strict=True):
            assert torch.equal(got, expected)
        assert run(ift, fx_sft(), gamma=0.0)[0].item() == pytest.approx(0.8790060972, rel=0, abs=1e-8)

    @pytest.mark.parametrize(("gamma", "sums"), [(1.0, [13.3455069287, 4.7389301762]), (0.95, [12.5752410367, 4.5358029063])])
    def test_equation_of_the_paper(self, dtype, gamma, sums) -> None:
        loss, batch = find("loss", "ift_cumsum"), fx_sft(dtype)
        per_sequence = (loss.function(batch, loss.options({"gamma": gamma})) * batch.mask).sum(1)
        assert per_sequence.tolist() == pytest.approx(sums, rel=0, abs=5 * TOLERANCE[dtype])
        value, gradient = run(loss, batch, gamma=gamma)
        assert value.item() == pytest.approx(sum(sums) / 2, rel=0, abs=5 * TOLERANCE[dtype])
        before = [sum(gamma**distance for distance in range(position + 1)) for position in range(4)]
        assert gradient[0].tolist() == pytest.approx([-count / 2 for count in before], rel=0, abs=5 * TOLERANCE[dtype])

    def test_certain_tokens_give_zero_and_stay_finite(self) -> None:
        value, gradient = run(ift, TokenBatch(logp=torch.zeros(2, 3), mask=torch.tensor([[1.0, 1, 1], [0, 0, 0]])))
        assert value == 0
        assert gradient.isfinite().all()

    @given(st.lists(st.floats(-3, 3), min_size=1, max_size=20), st.floats(0, 1))
    def test_discounted_sums(self, values, gamma) -> None:
        expected = [sum(gamma ** (j - i) * values[j] for j in range(i, len(values))) for i in range(len(values))]
        assert discounted_sums(torch.tensor([values], dtype=torch.float64), gamma)[0].tolist() == pytest.approx(expected, abs=1e-9)


class TestStepLabel:
    def test_value_and_gradient(self, dtype) -> None:
        """-log sigmoid(1.2), -log(1 - sigmoid(-0.4)), and a soft label at the entropy of its own probability."""
        logits = torch.tensor([[0.0, 1.2, 5.0, -0.4, 1.0986122887]], dtype=dtype, requires_grad=True)
        mask = torch.tensor([[0, 1, 0, 1, 1]], dtype=dtype)
        labels = torch.tensor([[0, 1, 0, 0, 0.75]], dtype=dtype)
        loss = find("loss", "step_label")
        batch = TokenBatch(logp=torch.zeros_like(mask), mask=mask, value=logits, returns=labels)
        value = aggregate(loss.function(batch, {}), mask, loss.aggregation, Denominators.of(mask))
        assert value.item() == pytest.approx((0.2632824673 + 0.5130152523 + 0.5623351446) / 3, rel=0, abs=TOLERANCE[dtype])
        expected = [0, (0.7685247835 - 1) / 3, 0, 0.4013123399 / 3, 0]
        assert torch.autograd.grad(value, logits)[0][0].tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])

    def test_extreme_logits_stay_finite(self) -> None:
        loss = find("loss", "step_label")
        batch = TokenBatch(
            logp=torch.zeros(1, 2), mask=torch.ones(1, 2), value=torch.tensor([[500.0, -500.0]]), returns=torch.tensor([[0.0, 1.0]])
        )
        assert loss.function(batch, {}).tolist() == [[500.0, 500.0]]


WEIGHTED = {"pear_token": {}, "pear_block": {}, "pear_sequence": {}, "fait": {}, "fait_ratio": {}}


@pytest.mark.parametrize("name", WEIGHTED)
def test_no_gradient_flows_through_a_weight(name) -> None:
    batch = fx_sft()
    batch = replace(batch, logp=batch.logp.requires_grad_(), fault_mask=batch.mask, fault_logp=batch.logp[:, 0] / 2)
    weight = find("weight", name)
    assert not weight.function(batch, weight.options({})).requires_grad
    assert not find("loss", name).gradient_through_weight


@pytest.mark.parametrize("name", ["dft", *WEIGHTED, "ift", "ift_cumsum"])
class TestInvariance:
    def batch(self) -> TokenBatch:
        batch = fx_sft()
        return replace(
            batch, fault_mask=torch.tensor([[0.0, 1, 1, 0], [1, 0, 0, 0]]).double(), fault_logp=torch.tensor([-0.3, -2.0]).double()
        )

    def test_padding(self, name) -> None:
        batch = self.batch()
        fields = ("logp", "mask", "rollout", "fault_mask")
        wider = replace(batch, **{field: torch.nn.functional.pad(getattr(batch, field), (0, 3)) for field in fields})
        loss = find("loss", name)
        (value, gradient), (wide, wide_gradient) = run(loss, batch), run(loss, wider)
        assert wide.item() == pytest.approx(value.item(), abs=1e-14)
        assert torch.allclose(wide_gradient[:, :4], gradient, rtol=0, atol=1e-15)
        assert not wide_gradient[:, 4:].any()

    def test_micro_batches(self, name) -> None:
        batch, loss = self.batch(), find("loss", name)
        whole, parts = Denominators.of(batch.mask), []
        for row in (slice(0, 1), slice(1, 2)):
            fields = ("logp", "mask", "rollout", "fault_mask", "fault_logp")
            part = replace(batch, **{field: getattr(batch, field)[row] for field in fields})
            parts.append(aggregate(loss.function(part, loss.options({})), part.mask, loss.aggregation, whole).item())
        assert sum(parts) == pytest.approx(run(loss, batch)[0].item(), abs=1e-15)
