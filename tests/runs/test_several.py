"""Options shared out among strategies: each gets those that it has."""

import pytest

from burnish.core.errors import InputError, UnknownName
from burnish.runs.several import shared_options


def test_each_strategy_gets_the_options_that_it_has():
    found = shared_options(["sample", "best_of_n", "self_debug"], {"n": 4, "rounds": 2})
    assert found == {"sample": {}, "best_of_n": {"n": 4}, "self_debug": {"rounds": 2}}


def test_an_option_of_none_is_refused_with_a_list_of_those_that_there_are():
    with pytest.raises(InputError, match="'turns'.*sample: none; self_debug: rounds, draws, explain"):
        shared_options(["sample", "self_debug"], {"turns": 1})


@pytest.mark.parametrize("names", [[], ["sample", "sample"]])
def test_every_strategy_is_named_once(names):
    with pytest.raises(InputError, match="once"):
        shared_options(names, {})


def test_unknown_strategies_are_refused():
    with pytest.raises(UnknownName, match="self_debug"):
        shared_options(["sample", "nope"], {})
