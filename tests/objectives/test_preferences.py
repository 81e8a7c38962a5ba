"""Preference and reward-model losses: the numbers of the specs, gradients, laws, and TRL's own code on random tensors."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import fields, replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.plugins import catalogue, find, names
from burnish.objectives.base import TokenBatch
from burnish.objectives.losses.dft import dft
from burnish.objectives.preferences.base import JudgedBatch, PairBatch, PreferenceLoss, divergence, judged_of, margin, pairs_of

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-8}


@pytest.fixture(params=[torch.float32, torch.float64], ids=["fp32", "fp64"])
def dtype(request) -> torch.dtype:
    return request.param


def pair(dtype=torch.float64, *, chosen=0.0, rejected=0.0, tokens=(1.0, 1.0), strength=None) -> PairBatch:
    """One pair against a reference that gives 0 to both."""
    values = {"chosen": chosen, "rejected": rejected, "reference_chosen": 0.0, "reference_rejected": 0.0}
    values |= {"chosen_tokens": tokens[0], "rejected_tokens": tokens[1]} | ({} if strength is None else {"strength": strength})
    return PairBatch(**{name: torch.tensor([value], dtype=dtype) for name, value in values.items()})


def run(name: str, batch: PairBatch, **options: float) -> tuple[float, float, float]:
    """Value and gradients with respect to the chosen and the rejected answer."""
    loss = find("preference", name)
    chosen, rejected = batch.chosen.clone().requires_grad_(), batch.rejected.clone().requires_grad_()
    value = loss.function(replace(batch, chosen=chosen, rejected=rejected), loss.options(options))
    assert value.shape == chosen.shape
    return value.item(), *(gradient.item() for gradient in torch.autograd.grad(value.sum(), (chosen, rejected)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_every_preference_loss_is_described() -> None:
    assert names("preference") == ["bradley_terry", "dpo", "ipo", "kto"]
    assert all(catalogue("preferences")["preferences"].values())
    for name in names("preference"):
        loss = find("preference", name)
        assert isinstance(loss, PreferenceLoss)
        assert (loss.name, bool(loss.formula), bool(loss.source)) == (name, True, True)
        assert loss.needs <= {field.name for field in fields(loss.batch)}
    with pytest.raises(InputError, match=r"preference loss 'dpo' has no option 'gamma'.*beta, nll_mean, nll_sum"):
        find("preference", "dpo").options({"gamma": 1})


class TestDpo:
    def test_value_and_gradient(self, dtype) -> None:
        value, by_chosen, by_rejected = run("dpo", pair(dtype, chosen=1.0, rejected=-0.5), beta=0.1)
        assert value == pytest.approx(0.6209570, abs=1e-6)
        slope = 0.1 * sigmoid(-0.15)
        assert (by_chosen, by_rejected) == pytest.approx((-slope, slope), rel=0, abs=TOLERANCE[dtype])

    @pytest.mark.parametrize(("option", "value", "share"), [("nll_sum", 3.020957, 0.2), ("nll_mean", 0.860957, 0.02)])
    def test_likelihood_of_the_chosen_answer(self, option, value, share) -> None:
        """log pi(y_w) = -12 over 10 tokens, a difference of log-ratios of 1.5, alpha = 0.2: summed, or per token."""
        batch = replace(pair(chosen=-12.0, rejected=-13.5, tokens=(10.0, 7.0)))
        got, by_chosen, by_rejected = run("dpo", batch, **{option: 0.2})
        assert got == pytest.approx(value, abs=1e-6)
        slope = 0.1 * sigmoid(-0.15)
        assert (by_chosen, by_rejected) == pytest.approx((-slope - share, slope), rel=0, abs=1e-8)

    def test_only_the_difference_to_the_reference_counts(self) -> None:
        moved = replace(pair(chosen=4.0, rejected=1.0), reference_chosen=torch.tensor([3.0]), reference_rejected=torch.tensor([1.5]))
        assert margin(moved).tolist() == [1.5]
        assert run("dpo", moved) == pytest.approx(run("dpo", pair(chosen=1.0, rejected=-0.5)))

    def test_far_apart_stays_finite(self) -> None:
        right, wrong = run("dpo", pair(chosen=1e5)), run("dpo", pair(rejected=1e5))
        assert right == (0, 0, 0)
        assert wrong == pytest.approx((1e4, -0.1, 0.1))


class TestIpo:
    def test_value_and_gradient(self, dtype) -> None:
        """Log-ratios of 6 over 4 tokens and -1 over 2: h = 1.5 + 0.5 = 2, the target is 5."""
        value, by_chosen, by_rejected = run("ipo", pair(dtype, chosen=6.0, rejected=-1.0, tokens=(4.0, 2.0)), beta=0.1)
        assert value == pytest.approx(9.0, rel=0, abs=1e-5)
        assert (by_chosen, by_rejected) == pytest.approx((-6 / 4, 6 / 2), rel=0, abs=1e-5)

    def test_stops_at_its_target(self) -> None:
        assert run("ipo", pair(chosen=1.0, rejected=-1.0), beta=0.25) == (0, 0, 0)


class TestKto:
    def test_value_and_gradient(self, dtype) -> None:
        """beta 0.1, drift 0.5: a good answer with log-ratio 2.5 and a bad one with -1.5."""
        logp = torch.tensor([2.0, -2.0], dtype=dtype, requires_grad=True)
        batch = JudgedBatch(
            logp=logp,
            reference=torch.tensor([-0.5, -0.5], dtype=dtype),
            desirable=torch.tensor([True, False]),
            divergence=torch.tensor(0.5, dtype=dtype),
        )
        kto = find("preference", "kto")
        losses = kto.function(batch, kto.options({"undesirable": 1.5}))
        expected = [1 - sigmoid(0.2), 1.5 * (1 - sigmoid(0.2))]
        assert losses.tolist() == pytest.approx(expected, rel=0, abs=TOLERANCE[dtype])
        slope = 0.1 * sigmoid(0.2) * sigmoid(-0.2)
        gradient = torch.autograd.grad(losses.sum(), logp)[0]
        assert gradient.tolist() == pytest.approx([-slope, 1.5 * slope], rel=0, abs=TOLERANCE[dtype])

    def test_drift_is_an_average_that_is_never_negative_or_differentiated(self) -> None:
        logp = torch.tensor([1.0, 3.0], requires_grad=True)
        assert divergence(logp, torch.tensor([0.0, 2.5])).item() == 0.75
        assert not divergence(logp, torch.zeros(2)).requires_grad
        assert divergence(logp, torch.full((2,), 9.0)).item() == 0
        assert divergence(torch.zeros(0), torch.zeros(0)).item() == 0


class TestRewardModel:
    def test_hard_negative_pair(self, dtype) -> None:
        value, by_chosen, by_rejected = run("bradley_terry", pair(dtype, chosen=1.2, rejected=0.4))
        assert value == pytest.approx(0.3711007, abs=1e-6)
        assert (by_chosen, by_rejected) == pytest.approx((-sigmoid(-0.8), sigmoid(-0.8)), rel=0, abs=TOLERANCE[dtype])

    @pytest.mark.parametrize(("strength", "difference", "value"), [(1, 0.5, 0.474077), (3, 0.5, 1.422231), (3, 2.0, 0.380784)])
    def test_scaled_by_the_strength_of_the_preference(self, dtype, strength, difference, value) -> None:
        got, by_chosen, by_rejected = run("bradley_terry", pair(dtype, chosen=difference, strength=float(strength)))
        assert got == pytest.approx(value, abs=1e-6)
        slope = strength * sigmoid(-difference)
        assert (by_chosen, by_rejected) == pytest.approx((-slope, slope), rel=0, abs=TOLERANCE[dtype] * 3)

    def test_centred_scores(self) -> None:
        assert run("bradley_terry", pair(chosen=2.0, rejected=1.0), center=0.01)[0] == pytest.approx(-math.log(sigmoid(1)) + 0.09)

    @given(st.floats(-5, 5), st.floats(-5, 5))
    def test_a_pair_and_its_mirror_are_the_chances_of_one_coin(self, better, worse) -> None:
        there = run("bradley_terry", pair(chosen=better, rejected=worse))[0]
        back = run("bradley_terry", pair(chosen=worse, rejected=better))[0]
        assert math.exp(-there) + math.exp(-back) == pytest.approx(1)


class TestBatches:
    def batch(self) -> TokenBatch:
        logp = torch.tensor([[-1.0, -2, -3], [-4, -5, -9], [-0.5, -9, -9], [-0.25, -0.25, -9]], dtype=torch.float64)
        mask = torch.tensor([[1.0, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=torch.float64)
        return TokenBatch(logp=logp, mask=mask, reference=logp / 2, correct=torch.tensor([True, False, True, False]))

    def test_rows_alternate(self) -> None:
        got = pairs_of(self.batch())
        assert got.chosen.tolist() == [-6, -0.5]
        assert got.rejected.tolist() == [-9, -0.5]
        assert got.reference_chosen.tolist() == [-3, -0.25]
        assert got.reference_rejected.tolist() == [-4.5, -0.25]
        assert (got.chosen_tokens.tolist(), got.rejected_tokens.tolist()) == ([3, 1], [2, 2])

    def test_without_a_reference_there_is_none(self) -> None:
        assert pairs_of(replace(self.batch(), reference=None)).reference_chosen is None

    def test_half_a_pair(self) -> None:
        with pytest.raises(InputError, match="3 rows"):
            pairs_of(TokenBatch(logp=torch.zeros(3, 1), mask=torch.ones(3, 1)))

    def test_judged_answers(self) -> None:
        got = judged_of(self.batch(), torch.tensor(0.0))
        assert (got.logp - got.reference).tolist() == [-3, -4.5, -0.25, -0.25]
        assert got.desirable.tolist() == [True, False, True, False]

    def test_gradient_reaches_every_learned_token_and_no_other(self) -> None:
        logp = self.batch().logp.requires_grad_()
        dpo = find("preference", "dpo")
        dpo.function(pairs_of(replace(self.batch(), logp=logp)), dpo.options({})).sum().backward()
        assert torch.equal(logp.grad != 0, self.batch().mask > 0)
        assert (logp.grad.sign() == self.batch().mask * torch.tensor([[-1.0], [1], [-1], [1]])).all()


class Trainer(SimpleNamespace):
    """What TRL's loss methods read of their trainer: settings, and where they leave their metrics."""

    def __init__(self, **settings) -> None:
        accelerator = SimpleNamespace(
            device=torch.device("cpu"), gather=lambda x: x, gather_for_metrics=lambda x: x, parallelism_config=None
        )
        super().__init__(
            model=SimpleNamespace(training=True), accelerator=accelerator, aux_loss_enabled=False, precompute_ref_logps=True,
            _total_train_tokens=0, _tp_size=1, _metrics={"train": defaultdict(list)}, **settings,
        )  # fmt: skip


def answers(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random log-probabilities of 7 tokens and a mask with answers of several lengths; in float64."""
    generator = torch.Generator().manual_seed(seed)
    logp = -3 * torch.rand(rows, 7, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, 8, (rows, 1), generator=generator)
    return logp, (torch.arange(7) < lengths).double()


def model_of(logp: Tensor):
    """A model that answers with these log-probabilities: zero where the labels are ignored, as TRL's fused head has it."""

    def model(*, input_ids: Tensor, labels: Tensor, **_):
        seen = (labels[:, 1:] != -100).to(logp)
        return SimpleNamespace(
            log_probs=logp[: len(labels)] * seen, entropy=seen, mean_logits=seen, is_top1=seen > 0, label_mask=seen
        )  # fmt: skip

    return model


def inputs(mask: Tensor) -> dict[str, Tensor]:
    """TRL's inputs for answers with this mask; the first token of each row is the prompt."""
    whole = torch.cat([torch.zeros(len(mask), 1), mask], dim=1).long()
    return {"input_ids": torch.ones_like(whole), "attention_mask": torch.ones_like(whole), "completion_mask": whole}


@pytest.mark.parametrize("seed", range(3))
class TestTrl:
    """The same random tensors through TRL's own methods (its trainer object replaced by its settings)."""

    @pytest.mark.parametrize(("name", "their_name"), [("dpo", "sigmoid"), ("ipo", "ipo")])
    def test_pairs(self, name, their_name, seed) -> None:
        trl = pytest.importorskip("trl")
        (logp, mask), (reference, _) = answers(8, seed), answers(8, seed + 10)
        theirs, ours = logp.clone().requires_grad_(), logp.clone().requires_grad_()
        sums = (reference * mask).sum(1)
        trainer = Trainer(
            beta=0.3, ld_alpha=None, f_divergence_type="reverse_kl", loss_types=[their_name], loss_weights=[1.0], use_weighting=False
        )
        given = inputs(mask) | {"ref_chosen_logps": sums[:4], "ref_rejected_logps": sums[4:]}
        expected = trl.DPOTrainer._compute_loss(trainer, model_of(theirs), given, return_outputs=False)
        alternate = torch.arange(8).reshape(2, 4).T.flatten()  # theirs: all chosen, then all rejected
        batch = TokenBatch(logp=ours[alternate], mask=mask[alternate], reference=reference[alternate])
        loss = find("preference", name)
        got = loss.function(pairs_of(batch), loss.options({"beta": 0.3})).mean()
        assert got.item() == pytest.approx(expected.item(), rel=0, abs=1e-10)
        got.backward()
        expected.backward()
        assert torch.allclose(ours.grad, theirs.grad, rtol=0, atol=1e-10)

    def test_kto(self, seed) -> None:
        trl = pytest.importorskip("trl")
        (logp, mask), (reference, _) = answers(6, seed), answers(6, seed + 10)
        theirs, ours = logp.clone().requires_grad_(), logp.clone().requires_grad_()
        desirable = torch.tensor([True, False, True, True, False, False])
        trainer = Trainer(beta=0.3, calculate_KL=True, loss_type="kto", desirable_weight=1.2, undesirable_weight=0.7)
        trainer._compute_kl_logps = partial(trl.KTOTrainer._compute_kl_logps, trainer)
        given = inputs(mask) | {"label": desirable, "ref_logps": (reference * mask).sum(1), "ref_KL_logps": (logp * mask).sum(1) - 0.4}
        given |= {f"KL_{name}": tensor for name, tensor in inputs(mask).items()}
        expected = trl.KTOTrainer._compute_loss(trainer, model_of(theirs), given, return_outputs=False)
        drift = divergence((logp * mask).sum(1), given["ref_KL_logps"])
        batch = judged_of(TokenBatch(logp=ours, mask=mask, reference=reference, correct=desirable), drift)
        kto = find("preference", "kto")
        got = kto.function(batch, kto.options({"beta": 0.3, "desirable": 1.2, "undesirable": 0.7})).mean()
        assert drift.item() == pytest.approx(0.4)
        assert got.item() == pytest.approx(expected.item(), rel=0, abs=1e-10)
        got.backward()
        expected.backward()
        assert torch.allclose(ours.grad, theirs.grad, rtol=0, atol=1e-10)

    def test_reward_model(self, seed) -> None:
        trl = pytest.importorskip("trl")
        scores = answers(8, seed)[0][:, :1]
        theirs, ours = scores.clone().requires_grad_(), scores[:, 0].clone().requires_grad_()
        trainer = Trainer(args=SimpleNamespace(center_rewards_coefficient=0.01))
        given = {"attention_mask": torch.ones(8, 7)}
        expected = trl.RewardTrainer.compute_loss(trainer, lambda **_: SimpleNamespace(logits=theirs), given)
        bradley_terry = find("preference", "bradley_terry")
        batch = PairBatch(chosen=ours[:4], rejected=ours[4:])
        got = bradley_terry.function(batch, bradley_terry.options({"center": 0.01})).mean()
        assert got.item() == pytest.approx(expected.item(), rel=0, abs=1e-10)
        got.backward()
        expected.backward()
        assert torch.allclose(ours.grad, theirs.grad[:, 0], rtol=0, atol=1e-10)

    def test_dft(self, seed) -> None:
        trl = pytest.importorskip("trl")
        logp, mask = answers(4, seed)
        theirs, ours = logp.clone().requires_grad_(), logp.clone().requires_grad_()
        given = inputs(mask)
        labels = given["input_ids"].masked_fill(given.pop("completion_mask") == 0, -100)
        args = SimpleNamespace(loss_type="dft", average_tokens_across_devices=True)
        trainer = Trainer(args=args, compute_loss_func=None, label_smoother=None, get_tp_size=lambda: 1)
        expected = trl.SFTTrainer.compute_loss(trainer, model_of(theirs), given | {"labels": labels})
        got = (dft.function(TokenBatch(logp=ours, mask=mask), {}) * mask).sum() / mask.sum()
        assert got.item() == pytest.approx(expected.item(), rel=0, abs=1e-10)
        got.backward()
        expected.backward()
        assert torch.allclose(ours.grad, theirs.grad, rtol=0, atol=1e-10)
