"""CodeBLEU: its parts by hand, its laws, and what it cannot tell."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.signals.code_bleu import code_bleu, mean_code_bleu
from burnish.signals.ledex import code_reward

RIGHT = "def total(prices):\n    result = 0\n    for price in prices:\n        result += price\n    return result\n"
COPY = RIGHT.replace("+=", "-=")
OTHER = "def total(prices):\n    return sum(prices)\n"


def test_n_grams_by_hand():
    """Tokens a = b + 1 against a = b - 1: 4 of 5, 2 of 4, 1 of 3, and 0 of 2 smoothed to 0.1 of 2. No keyword: weights cancel."""
    found = code_bleu("a = b + 1", "a = b - 1")
    assert found.ngram == pytest.approx((4 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** (1 / 4))
    assert found.weighted_ngram == pytest.approx(found.ngram)


def test_keywords_weigh_five_times_as_much():
    """Reference return a: the keyword is 1 of 1.2. Candidate: return b."""
    assert code_bleu("return b", "return a").weighted_ngram == pytest.approx(math.sqrt(1 / 1.2 * 0.1 / 1))
    assert code_bleu("yield a", "return a").weighted_ngram == pytest.approx(math.sqrt(0.2 / 1.2 * 0.1 / 1))


def test_short_candidates_are_penalised():
    assert code_bleu("a = b", "a = b + 1").ngram == pytest.approx(math.exp(1 - 5 / 3))


def test_subtrees_and_flow_by_hand():
    """Inner nodes of the reference: Module, FunctionDef, arguments, Return, BinOp; only arguments is in the candidate."""
    found = code_bleu("def f(a):\n    return a - 1", "def f(x):\n    return x + 1")
    assert found.syntax == pytest.approx(1 / 5)
    assert found.data_flow == 1
    assert code_bleu("def f(a, b):\n    return b", "def f(a, b):\n    c = a\n    return c + b").data_flow == pytest.approx(1 / 4)


@given(st.sampled_from([RIGHT, COPY, OTHER, "x", "pass", "return", "def f(a): return a"]))
def test_a_program_is_like_itself(program):
    assert code_bleu(program, program).score == pytest.approx(1)


@given(st.text(max_size=80))
def test_every_part_is_from_0_to_1(candidate):
    found = code_bleu(candidate, RIGHT)
    assert all(0 <= part <= 1 + 1e-9 for part in (*found, found.score))


def test_names_layout_and_comments_aside():
    assert code_bleu(RIGHT.replace("    ", "  ") + "# a comment", RIGHT).score == pytest.approx(1)
    renamed = code_bleu(RIGHT.replace("result", "sum_so_far"), RIGHT)
    assert (renamed.syntax, renamed.data_flow) == (1, 1)
    assert renamed.ngram < 1


@pytest.mark.parametrize("broken", ["", "def total(prices:", "I cannot do this."])
def test_what_does_not_parse_has_no_structure(broken):
    found = code_bleu(broken, RIGHT)
    assert found.syntax == found.data_flow == 0
    assert code_bleu("", RIGHT).score == 0


def test_a_reference_without_data_flow_counts_that_part_as_1():
    assert code_bleu("x", "pass").data_flow == 1


def test_the_mean_over_references():
    both = [code_bleu(OTHER, RIGHT).score, code_bleu(OTHER, OTHER).score]
    assert mean_code_bleu(OTHER, [RIGHT, OTHER]) == pytest.approx(sum(both) / 2)
    with pytest.raises(InputError, match="no reference"):
        mean_code_bleu(OTHER, [])
    with pytest.raises(InputError, match="The reference program is no Python"):
        code_bleu(OTHER, "def total(")


def test_canary_a_copy_with_one_wrong_operator_is_nearer_than_a_right_program_of_another_form():
    near, far = code_bleu(COPY, RIGHT).score, code_bleu(OTHER, RIGHT).score
    assert near > 0.75 > 0.5 > far
    assert code_reward(near, 0.0) < 0 < code_reward(far, 1.0)  # fails all tests: being near never pays more than being right
    assert code_reward(near, 0.75) > code_reward(far, 1.0)  # fails some: by the paper's formula it does
    assert code_reward(near, 0.75, guarded=True) <= 0 < code_reward(far, 1.0, guarded=True)


def test_canary_many_right_lines_around_a_wrong_one():
    """Stuffing the candidate with whatever a reference might hold raises only recalls, and lowers the precision."""
    stuffed = RIGHT + "\n" + RIGHT.replace("total", "total2") + OTHER.replace("total", "total3")
    found = code_bleu(stuffed, RIGHT)
    assert found.syntax > 0.8
    assert found.ngram < 0.5
    assert code_reward(found.score, 0.0) < 0
