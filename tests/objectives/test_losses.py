"""What all losses have in common: names, options, reduction over streams and micro-batches (policy losses: test_policy_losses)."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.objectives.fx import MASK, MODES, fx_rl, padded, rows, run

from burnish.core.errors import InputError
from burnish.core.plugins import find, names
from burnish.objectives.base import Denominators, Loss, TokenBatch, aggregate
from burnish.objectives.losses.dapo import dapo
from burnish.objectives.losses.nll import nll
from burnish.objectives.losses.ppo_clip import ppo_clip

PROBABILITY = padded([0.5, 0.25, 0.8, 0.1], [0.9, 0.6, 0.3])
CLOSE = {"rel": 0, "abs": 1e-9}


@pytest.fixture
def fx_sft() -> TokenBatch:
    """FX-SFT: log-probabilities of two demonstrations of lengths 4 and 3."""
    mask = (PROBABILITY > 0).double()
    return TokenBatch(logp=torch.where(mask > 0, PROBABILITY, 1.0).log(), mask=mask)


@pytest.mark.parametrize("name", names("loss"))
def test_every_loss_is_a_loss_of_its_name(name) -> None:
    loss = find("loss", name)
    assert isinstance(loss, Loss)
    assert loss.name == name
    assert loss.formula
    assert loss.source
    assert loss.needs <= {field.name for field in fields(TokenBatch)}


def test_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"The loss 'ppo_clip' has no option 'epsilon_hi'.*epsilon_high, epsilon_low"):
        ppo_clip.options({"epsilon_hi": 0.3})


def test_nll_is_a_mean_over_tokens_or_over_sequences(fx_sft) -> None:
    by_token, by_sequence = run(nll, fx_sft, "token-mean"), run(nll, fx_sft, "seq-mean-token-mean")
    assert by_token.loss == pytest.approx(0.9179041614, **CLOSE)
    assert torch.allclose(by_token.gradient, -fx_sft.mask / 7)
    assert by_sequence.loss == pytest.approx(0.8790060972, **CLOSE)
    assert torch.allclose(by_sequence.gradient, -fx_sft.mask / torch.tensor([[8.0], [6.0]]))


def test_micro_batches_have_the_numbers_of_the_spec() -> None:
    """With the counts of the whole step the parts sum to the loss; means of parts do not."""
    of_all = Denominators(tokens=10, sequences=4)
    parts = [run(dapo, rows(fx_rl(), part), denominators=of_all).loss for part in (slice(0, 2), slice(2, 4))]
    assert parts == pytest.approx([-0.3460936818, 0.2036397825], **CLOSE)
    assert sum(parts) == pytest.approx(-0.1424538993, **CLOSE)
    local = [run(dapo, rows(fx_rl(), part)).loss for part in (slice(0, 2), slice(2, 4))]
    assert local == pytest.approx([-0.5768228030, 0.5090994563], **CLOSE)


def test_aggregations_weigh_long_answers_differently() -> None:
    """Lengths 2 and 8, advantages +1 and -1: 0.6 per token, 0 per sequence, 0.1875 with a horizon of 16 (peers.md, section 3)."""
    mask = padded([1.0] * 2, [1.0] * 8)
    batch = TokenBatch(logp=torch.zeros_like(mask), mask=mask, advantage=torch.tensor([[1.0], [-1.0]]).double() * mask)
    loss = ppo_clip.function(batch, ppo_clip.defaults)
    counts = Denominators(tokens=10, sequences=2, horizon=16)
    assert [float(aggregate(loss, mask, mode, counts)) for mode in MODES] == pytest.approx([0.6, 0.0, 3.0, 0.1875])


def test_mixed_streams_keep_their_own_denominators(fx_sft) -> None:
    assert 0.3 * run(nll, fx_sft).loss + 0.7 * run(dapo, fx_rl()).loss == pytest.approx(0.1756535189, **CLOSE)


def test_counts_of_a_mask() -> None:
    assert Denominators.of(MASK, horizon=8) == Denominators(tokens=10, sequences=4, horizon=8)
    assert Denominators.of(torch.tensor([[1.0, 1.0], [0.0, 0.0]])) == Denominators(tokens=2, sequences=1)
    assert Denominators.of(torch.zeros(2, 3)) == Denominators(tokens=1, sequences=1)


@settings(deadline=None)
@given(st.lists(st.floats(-6, 0), min_size=3, max_size=3), st.lists(st.floats(-6, 0), min_size=3, max_size=3), st.floats(-3, 3))
def test_clipping_never_promises_more_than_the_ratio(logp, old, advantage) -> None:
    """The clipped loss bounds the unclipped surrogate -A r from above."""
    batch = TokenBatch(logp=padded(logp), old=padded(old), mask=torch.ones(1, 3).double(), advantage=torch.full((1, 3), advantage).double())
    surrogate = -batch.advantage * (batch.logp - batch.old).exp()
    assert (ppo_clip.function(batch, ppo_clip.defaults) >= surrogate - 1e-12).all()
