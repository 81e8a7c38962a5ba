"""Parallel-R1's rewards: the tiers, the schedule, and that the two ways of writing accuracy are one."""

from statistics import mean, stdev

import pytest

from burnish.signals.parallel_reward import accuracy_reward, alternating_reward, cold_start_reward, is_tiered, tiered_reward

GOOD = "<Parallel><Path>a</Path><Path>b</Path></Parallel><Summary>s</Summary>"
BAD = "<Parallel><Path>a</Path></Parallel>"


def test_tiers():
    assert [tiered_reward(True, text) for text in ("plain", GOOD, BAD)] == [1.0, 1.2, -1.0]
    assert [tiered_reward(False, text) for text in ("plain", GOOD, BAD)] == [-1.0] * 3
    assert [cold_start_reward(True, text) for text in ("plain", GOOD, BAD)] == [-1.0, 1.0, -1.0]
    assert cold_start_reward(False, GOOD) == -1.0


def test_the_last_two_of_ten_steps_are_tiered():
    assert [step for step in range(1, 21) if is_tiered(step)] == [9, 10, 19, 20]
    assert alternating_reward(8, True, BAD) == 1.0
    assert alternating_reward(9, True, BAD) == -1.0


def test_advantages_do_not_change_with_the_scale_of_the_reward():
    def advantages(rewards):
        return [(reward - mean(rewards)) / stdev(rewards) for reward in rewards]

    correct = [True, False, True, True]
    assert [float(accuracy_reward(is_right)) for is_right in correct] == [1, -1, 1, 1]
    assert advantages([1, 0, 1, 1]) == pytest.approx(advantages([1, -1, 1, 1]))
    population = [(r - 0.75) / (3**0.5 / 4) for r in (1, 0, 1, 1)]
    assert population == pytest.approx([0.577, -1.732, 0.577, 0.577], abs=1e-3)
