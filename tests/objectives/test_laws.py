"""What holds for every token loss and every reduction: splitting, padding and reordering a batch change no gradient."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.objectives.fx import COLUMNS, MODES, ROWS, Outcome, converted, fx_rl, random_batch, rows, run
from torch import Tensor

from burnish.core.plugins import find, names
from burnish.objectives.base import Denominators, Loss, TokenBatch, aggregate, counted

OTHERS = ("nll", "positive_nll", "entropy_bonus", "value_clip")
LOSSES = [
    find("loss", name) for name in names("loss") if "advantage" in find("loss", name).needs or name.startswith("kl_") or name in OTHERS
]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
seeds = st.integers(0, 10_000)
quick = settings(deadline=None, max_examples=12)


def gradient_field(loss: Loss) -> str:
    return next((name for name in ("entropy", "value") if name in loss.needs), "logp")


def evaluate(loss: Loss, batch: TokenBatch, mode: str, counts: Denominators) -> Outcome:
    return run(loss, batch, mode, counts, by=gradient_field(loss))


def counts_of(loss: Loss, batch: TokenBatch) -> Denominators:
    return Denominators.of(counted(loss, batch), horizon=8)


def wider(batch: TokenBatch, columns: int, filling: float) -> TokenBatch:
    """More columns outside the mask, holding anything finite."""

    def pad(tensor: Tensor) -> Tensor:
        return torch.nn.functional.pad(tensor, (0, columns), value=filling) if tensor.dim() == 2 else tensor

    return replace(converted(batch, pad), mask=torch.nn.functional.pad(batch.mask, (0, columns)))


@every_loss
@quick
@given(seed=seeds, split=st.integers(0, ROWS), per_token=st.booleans(), mode=st.sampled_from(MODES))
def test_micro_batches_sum_to_the_whole(loss, seed, split, per_token, mode) -> None:
    batch = random_batch(seed, per_token=per_token)
    counts = counts_of(loss, batch)
    whole = evaluate(loss, batch, mode, counts)
    parts = [evaluate(loss, rows(batch, part), mode, counts) for part in (slice(0, split), slice(split, ROWS))]
    assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-13, abs=1e-13)
    assert torch.allclose(torch.cat([part.gradient for part in parts]), whole.gradient, rtol=0, atol=1e-15)


@every_loss
@quick
@given(seed=seeds, columns=st.integers(0, 4), filling=st.floats(-9, 0), mode=st.sampled_from(MODES))
def test_padding_changes_nothing(loss, seed, columns, filling, mode) -> None:
    batch = random_batch(seed)
    counts = counts_of(loss, batch)
    narrow, wide = (evaluate(loss, each, mode, counts) for each in (batch, wider(batch, columns, filling)))
    assert wide.loss == pytest.approx(narrow.loss, rel=1e-13, abs=1e-13)
    assert torch.allclose(wide.gradient[:, :COLUMNS], narrow.gradient, rtol=1e-13, atol=1e-15)  # wider sums round otherwise
    assert (wide.gradient[:, COLUMNS:] == 0).all()


@every_loss
@quick
@given(seed=seeds, order=st.permutations(range(ROWS)), mode=st.sampled_from(MODES))
def test_the_order_of_answers_does_not_matter(loss, seed, order, mode) -> None:
    batch = random_batch(seed)
    counts = counts_of(loss, batch)
    straight, mixed = evaluate(loss, batch, mode, counts), evaluate(loss, rows(batch, torch.tensor(order)), mode, counts)
    assert mixed.loss == pytest.approx(straight.loss, rel=1e-13, abs=1e-13)
    assert torch.allclose(mixed.gradient, straight.gradient[order], rtol=0, atol=1e-15)


SMOOTH = [loss for loss in LOSSES if "sg(" not in loss.formula and "gradient of" not in loss.formula]
"""Losses without a detached part: their gradient is the slope of their value."""


@pytest.mark.parametrize("loss", SMOOTH, ids=lambda loss: loss.name)
def test_the_gradient_is_the_slope_of_the_value(loss) -> None:
    batch, name = random_batch(3), gradient_field(loss)
    counts = counts_of(loss, batch)

    def value(tensor: Tensor) -> Tensor:
        unreduced = loss.function(replace(batch, **{name: tensor}), loss.options({}))
        return aggregate(unreduced, counted(loss, batch), "token-mean", counts)

    assert torch.autograd.gradcheck(value, getattr(batch, name).clone().requires_grad_(), eps=1e-7, atol=1e-6)


@every_loss
def test_a_loss_needs_no_more_than_it_says(loss) -> None:
    batch = fx_rl()
    bare = replace(batch, **{field.name: None for field in fields(TokenBatch) if field.name not in {*loss.needs, "logp", "mask"}})
    by = gradient_field(loss)
    whole, reduced = (run(loss, each, by=by) for each in (batch, bare))
    assert whole.loss == reduced.loss
    assert torch.equal(whole.gradient, reduced.gradient)


@every_loss
def test_a_batch_without_loss_tokens_gives_zero(loss) -> None:
    got = run(loss, replace(fx_rl(), mask=torch.zeros(4, 4).double()), by=gradient_field(loss))
    assert got.loss == 0
    assert (got.gradient == 0).all()
