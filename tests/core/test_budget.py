"""Budgets are enforced before anything is spent."""

import pytest

from burnish.core.budget import Budget, Meter
from burnish.core.errors import BudgetExceeded
from burnish.core.records import Cost


def test_no_limits_never_refuses():
    meter = Meter(Budget())
    assert meter.before_call(256) == 256
    meter.before_verify()


def test_calls_are_counted():
    meter = Meter(Budget(calls=1))
    meter.before_call(10)
    with pytest.raises(BudgetExceeded, match="1 model calls"):
        meter.before_call(10)


def test_concurrent_calls_cannot_overdraw_the_token_budget():
    meter = Meter(Budget(tokens=100))
    assert meter.before_call(80) == 80
    assert meter.before_call(80) == 20  # only what is not reserved
    with pytest.raises(BudgetExceeded, match="100 sampled tokens"):
        meter.before_call(80)
    meter.after_call(80, Cost(tokens_out=30))
    assert meter.before_call(80) == 50


def test_verifier_seconds_are_counted():
    meter = Meter(Budget(verifier_s=0.5))
    meter.before_verify()
    meter.after_verify(Cost(wall_s=0.6))
    with pytest.raises(BudgetExceeded, match="0.5 verifier seconds"):
        meter.before_verify()


def test_wall_time_stops_both():
    meter = Meter(Budget(wall_s=0.0))
    with pytest.raises(BudgetExceeded):
        meter.before_call(1)
    with pytest.raises(BudgetExceeded):
        meter.before_verify()
