"""Inverse-CDF sampling: exact on small vocabularies, never a token without mass, independent of the batch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.models._sampling import BLOCK, Drawn, Setting, draw


def drawn(logits: torch.Tensor, uniform: float, *settings: Setting) -> Drawn:
    return draw(logits[None].expand(len(settings), -1), settings, torch.full((len(settings),), uniform, dtype=torch.float64))


def one(logits: torch.Tensor, uniform: float, temperature: float = 1.0, top_p: float = 1.0) -> tuple[int, float]:
    tokens, logprobs, _, _ = drawn(logits, uniform, Setting(temperature, top_p))
    return int(tokens), float(logprobs)


QUARTERS = torch.tensor([0.25, 0.0, 0.5, 0.25]).log()


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 0), (0.2499, 0), (0.2501, 2), (0.7499, 2), (0.7501, 3), (1 - 2**-53, 3)])
def test_the_cell_is_hit(uniform: float, token: int) -> None:
    drawn, logprob = one(QUARTERS, uniform)
    assert drawn == token
    assert logprob == pytest.approx(math.log([0.25, 0, 0.5, 0.25][token]), abs=1e-6)


def test_temperature_sharpens() -> None:
    _, logprob = one(torch.tensor([1.0, 0.0]), 0.0, temperature=0.5)
    assert logprob == pytest.approx(-math.log1p(math.exp(-2)), abs=1e-6)


def test_greedy_ignores_the_uniform_number() -> None:
    token, logprob = one(torch.tensor([0.0, 1.0, 0.0]), 0.999, temperature=0.0)
    assert (token, logprob) == (1, pytest.approx(1 - math.log(math.e + 2), abs=1e-6))


@pytest.mark.parametrize(("top_p", "kept"), [(0.4, {0}), (0.5, {0}), (0.6, {0, 1}), (0.81, {0, 1, 2}), (1.0, {0, 1, 2, 3})])
def test_nucleus(top_p: float, kept: set[int]) -> None:
    mass = torch.tensor([0.5, 0.3, 0.15, 0.05])
    drawn = {one(mass.log(), (i + 0.5) / 200, top_p=top_p) for i in range(200)}
    assert {token for token, _ in drawn} == kept
    total = sum(float(mass[token]) for token in kept)
    for token, logprob in drawn:
        assert logprob == pytest.approx(math.log(float(mass[token]) / total), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3 * BLOCK + 5), st.floats(1e-6, 1 - 1e-6), st.integers(0, 2**31), st.floats(0.05, 2.0), st.sampled_from([1.0, 30.0]))
def test_agrees_with_the_plain_cumulative_sum(size: int, uniform: float, seed: int, temperature: float, spread: float) -> None:
    logits = torch.randn(size, generator=torch.Generator().manual_seed(seed)) * spread
    token, logprob = one(logits, uniform, temperature)
    expected = torch.log_softmax(logits.double() / temperature, -1)
    assert logprob == pytest.approx(float(expected[token]), abs=2e-4)
    cumulative = expected.exp().cumsum(-1)
    assert float(cumulative[token]) >= uniform - 1e-5
    assert token == 0 or float(cumulative[token - 1]) <= uniform + 1e-5


def test_a_row_does_not_see_its_batch() -> None:
    logits = torch.randn(9, 700, generator=torch.Generator().manual_seed(1))
    uniform = torch.rand(9, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    settings = [Setting(i / 4, 0.2 + i / 10, top_k=i % 3 * 20, min_p=0.01 * (i % 2)) for i in range(9)]
    tokens, logprobs, raw, kept = draw(logits, settings, uniform)
    for i in range(9):
        token, logprob, raw_alone, kept_alone = (float(value) for value in drawn(logits[i], float(uniform[i]), settings[i]))
        assert (raw_alone, kept_alone) == pytest.approx((float(raw[i]), float(kept[i])), abs=1e-6)
        assert token == int(tokens[i])
        assert logprob == pytest.approx(float(logprobs[i]), abs=1e-6)


def test_frequencies_follow_the_distribution() -> None:
    logits = torch.randn(40, generator=torch.Generator().manual_seed(3))
    uniform = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    tokens = draw(logits.expand(20_000, -1), [Setting(1.0)] * 20_000, uniform).tokens
    frequencies = torch.bincount(tokens, minlength=40) / 20_000
    assert torch.allclose(frequencies, torch.softmax(logits, -1), atol=2e-4)


MASS = torch.tensor([0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        (Setting(1.0, top_k=2), {0, 1}),
        (Setting(1.0, min_p=0.2), {0, 1, 2}),
        (Setting(1.0, min_p=0.31), {0, 1}),
        (Setting(1.0, min_p=1.0), {0}),
        (Setting(1.0, top_p=0.81, top_k=2), {0, 1}),
        (Setting(1.0, allowed=torch.tensor([False, True, False, True])), {1, 3}),
        (Setting(1.0, top_k=1, allowed=torch.tensor([False, True, False, True])), {1}),
    ],
)
def test_truncation_keeps_and_records_its_mass(setting: Setting, kept: set[int]) -> None:
    total = sum(float(MASS[token]) for token in kept)
    seen = set()
    for i in range(100):
        token, logprob, raw, mass = (float(value) for value in drawn(MASS.log(), (i + 0.5) / 100, setting))
        seen.add(int(token))
        assert mass == pytest.approx(total, abs=1e-6)
        assert raw == pytest.approx(math.log(float(MASS[int(token)])), abs=1e-5)
        assert logprob == pytest.approx(raw - math.log(total), abs=1e-5)
    assert seen == kept


def test_the_raw_logprob_knows_no_temperature() -> None:
    token, logprob, raw, kept = (float(value) for value in drawn(torch.tensor([1.0, 0.0]), 0.0, Setting(0.5)))
    assert (token, kept) == (0, 1)
    assert logprob == pytest.approx(-math.log1p(math.exp(-2)), abs=1e-6)
    assert raw == pytest.approx(-math.log1p(math.exp(-1)), abs=1e-6)
