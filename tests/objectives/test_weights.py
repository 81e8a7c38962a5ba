"""Off-policy weights: the numbers of the spec, that they are detached, and the identities."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from tests.objectives.fx import GRPO, LOG_RATIO, MASK, OLD, OLD_MINUS_ROLLOUT, TRL, coefficient, fx_rl, in_single_precision, padded, run
from torch import Tensor

from burnish.core.plugins import find, names
from burnish.objectives.base import Denominators, TokenBatch, Weight

OF_DEMONSTRATIONS = ("fait", "fait_ratio", "pear_block", "pear_sequence", "pear_token")
OFF_POLICY = [name for name in names("weight") if name not in OF_DEMONSTRATIONS]
WEIGHTS = [find("weight", name) for name in OFF_POLICY]
dapo = find("loss", "dapo")


def weights(name: str, batch: TokenBatch, **options: float) -> Tensor:
    weight = find("weight", name)
    return weight.function(batch, weight.options(options)) * batch.mask


def weighted(name: str, advantage: tuple[float, ...] = GRPO, **options: float) -> TokenBatch:
    batch = fx_rl(advantage)
    return replace(batch, weight=weights(name, batch, **options))


TOKENS = {
    "tis_token": ([1.0202013, 0.9512294, 2, 1.0100502], [0.9048374, 1.1618342], [1, 0.7408182, 1.2214028], [2]),
    "icepop": ([1.0202013, 0.9512294, 0, 1.0100502], [0.9048374, 1.1618342], [1, 0.7408182, 1.2214028], [0]),
    "tis_sequence": ([2] * 4, [1.0512711] * 2, [0.9048374] * 3, [2]),
    "sequence_mask": ([2.4108997] * 4, [1.0512711] * 2, [0.9048374] * 3, [0]),
    "off_policy_sequence_mask": ([1] * 4, [1] * 2, [0] * 3, [1]),
    "reject_tokens": ([1, 1, 0, 1], [1, 1], [1, 1, 1], [0]),
    "reject_sequences": ([0] * 4, [1] * 2, [1] * 3, [0]),
    "reject_geometric": ([0] * 4, [0] * 2, [0] * 3, [0]),
    "reject_divergence": ([0] * 4, [1] * 2, [0] * 3, [0]),
}


@pytest.mark.parametrize("name", OFF_POLICY)
def test_weight_of_every_token(name) -> None:
    assert torch.allclose(weights(name, fx_rl()), padded(*TOKENS[name]), rtol=0, atol=5e-8)


@pytest.mark.parametrize(
    ("name", "advantage", "value"),
    [
        ("tis_token", GRPO, -0.3245497097),
        ("tis_token", TRL, -0.3244826055),
        ("tis_sequence", GRPO, -0.7043041327),
        ("icepop", GRPO, 0.0167996094),
        ("sequence_mask", TRL, -0.8486918256),
        ("off_policy_sequence_mask", TRL, -0.3794380527),
    ],
)
def test_dapo_under_a_weight(name, advantage, value) -> None:
    batch = weighted(name, advantage)
    got = run(dapo, batch)
    assert got.loss == pytest.approx(value, rel=0, abs=1e-9)
    assert run(dapo, in_single_precision(batch)).loss == pytest.approx(value, rel=0, abs=1e-6)
    plain = coefficient(dapo, fx_rl(advantage))
    assert torch.allclose(coefficient(dapo, batch), plain * batch.weight, rtol=0, atol=1e-12)


def test_off_policy_mask_means() -> None:
    """mean_t(rollout - logp) of the answers is -.22, .05, .1667, -1.48: only the third is bad and beyond 0.1."""
    moved = -(OLD_MINUS_ROLLOUT + LOG_RATIO)
    assert ((moved * MASK).sum(1) / MASK.sum(1)).tolist() == pytest.approx([-0.22, 0.05, 0.1667, -1.48], abs=5e-5)
    assert (weights("off_policy_sequence_mask", fx_rl(), threshold=0.2) == MASK).all()


@pytest.mark.parametrize(("lower", "upper", "kept"), [(0.9, 1.1, [False, True, True, False]), (0.95, 1.3, [True, True, True, False])])
def test_geometric_mean_of_each_answer(lower, upper, kept) -> None:
    """exp(mean_t(old - rollout)) is 1.246, 1.025, 0.967, 3.320."""
    got = weights("reject_geometric", fx_rl(), lower=lower, upper=upper)
    assert (got == MASK * torch.tensor(kept)[:, None]).all()


def test_divergence_does_not_cancel() -> None:
    """Up by 1 and down by 1: the product of the ratios is 1, the divergence is not small."""
    zeros = torch.zeros(1, 2, dtype=torch.float64)
    batch = TokenBatch(logp=zeros, old=zeros, rollout=padded([1.0, -1.0]), mask=zeros + 1)
    assert (weights("reject_sequences", batch) == 1).all()
    assert (weights("reject_divergence", batch) == 0).all()
    assert (weights("reject_divergence", batch, upper=0.6) == 1).all()  # (e - 2 + 1/e) / 2 = 0.543


def test_rejected_tokens_may_leave_the_denominators_too() -> None:
    batch = fx_rl()
    kept = batch.mask * weights("reject_tokens", batch)
    counted_as_zero = run(dapo, weighted("reject_tokens"))
    left_out = run(dapo, replace(batch, mask=kept))
    assert kept.sum() == 8
    assert left_out.loss == pytest.approx(counted_as_zero.loss * 10 / 8, rel=0, abs=1e-15)
    assert Denominators.of(kept).sequences == 3


@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda weight: weight.name)
class TestEveryWeight:
    def test_is_a_weight_of_its_name(self, weight) -> None:
        assert isinstance(weight, Weight)
        assert find("weight", weight.name) is weight
        assert weight.formula
        assert weight.source
        assert weight.needs <= {field.name for field in fields(TokenBatch)}

    def test_is_detached_and_of_the_batch_s_shape(self, weight) -> None:
        batch = replace(fx_rl(), logp=(OLD + LOG_RATIO).requires_grad_())
        for old in (OLD, None):
            got = weight.function(replace(batch, old=old), weight.options({}))
            assert not got.requires_grad
            assert got.shape == MASK.shape
            assert got.dtype == MASK.dtype

    def test_the_sampler_s_own_policy_has_weight_one(self, weight) -> None:
        batch = replace(fx_rl(), logp=OLD, rollout=OLD)
        assert torch.equal(weights(weight.name, batch), MASK)
        assert torch.equal(weights(weight.name, replace(batch, old=None)), MASK)

    def test_finite_however_far_the_sampler_is(self, weight) -> None:
        for shift in (-900.0, 900.0):
            got = weight.function(replace(fx_rl(), rollout=OLD + shift), weight.options({}))
            assert got.isfinite().all()

    def test_padding_and_other_rows_change_nothing(self, weight) -> None:
        batch = fx_rl()
        names_2d = [field.name for field in fields(TokenBatch) if (value := getattr(batch, field.name)) is not None and value.dim() == 2]
        wide = replace(batch, **{name: torch.nn.functional.pad(getattr(batch, name), (0, 2)) for name in names_2d})
        assert torch.equal(weights(weight.name, wide)[:, :4], weights(weight.name, batch))
        second = replace(batch, **{name: getattr(batch, name)[1:2] for name in names_2d})
        assert torch.equal(weights(weight.name, second), weights(weight.name, batch)[1:2])


def test_bypass_reinforce_is_reinforce_under_the_truncated_weight_of_whole_answers() -> None:
    """With `old` None the current policy stands in for it."""
    batch = replace(fx_rl(), old=None)
    under_weight = replace(batch, weight=weights("tis_sequence", batch))
    left, right = run(find("loss", "bypass_reinforce"), batch), run(find("loss", "reinforce"), under_weight)
    assert left.loss == pytest.approx(right.loss, rel=0, abs=1e-15)
    assert torch.allclose(left.gradient, right.gradient, rtol=0, atol=1e-15)
