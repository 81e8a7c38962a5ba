import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.sandbox.inside.codec import Opaque
from burnish.verifiers import _python_tables as tables
from burnish.verifiers import _python_values as values

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(plain)
def test_everything_is_the_same_as_itself(value):
    assert values.same(value, value)


@given(plain, plain)
def test_sameness_is_symmetric(left, right):
    assert values.same(left, right) == values.same(right, left)


@given(plain)
def test_shown_values_are_bounded_and_storable(value):
    text = values.show(value)
    assert len(text) <= values.SHOWN * 10
    text.encode()


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        ([1], (1,), False),
        ({1, 2}, {2, 1}, True),
        ({1}, frozenset({1}), False),
        ({1: "a", 2: "b"}, {2: "b", 1: "a"}, True),
        ({True: 1}, {1: 1}, False),
        ({(1, True)}, {(1, 1)}, False),
        ({math.nan}, {math.nan}, True),
        (math.nan, math.nan, True),
        (10**400, math.inf, False),
        ("1", 1, False),
        (b"a", "a", False),
        ([[1.0]], [[1]], True),
        (Opaque("t", "text", True), ("t", "text", True), False),
    ],
)
def test_sameness(left, right, expected):
    assert values.same(left, right) is expected


def test_tolerance_is_for_numbers_only():
    assert values.same([0.1 + 0.2], [0.3], 1e-9)
    assert not values.same([0.1 + 0.2], [0.3])
    assert not values.same(True, 1.0, 1.0)
    assert not values.same(10**400, 1.0, 1e-6)


@pytest.mark.parametrize("text", ["", "f(1)", "__import__('os')", "1 +", "[" * 1000, "a", "float(x)"])
def test_what_is_not_a_literal_is_refused(text):
    with pytest.raises(ValueError, match="literal"):
        values.parse(text)


def test_infinities_are_literals():
    assert values.parse("(inf, -inf, float('-inf'))") == (math.inf, -math.inf, -math.inf)
    assert math.isnan(values.parse("nan"))


def test_huge_integers_can_be_shown():
    assert "bits" in values.show([1 << 100_000])


CHECK = (
    "METADATA = {'author': 'x'}\n\ndef check(candidate):\n    'doc'\n    assert True, 'fine'\n"
    "    assert candidate([1], k=2) == [3], 'message'\n    pass\n"
)


def test_straight_checks_are_tables():
    assert tables.of_check_function(CHECK) == [(([1],), {"k": 2}, [3], 0.0, True, "")]
    rows = tables.of_asserts("assert f(1) == 2, str(f(1))\nassert f(-1) == -2.5", "f")
    assert rows == [((1,), {}, 2, 0.0, True, ""), ((-1,), {}, -2.5, 0.0, True, "")]


def test_sums_of_literals_nearness_and_identity_are_tables():
    code = "assert f([1] + [2], 'a' 'b') == (3 * 19, 2 ** 10)\nassert abs(f(1.5) - 2.0 / 4) < 1e-6\nassert f() is None"
    rows = [(([1, 2], "ab"), {}, (57, 1024), 0.0, True, ""), ((1.5,), {}, 0.5, 1e-6, True, ""), ((), {}, None, 0.0, False, "")]
    assert tables.of_asserts(code, "f") == rows


def test_truth_and_values_made_by_built_in_functions_are_tables():
    code = "print\nassert f(1)\nassert not f(2), 'no'\nassert tuple(f([2])) == tuple([1, 2])\nassert sorted(f()) == [1]"
    rows = [((1,), {}, True, 0.0, False, "bool"), ((2,), {}, False, 0.0, False, "bool")]
    rows += [(([2],), {}, (1, 2), 0.0, True, "tuple"), ((), {}, [1], 0.0, True, "sorted")]
    assert tables.of_asserts(code, "f") == rows


def test_loops_over_ranges_are_tables():
    code = "for x in range(2, 4):\n    for y in range(x):\n        assert f(x, x + y) == str(x)"
    rows = [((x, x + y), {}, str(x), 0.0, True, "") for x in range(2, 4) for y in range(x)]
    assert tables.of_asserts(code, "f") == rows


@pytest.mark.parametrize("value", ["2 ** 100000", "'a' * 10 ** 9", "1 / 0", "10 ** 30 * 10 ** 30 * 10 ** 30", "g + 1", "f(2) + 1"])
def test_no_large_constant_is_computed_here(value):
    assert tables.of_asserts(f"assert f(1) == {value}", "f") is None


@pytest.mark.parametrize(
    ("answer", "right"), [(1.0000001, True), (True, True), (1.1, False), ("1", False), (None, False), (10**400, False)]
)
def test_nearness_is_the_asserts_own(answer, right):
    assert values.agrees(answer, 1.0, 1e-3, True) is right


@pytest.mark.parametrize(
    "code",
    [
        "",
        "def check(candidate):\n    assert True",
        "def check(candidate):\n    for x in [1]:\n        assert candidate(x) == 1",
        "def check(candidate):\n    for x in range(2000):\n        assert candidate(x) == 1",
        "def check(candidate):\n    for x in range(40):\n        for y in range(40):\n            assert candidate(x) == y",
        "def check(candidate):\n    for x in range(2):\n        assert candidate(x) == 1\n    assert candidate(x) == 1",
        "def check(candidate):\n    for x in range(2):\n        assert candidate(x) == 1\n    else:\n        pass",
        "def check(candidate):\n    for candidate in range(2):\n        assert candidate(1) == 1",
        "def check(candidate):\n    for range in range(2):\n        for x in range(2):\n            assert candidate(x) == 1",
        "def check(candidate):\n    for tuple in range(2):\n        assert tuple(candidate(1)) == (1,)",
        "def check(candidate):\n    for str in range(2):\n        assert candidate(1) == str(str)",
        "def check(candidate):\n    assert max(candidate(1)) == 2",
        "def check(candidate):\n    assert sorted(candidate(1), reverse=True) == [1]",
        "def check(candidate):\n    assert candidate(g(1)) == 1",
        "def check(candidate):\n    unknown\n    assert candidate(1)",
        "def check(candidate):\n    assert not candidate(1) == 1",
        "def check(candidate):\n    assert candidate(1) == 1 == 1",
        "def check(candidate):\n    assert candidate(1) != 1",
        "def check(candidate):\n    assert other(1) == 1",
        "def check(candidate):\n    assert candidate(*[1]) == 1",
        "def check(candidate):\n    assert candidate(**{'a': 1}) == 1",
        "@wrap\ndef check(candidate):\n    assert candidate(1) == 1",
        "def check(candidate, more=1):\n    assert candidate(1) == 1",
        "def check(candidate):\n    return\n    assert candidate(1) == 1",
        "import os\ndef check(candidate):\n    assert candidate(1) == 1",
        "def check(candidate):\n    assert candidate(1) == 1\ndef check(candidate):\n    pass",
        "def test(candidate):\n    assert candidate(1) == 1",
        "def check(candidate) syntax error",
    ],
)
def test_anything_more_is_not_a_table(code):
    assert tables.of_check_function(code) is None
