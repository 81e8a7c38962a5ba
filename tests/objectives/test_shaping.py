"""Overlong penalty and dynamic sampling: the numbers of the spec."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.objectives.fx import estimate

from burnish.core.errors import InputError
from burnish.objectives.advantages.grpo import grpo
from burnish.objectives.base import AdvantageBatch
from burnish.objectives.shaping import informative, overlong_penalty

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
