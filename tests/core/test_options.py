"""Options as typed: values of the right types, and one message for what cannot be read."""

import pytest

from burnish.core.budget import Budget
from burnish.core.errors import InputError
from burnish.core.options import parse_budget, parse_options


def test_values_have_the_type_that_they_look_like():
    assert parse_options(["rounds=2", "explain=false", "select=rpc", "c=0.5"]) == {"rounds": 2, "explain": False, "select": "rpc", "c": 0.5}
    assert parse_options([]) == {}


@pytest.mark.parametrize("pair", ["rounds", "=2", "two words=1"])
def test_what_is_no_option_is_refused(pair):
    with pytest.raises(InputError, match="name=value"):
        parse_options([pair])


def test_budgets():
    assert parse_budget([]) == Budget()
    assert parse_budget(["tokens=2000", "wall_s=1.5", "verifier_s=3"]) == Budget(tokens=2000, wall_s=1.5, verifier_s=3)


@pytest.mark.parametrize("pair", ["dollars=3", "tokens=0", "tokens=-1", "calls=1.5", "calls=true", "wall_s=soon"])
def test_budgets_that_cannot_be_kept_to_are_refused(pair):
    with pytest.raises(InputError, match="calls, tokens, verifier_s, wall_s"):
        parse_budget([pair])
