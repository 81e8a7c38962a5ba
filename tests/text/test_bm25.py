"""BM25: the formula by hand, rare words, and the program that shares most words with another."""

import math

import pytest

from burnish.text.bm25 import scores


def test_by_hand():
    """Two texts of 2 and 4 words; `x` is in both, `y` in the second only, twice."""
    both, rare = math.log(1 + 0.5 / 2.5), math.log(1 + 1.5 / 1.5)
    short, long = 1.5 * (0.25 + 0.75 * 2 / 3), 1.5 * (0.25 + 0.75 * 4 / 3)
    found = scores("x y", ["x a", "x y y a"])
    assert found == pytest.approx([both * 2.5 / (1 + short), both * 2.5 / (1 + long) + rare * 2 * 2.5 / (2 + long)])


def test_the_right_program_that_shares_most_words_wins():
    wrong = "def total(numbers):\n    result = 1\n    for number in numbers:\n        result += number\n    return result"
    right = [
        "def total(numbers):\n    return sum(numbers)",
        "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return result",
    ]
    found = scores(wrong, right)
    assert found[1] > found[0] > 0


@pytest.mark.parametrize(("query", "texts", "expected"), [("", ["a"], [0.0]), ("a", [], []), ("a", [""], [0.0]), ("+ -", ["+ -"], [0.0])])
def test_edges(query, texts, expected):
    assert scores(query, texts) == expected
