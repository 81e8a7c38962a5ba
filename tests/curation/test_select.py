import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.curation._select import check_limits, choose, same_program


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def f(x):\n    return 'a'", 'def f( x ):  # why\n\n    return "a"\n', True),
        ("return = 1", "return = 1   \n\n", True),
        ("return = 1", "return = 2", False),
        ("def f(x):\n    return x", "def f(y):\n    return y", False),
        ("", "\n", True),
        ("'\\d'", '"\\d"', True),
    ],
)
def test_programs_are_the_same_up_to_layout(one, other, same):
    assert (same_program(one) == same_program(other)) is same


def test_hopeless_programs_still_have_a_key():
    for code in ("x = '\x00'", "(" * 5000 + ")" * 5000):
        assert same_program(code)


@given(st.lists(st.integers(0, 30), unique=True), st.integers(1, 10), st.integers(0, 5), st.randoms())
def test_the_choice_is_distinct_bounded_and_does_not_depend_on_the_order(items, limit, seed, random):
    def chosen(of):
        return choose(of, limit, seed=seed, name=str, key=lambda item: str(item % 7))

    result = chosen(items)
    shuffled = list(items)
    random.shuffle(shuffled)
    assert chosen(shuffled) == result
    assert len({item % 7 for item in result}) == len(result) == min(limit, len({item % 7 for item in items}))
    assert set(result) <= set(items)


def test_the_seed_makes_the_choice():
    chosen = {tuple(choose(range(20), 3, seed=seed, name=str, key=str)) for seed in range(10)}
    assert len(chosen) > 5


def test_limits_must_let_something_through():
    check_limits(per_task=1)
    with pytest.raises(InputError, match="per_task is 0"):
        check_limits(per_task=0)
