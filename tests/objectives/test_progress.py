"""Progress of reasoning (MRT): the numbers of the objectives spec, section 2."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.plugins import find
from burnish.objectives.base import AdvantageBatch
from burnish.objectives.progress import progress, regret, with_progress

SUCCESS = torch.tensor([0.10, 0.25, 0.25, 0.60, 0.55], dtype=torch.float64)
BEST = torch.tensor([0.10, 0.40, 0.70, 0.90, 1.0], dtype=torch.float64)


def test_progress_telescopes() -> None:
    got = progress(SUCCESS)
    assert got.tolist() == pytest.approx([0.15, 0, 0.35, -0.05], abs=1e-12)
    assert got.sum().item() == pytest.approx(0.45)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_progress_sums_to_the_whole_rise(chances) -> None:
    got = progress(torch.tensor(chances, dtype=torch.float64))
    assert len(got) == len(chances) - 1
    assert got.sum().item() == pytest.approx(chances[-1] - chances[0], abs=1e-12)


def test_regret() -> None:
    assert regret(SUCCESS, BEST).item() == pytest.approx(1.35)
    assert regret(SUCCESS, BEST, mean=True).item() == pytest.approx(0.27)
    assert regret(BEST, BEST).item() == 0


def test_reward_with_progress_and_its_advantages() -> None:
    outcome = torch.tensor([1, 0, 1, 0], dtype=torch.float64)
    before, after = torch.full((4,), 0.5).double(), torch.tensor([0.75, 0.25, 0.5, 0.25], dtype=torch.float64)
    reward = with_progress(outcome, before, after, 0.5)
    assert reward.tolist() == [1.125, -0.125, 1.0, -0.125]
    grpo = find("advantage", "grpo")
    got = grpo.function(AdvantageBatch(reward=reward, group=torch.zeros(4, dtype=torch.int64)), grpo.options({}))
    assert got.tolist() == pytest.approx([0.9545440661, -0.8636351074, 0.7727261488, -0.8636351074], rel=0, abs=2e-6)


def test_unscored_outcomes_stay_unscored() -> None:
    got = with_progress(torch.tensor([torch.nan, 1.0]), torch.zeros(2), torch.ones(2), 0.2)
    assert got.isnan().tolist() == [True, False]
