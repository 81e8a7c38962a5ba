"""The numbers that tell sampler and trainer apart, by hand."""

from __future__ import annotations

import math

import pytest

from burnish.models._mismatch import compare


def test_two_sequences_by_hand() -> None:
    """d = (ln 3, -ln 3) and (0, unknown, -ln 3): ratios 3, 1/3, 1, 1/3; sequences 1 and 1/3."""
    found = compare([[-2.0, -1.0], [-0.5, None, -1.0]], [[-2.0 + math.log(3), -1.0 - math.log(3)], [-0.5, -9.0, -1.0 - math.log(3)]])
    assert (found.tokens, found.unknown) == (4, 1)
    assert found.mean == pytest.approx(3 * math.log(3) / 4)
    assert found.maximum == pytest.approx(math.log(3))
    assert found.k1 == pytest.approx(math.log(3) / 4)
    assert found.k3 == pytest.approx((3 + 1 / 3 + 1 + 1 / 3 - 4 + math.log(3)) / 4)
    assert found.outside == 0.75
    assert found.ess == pytest.approx((4 / 3) ** 2 / (2 * 10 / 9))  # 0.8
    assert found.token_ess == pytest.approx((14 / 3) ** 2 / (4 * (9 + 1 / 9 + 1 + 1 / 9)))


def test_agreement() -> None:
    found = compare([[-1.0, -2.0], [-3.0]], [[-1.0, -2.0], [-3.0]])
    assert (found.mean, found.maximum, found.k1, found.k3, found.outside) == (0.0,) * 5
    assert (found.ess, found.token_ess) == (1.0, 1.0)


def test_effective_sequences_fall_with_length() -> None:
    """The same small noise per token weighs more, the more tokens multiply."""
    noise = [[0.1 * math.sin(7 * place + 3 * row) + 0.05 * math.cos(row) for place in range(64)] for row in range(32)]
    shares = [compare([[0.0] * size] * 32, [row[:size] for row in noise]).ess for size in (8, 16, 32, 64)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[0] < 1


@pytest.mark.parametrize("recorded", [[], [[]], [[None, None]]])
def test_nothing_known(recorded) -> None:
    found = compare(recorded, [[-1.0] * len(row) for row in recorded])
    assert found.tokens == 0
    assert found.unknown == sum(map(len, recorded))
    assert math.isnan(found.mean)
    assert math.isnan(found.ess)


def test_absurd_gaps_stay_finite() -> None:
    found = compare([[-1000.0, 0.0]], [[0.0, -1000.0]])
    assert found.maximum == 1000.0
    assert all(map(math.isfinite, (found.k3, found.ess, found.token_ess)))
