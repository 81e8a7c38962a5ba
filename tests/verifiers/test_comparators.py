"""Outputs are compared as the check says, and a difference is named with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.sandbox.jobs import Bounds
from burnish.sandbox.pool import Sandbox
from burnish.verifiers._comparators import COMPARATORS, Comparator, compare, read

DIRECT = [name for name in COMPARATORS if name != "checker"]


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(workers=1)
    yield sandbox
    sandbox.close()


def judge(name, expected, actual, **more):
    return compare(Comparator(name, **more), "", expected, actual, None)


@pytest.mark.parametrize(
    ("expected", "actual", "accepted_by"),
    [
        ("1 2\n", "1 2\n", {"exact", "lines", "tokens", "numeric", "yes_no"}),
        ("1 2\n", "1 2", {"lines", "tokens", "numeric", "yes_no"}),
        ("1 2\n3", "1 2  \r\n3\n\n \n", {"lines", "tokens", "numeric", "yes_no"}),
        ("1 2\n", "1\n2\n", {"tokens", "numeric", "yes_no"}),
        ("1 2\n", "1 3\n", set()),
        ("1 2\n", "1\n", set()),
        ("1\n", "1 2\n", set()),
        ("", "", {"exact", "lines", "tokens", "numeric", "yes_no"}),
        ("", " \n", {"lines", "tokens", "numeric", "yes_no"}),
        (" 1", "1", {"tokens", "numeric", "yes_no"}),
        ("YES\nno", "yes\nNo\n", {"yes_no"}),
        ("yes", "yes\u017f", set()),
        ("kelvin", "\u212aelvin", set()),
        ("1", "1.0", {"numeric"}),
        ("0.3333333333", "0.33333", set()),
        ("0.3333333333", "0.3333333", {"numeric"}),
        ("1e9", "1000000000", {"numeric"}),
        ("1000000007", "1000000008", set()),
        ("1000000007.0", "1000000008", {"numeric"}),
        ("-0", "0", {"numeric"}),
        ("007", "7", {"numeric"}),
        ("nan", "NaN", {"numeric", "yes_no"}),
        ("inf", "+Infinity", {"numeric"}),
        ("inf", "-inf", set()),
        ("inf", "1e308", set()),
        ("nan", "0", set()),
        ("0", "1e-999999999", {"numeric"}),
        ("inf", "1e999999999", set()),
        ("1e999999999", "1e999999998", set()),
        ("10", "1_0", set()),
        ("1", "\uff11", set()),
        ("1", "0x1", set()),
        ("x", "X1", set()),
    ],
)
def test_what_each_comparator_accepts(expected, actual, accepted_by):
    assert {name for name in DIRECT if judge(name, expected, actual).outcome == "pass"} == accepted_by


def test_the_tolerance_is_relative_and_absolute():
    assert judge("numeric", "1000.0", "1009", tolerance=0.01).outcome == "pass"
    assert judge("numeric", "1000.0", "1011", tolerance=0.01).outcome == "fail"
    assert judge("numeric", "0.0", "0.009", tolerance=0.01).outcome == "pass"
    assert judge("numeric", "0.5", "0.5000001", tolerance=0.0).outcome == "fail"


@pytest.mark.parametrize(
    ("name", "expected", "actual", "message"),
    [
        ("tokens", "1 2\n3 4", "1 2\n3 5", "token 4 (line 2 of the output): expected '4', found '5'"),
        ("tokens", "1 2 3", "1\n2\n", "the output ends before token 3: expected '3'"),
        ("tokens", "1", "1\n\n2", "token 2 (line 3 of the output): expected the end of the output, found '2'"),
        ("numeric", "1.0 2", "1 2.5", "token 2 (line 1 of the output): expected '2', found '2.5'"),
        ("lines", "a b\nc", "a b \nd\n", "line 2: expected 'c', found 'd'"),
        ("exact", "42", "42\n", "line 1: expected '42', found '42\\n'"),
        ("exact", "a\nb\n", "a\n", "the output ends before line 2: expected 'b\\n'"),
        ("exact", "ab", "a\u200bb", "line 1: expected 'ab', found 'a\\u200bb'"),
    ],
)
def test_a_difference_is_named_with_its_place(name, expected, actual, message):
    assert judge(name, expected, actual).message == message


def test_long_pieces_are_shown_around_the_difference():
    message = judge("tokens", "x" * 5000 + "a" + "y" * 5000, "x" * 5000 + "b" + "y" * 5000).message
    assert "xxay" in message
    assert "xxby" in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("1" * 10_000_000, "1" * 9_999_999 + "2"),
        ("1e" + "9" * 10_000_000, "2e" + "9" * 10_000_000),
        ("1." + "3" * 10_000_000, "1." + "3" * 9_999_999),
        ("1", "1e999999999"),
        ("1", "-1e" + "9" * 390),
        ("1 " * 500_000, "1.0 " * 499_999),
        ("\n" * 1_000_000 + "1", "\n" * 1_000_000 + "2"),
    ],
)
def test_hostile_output_is_refused_like_any_other(expected, actual):
    for name in DIRECT:
        verdict = judge(name, expected, actual)
        assert verdict.outcome == "fail"
        assert len(verdict.message) < 400


@given(st.sampled_from(DIRECT), st.text(max_size=30), st.text(max_size=30))
def test_equal_outputs_pass_and_a_failure_says_why(name, left, right):
    assert judge(name, left, left).outcome == "pass"
    verdict = judge(name, left, right)
    assert (verdict.outcome == "pass") == (verdict.message == "")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"comparator": "fuzzy"}, "Known: checker, exact"),
        ({"comparator": "checker"}, "missing"),
        ({"checker": "x"}, "missing"),
        ({"comparator": "checker", "checker": 1}, "source"),
        ({"tolerance": 1e-3}, "numeric"),
        ({"comparator": "numeric", "tolerance": float("inf")}, "finite"),
        ({"comparator": "numeric", "tolerance": "1"}, "finite"),
        ({"comparator": "numeric", "tolerance": True}, "finite"),
    ],
)
def test_malformed_comparators_are_refused(data, words):
    with pytest.raises(ValueError, match=words):
        read(data)


PERMUTATION = (
    "def check(stdin, expected, actual):\n"
    "    found = sorted(actual.split())\n"
    "    return found == sorted(expected.split()), f'{found} is no permutation of {stdin.strip()}'\n"
)


def checked(sandbox, source, actual="2 1"):
    return compare(Comparator("checker", checker=source), "1 2\n", "1 2", actual, sandbox)


def test_a_checker_program_decides(sandbox):
    assert checked(sandbox, PERMUTATION).outcome == "pass"
    verdict = checked(sandbox, PERMUTATION, "2 2")
    assert verdict.outcome == "fail"
    assert verdict.message == "the checker rejects the output: ['2', '2'] is no permutation of 1 2"
    assert checked(sandbox, "def check(stdin, expected, actual):\n    return actual == stdin").outcome == "fail"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def check(stdin, expected, actual):\n    return int(actual) > 0", "ValueError"),
        ("def check(stdin, expected, actual):\n    return 1", "neither"),
        ("def check(stdin, expected, actual):\n    return True, 2", "neither"),
        ("def check(stdin, expected, actual):\n    return type('X', (), {'__eq__': lambda a, b: True})()", "neither"),
        ("def check(stdin, expected, actual):\n    import os; os._exit(0)", "limit"),
        ("def check(stdin, expected, actual):\n    raise SystemExit(0)", "SystemExit"),
        ("def check(a):\n    return True", "TypeError"),
        ("def check(", "not a Python program"),
        ("1 / 0", "ZeroDivisionError"),
        ("def judge(stdin, expected, actual):\n    return True", "defines no function"),
        ("def check(stdin, expected, actual):\n    return bytearray(1 << 33)", "MemoryError"),
        ("def check(stdin, expected, actual):\n    raise ValueError('\\u202e\\u200b')", "\\\\u202e\\\\u200b"),
    ],
)
def test_a_broken_checker_is_an_error_and_never_a_failure(sandbox, source, words):
    verdict = checked(sandbox, source)
    assert verdict.outcome == "error"
    assert words.replace("\\\\", "\\") in verdict.message


def test_a_checker_that_never_ends_is_an_error(sandbox, monkeypatch):
    monkeypatch.setattr("burnish.verifiers._comparators.CHECKER_BOUNDS", Bounds(wall_s=0.3))
    assert checked(sandbox, "def check(stdin, expected, actual):\n    while True: pass").outcome == "error"
