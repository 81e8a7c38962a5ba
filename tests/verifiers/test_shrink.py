"""Simpler values keep their type, are really simpler, and there is an end to it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.verifiers._shrink import simpler, simpler_arguments

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.integers(), inner, max_size=3)
        | st.sets(st.integers(), max_size=4)
        | st.frozensets(st.integers(), max_size=4)
    ),
    max_leaves=8,
)


def smallest(value, is_wrong):
    """Take the first simpler value that is still wrong, until there is none."""
    while True:
        found = next((candidate for candidate in simpler(value) if is_wrong(candidate)), None)
        if found is None:
            return value
        value = found


@given(plain)
def test_simpler_values_have_the_type_of_what_they_are_made_from_and_differ(value):
    before = repr(value)
    for candidate in simpler(value):
        assert type(candidate) is type(value)
        assert repr(candidate) != before
    assert repr(value) == before


@given(plain, st.randoms(use_true_random=False))
def test_simplifying_ends_whatever_is_chosen(value, random):
    for _ in range(2000):
        candidates = list(simpler(value))
        if not candidates:
            return
        value = random.choice(candidates)
    pytest.fail(f"still simplifying at {value!r}")


@pytest.mark.parametrize(
    ("value", "is_wrong", "expected"),
    [
        (977, lambda n: n > 5, 6),
        (-977, lambda n: abs(n) > 5, 6),
        (-977, lambda n: n < -5, -6),
        (10**40, lambda n: n > 10**20, 10**20 + 1),
        ([5, 2, 9, 1, 7], lambda xs: sum(xs) > 10, [4, 7]),
        ([3, 1, 2], lambda xs: xs != sorted(xs), [1, 0]),
        (["long text", "more text"], lambda xs: len(xs) == 2, ["", ""]),
        ("Hello, Wörld 42!", lambda text: any(char.isdigit() for char in text), "0"),
        ("Hello, Wörld 42!", lambda text: any(char.isupper() for char in text), "A"),
        ({"a": 3, "b": 4, "c": 5}, lambda d: "b" in d, {"b": 0}),
        ({3, 1, 2}, lambda items: len(items) > 1, {2, 3}),
        ((1.25, -3.5), lambda pair: pair[1:] and pair[1] < 0, (0.0, -1.0)),
        (math.inf, lambda x: x > 100, math.inf),
        (12345.678, lambda x: x > 100, 101.0),
        (True, lambda flag: True, False),
        (b"abc", lambda data: b"b" in data, b"b"),
    ],
)
def test_how_far_values_shrink(value, is_wrong, expected):
    assert smallest(value, is_wrong) == expected


def test_a_call_keeps_its_arguments():
    for args, kwargs in simpler_arguments((3, [1, 2]), {"key": "b"}):
        assert (len(args), list(kwargs)) == (2, ["key"])
    assert list(simpler_arguments((), {})) == []
