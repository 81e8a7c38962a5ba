"""Group advantages: the numbers of the spec, unscored samples, and the laws between the estimators."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.objectives.advantages.dr_grpo import dr_grpo
from burnish.objectives.advantages.grpo import grpo
from burnish.objectives.advantages.rloo import rloo
from burnish.objectives.base import AdvantageBatch

ALL = (grpo, dr_grpo, rloo)
NAN = float("nan")


def advantages(estimator, rewards, group=None, **options):
    group = [0] * len(rewards) if group is None else group
    batch = AdvantageBatch(reward=torch.tensor(rewards, dtype=torch.float64), group=torch.tensor(group, dtype=torch.int64))
    result = estimator.function(batch, estimator.options(options))
    assert result.shape == (len(rewards),)
    return result.tolist()


@pytest.mark.parametrize("function", ALL)
def test_no_samples(function) -> None:
    assert advantages(function, []) == []


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("rewards", [[1.0], [NAN], [NAN, NAN], [1.0, NAN], [0.3, 0.3, 0.3], [0.1, 0.1, NAN]])
def test_nothing_to_compare_gives_zero(function, rewards) -> None:
    assert advantages(function, rewards) == [0.0] * len(rewards)


@pytest.mark.parametrize(
    ("function", "options", "expected"),
    [
        (grpo, {}, [1.3055796924, -0.7833478154, -0.7833478154, 0.2611159385]),
        (grpo, {"epsilon": 1e-4}, [1.3053097494, -0.7831858496, -0.7831858496, 0.2610619499]),
        (dr_grpo, {}, [0.625, -0.375, -0.375, 0.125]),
        (rloo, {}, [0.8333333333, -0.5, -0.5, 0.1666666667]),
    ],
)
def test_fx_rl(function, options, expected) -> None:
    assert advantages(function, [1, 0, 0, 0.5], **options) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("function", "options", "expected"),
    [
        (grpo, {"epsilon": 1e-4}, [1.49970, -0.49990, -0.49990, -0.49990]),
        (grpo, {}, [1.499997, -0.499999, -0.499999, -0.499999]),
        (dr_grpo, {}, [0.75, -0.25, -0.25, -0.25]),
        (rloo, {}, [1.0, -1 / 3, -1 / 3, -1 / 3]),
    ],
)
def test_one_success_in_four(function, options, expected) -> None:
    assert advantages(function, [1, 0, 0, 0], **options) == pytest.approx(expected, abs=1e-5)


def test_unscored_is_not_zero() -> None:
    got = advantages(grpo, [1, NAN, 0, 0], epsilon=1e-4)
    assert got == pytest.approx([1.15450, 0, -0.57725, -0.57725], abs=1e-5)
    assert got != pytest.approx(advantages(grpo, [1, 0, 0, 0], epsilon=1e-4), abs=1e-2)


def test_population_deviation_is_not_used() -> None:
    assert advantages(grpo, [1, 0, 0, 0.5])[0] != pytest.approx(1.5075530865, abs=1e-2)


@pytest.mark.parametrize("function", ALL)
def test_groups_do_not_mix_and_may_interleave(function) -> None:
    first, second = [1.0, 0.0, NAN, 0.2], [0.0, 5.0, 5.0, NAN]
    mixed = [reward for pair in zip(first, second, strict=True) for reward in pair]
    got = advantages(function, mixed, group=[7, -3] * 4)
    assert got[0::2] == pytest.approx(advantages(function, first))
    assert got[1::2] == pytest.approx(advantages(function, second))


def test_constant_group_in_float32_has_no_rounding_signal() -> None:
    batch = AdvantageBatch(reward=torch.full((7,), 0.1), group=torch.zeros(7, dtype=torch.int64))
    got = grpo.function(batch, grpo.defaults)
    assert got.tolist() == [0.0] * 7


rewards_lists = st.lists(st.one_of(st.just(NAN), st.integers(-8, 8).map(lambda n: n / 4)), min_size=1, max_size=9)


@given(rewards_lists)
def test_advantages_sum_to_zero_and_ignore_unscored(rewards) -> None:
    scored = [reward for reward in rewards if reward == reward]
    for function in ALL:
        got = advantages(function, rewards)
        assert sum(got) == pytest.approx(0, abs=1e-9)
        kept = [value for value, reward in zip(got, rewards, strict=True) if reward == reward]
        assert kept == pytest.approx(advantages(function, scored), abs=1e-12)


@given(rewards_lists)
def test_rloo_is_a_scaled_dr_grpo(rewards) -> None:
    count = sum(reward == reward for reward in rewards)
    scale = count / (count - 1) if count > 1 else 0.0
    expected = [scale * value for value in advantages(dr_grpo, rewards)]
    assert advantages(rloo, rewards) == pytest.approx(expected, abs=1e-12)


@given(rewards_lists, st.integers(-8, 8), st.integers(1, 8))
def test_grpo_forgets_shift_and_scale(rewards, shift, scale) -> None:
    moved = [scale * reward + shift for reward in rewards]
    assert advantages(grpo, moved, epsilon=0.0) == pytest.approx(advantages(grpo, rewards, epsilon=0.0), abs=1e-9)
