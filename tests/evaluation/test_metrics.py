import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.evaluation.metrics import (
    Interval,
    bootstrap_interval,
    mean_pass_at_k,
    paired_interval,
    pass_at_k,
    ratio_interval,
    wilson_interval,
)


def test_the_example_of_ledex():
    """n=10, c=3, then 2 of the 7 failures are refined."""
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3, abs=1e-12)
    assert pass_at_k(10, 5, 1) == pytest.approx(0.5, abs=1e-12)
    assert pass_at_k(10, 3, 5) == pytest.approx(0.9167, abs=5e-5)
    assert pass_at_k(10, 5, 5) == pytest.approx(0.99603, abs=5e-6)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_it_is_the_share_of_subsets_with_a_pass(case):
    n, c, k = case
    subsets = list(combinations(range(n), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(min(subset) < c for subset in subsets) / len(subsets), abs=1e-12)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_it_equals_exact_integer_arithmetic(case):
    n, c, k = case
    exact = 1 - math.comb(n - c, k) / math.comb(n, k) if math.comb(n, k) < 1e300 else None
    value = pass_at_k(n, c, k)
    assert 0.0 <= value <= 1.0
    assert exact is None or value == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [(1, 0, 1, 0.0), (1, 1, 1, 1.0), (10, 10, 10, 1.0), (10**7, 1, 10, 1e-6), (10**7, 10**7 // 2, 10**6, 1.0), (10**15, 1, 1, 1e-15)],
)
def test_large_counts_are_exact_and_fast(n, c, k, expected):
    assert pass_at_k(n, c, k) == pytest.approx(expected, rel=1e-9)


def test_no_pass_is_plain_zero():
    assert math.copysign(1, pass_at_k(10, 0, 3)) == 1


@pytest.mark.parametrize(("n", "c", "k"), [(0, 0, 1), (3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_undefined_counts_are_refused(n, c, k):
    with pytest.raises(InputError, match=f"pass@{k} of {n} samples with {c} passing"):
        pass_at_k(n, c, k)


def test_tasks_count_alike_however_many_samples_they_have():
    assert mean_pass_at_k([(100, 100), (1, 0)], 1) == 0.5
    with pytest.raises(InputError, match="no tasks"):
        mean_pass_at_k([], 1)


def test_bootstrap_intervals_are_seeded_hold_the_mean_and_have_no_width_without_variance():
    values = list(np.random.default_rng(0).random(40))
    first, again, other = (bootstrap_interval(values, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first.value == pytest.approx(np.mean(values))
    assert first.low < first.value < first.high
    for constant in ([0.25], [0.25] * 7):
        interval = bootstrap_interval(constant)
        assert (interval.value, interval.low, interval.high) == (0.25, 0.25, 0.25)
    with pytest.raises(InputError, match="no tasks"):
        bootstrap_interval([])


def test_bootstrap_width_is_that_of_the_normal_approximation():
    """100 tasks, half of them solved: 1.96 * sqrt(.25 / 100) = .098 on either side."""
    interval = bootstrap_interval([0.0, 1.0] * 50)
    assert interval.low == pytest.approx(0.402, abs=0.012)
    assert interval.high == pytest.approx(0.598, abs=0.012)
    narrower = bootstrap_interval([0.0, 1.0] * 50, level=0.5)
    assert interval.low < narrower.low < narrower.high < interval.high


def test_blocks_of_resamples_do_not_change_the_mean():
    interval = bootstrap_interval([0.0, 1.0] * 2000, resamples=1500)
    assert interval.low == pytest.approx(0.4845, abs=0.003)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_pairing_removes_the_differences_between_tasks(values):
    gain = paired_interval(values, [value + 0.125 for value in values], resamples=100)
    assert [gain.value, gain.low, gain.high] == pytest.approx([0.125] * 3)


def test_pairs_must_match():
    with pytest.raises(InputError, match="1 and 2 values"):
        paired_interval([1.0], [1.0, 2.0])


def test_wilson_intervals():
    """5 of 10: the textbook interval is .2366 to .7634; at the edges it stays inside 0 to 1 and keeps a width."""
    half = wilson_interval(5, 10)
    assert [half.value, half.low, half.high] == pytest.approx([0.5, 0.236593, 0.763407], abs=1e-6)
    none, every = wilson_interval(0, 10), wilson_interval(10, 10)
    assert (none.low, none.high) == (0.0, pytest.approx(0.277533, abs=1e-6))
    assert (every.low, every.high) == (pytest.approx(0.722467, abs=1e-6), 1.0)
    for successes, trials in [(0, 0), (2, 1), (-1, 3)]:
        with pytest.raises(InputError, match="have no share"):
            wilson_interval(successes, trials)


def test_a_ratio_resamples_tasks_and_not_samples():
    """2 of 7 in two tasks: 2 of 3 and 0 of 4. A resample holds one of them twice, or both."""
    found = ratio_interval([2, 0], [3, 4])
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 7), 0.0, pytest.approx(2 / 3))
    assert ratio_interval([1, 1], [2, 2]) == Interval(value=0.5, low=0.5, high=0.5)
    assert ratio_interval([1, 0], [2, 0], resamples=50).value == 0.5  # a resample without failures has no rate


@pytest.mark.parametrize(("parts", "wholes"), [([], []), ([1], [1, 2]), ([0], [0])])
def test_nothing_to_divide_by_is_refused(parts, wholes):
    with pytest.raises(InputError, match="have no share"):
        ratio_interval(parts, wholes)
