"""Overlong penalty, dynamic sampling, progress and regret: the numbers of the spec."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.objectives.fx import estimate

from burnish.core.errors import InputError
from burnish.objectives.advantages.grpo import grpo
from burnish.objectives.base import AdvantageBatch
from burnish.objectives.shaping import cumulative_regret, informative, overlong_penalty, progress, progress_reward

NAN = float("nan")


def doubles(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_overlong_penalty() -> None:
    assert overlong_penalty(doubles(10, 16, 17, 18, 20), limit=20, buffer=4).tolist() == [0, 0, -0.25, -0.5, -1]
    assert overlong_penalty(doubles(18), limit=20, buffer=4, factor=0.1).tolist() == pytest.approx([-0.05])


@pytest.mark.parametrize("buffer", [0, -1, 21])
def test_a_buffer_must_fit_the_limit(buffer) -> None:
    with pytest.raises(InputError, match=f"buffer is {buffer} tokens of a limit of 20"):
        overlong_penalty(doubles(10), limit=20, buffer=buffer)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8))
def test_a_longer_answer_is_never_penalised_less(lengths) -> None:
    penalty = overlong_penalty(torch.tensor(sorted(lengths)).double(), limit=20, buffer=4)
    assert (penalty.diff() <= 0).all()
    assert (penalty <= 0).all()


@pytest.mark.parametrize(
    ("rewards", "keep"),
    [
        ((1, 1, 1, 1), [False] * 4),
        ((0, 0, 0, 0), [False] * 4),
        ((1, 0, 0, 1), [True] * 4),
        ((1, NAN, 0, NAN), [True, False, True, False]),
        ((1, NAN, NAN, NAN), [False] * 4),
        ((0.1, 0.1, 0.1, NAN), [False] * 4),
    ],
)
def test_dynamic_sampling(rewards, keep) -> None:
    group = torch.zeros(4, dtype=torch.int64)
    assert informative(doubles(*rewards), group).tolist() == keep
    alive = estimate(grpo, AdvantageBatch(reward=doubles(*rewards), group=group)) != 0
    assert (alive <= torch.tensor(keep)).all()


def test_groups_are_kept_one_by_one() -> None:
    assert informative(doubles(1, 1, 0, 1), torch.tensor([0, 0, 1, 1])).tolist() == [False, False, True, True]


def test_mrt_progress_and_regret() -> None:
    success = doubles(0.10, 0.25, 0.25, 0.60, 0.55)
    assert progress(success).tolist() == pytest.approx([0.15, 0, 0.35, -0.05])
    assert progress(success).sum().item() == pytest.approx(0.45)
    regret = cumulative_regret(success, doubles(0.10, 0.40, 0.70, 0.90, 1.0)).item()
    assert regret == pytest.approx(1.35)
    assert regret / len(success) == pytest.approx(0.27)


def test_mrt_reward_and_its_advantage() -> None:
    reward = progress_reward(doubles(1, 0, 1, 0), torch.full((4,), 0.5).double(), doubles(0.75, 0.25, 0.5, 0.25), alpha=0.5)
    assert reward.tolist() == pytest.approx([1.125, -0.125, 1.0, -0.125])
    got = estimate(grpo, AdvantageBatch(reward=reward, group=torch.zeros(4, dtype=torch.int64)))
    assert got.tolist() == pytest.approx([0.9545440661, -0.8636351074, 0.7727261488, -0.8636351074], rel=0, abs=1e-9)
