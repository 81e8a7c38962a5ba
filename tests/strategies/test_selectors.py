"""Selectors: the papers' numbers, ties, and the rule that no verified answer is dropped."""

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnish.core import plugins
from burnish.core.records import Attempt, Check, TokenRecord, Verdict
from burnish.strategies.selectors._weibull import fit
from burnish.strategies.selectors.agreement import agreement, consensus_score
from burnish.strategies.selectors.base import Candidate, choose, classes, masses
from burnish.strategies.selectors.consensus import consensus
from burnish.strategies.selectors.majority import majority
from burnish.strategies.selectors.probability_mass import probability_mass
from burnish.strategies.selectors.reranker import reranker
from burnish.strategies.selectors.rpc import kept_paths, rpc

PROBABILITIES = [0.82, 0.80, 0.78, 0.76, 0.75, 0.45, 0.43, 0.42, 0.40, 0.38]
ANSWERS = "AABABCCCCC"
RNG = random.Random(0)


def candidate(index, answer="", p=1.0, text=None, outcomes="", passed=(), score=0.0, code=None):
    """A candidate that answers `answer`; `outcomes` are those of its visible checks, p(ass) or f(ail)."""
    attempt = Attempt(
        id=f"e/{index}",
        task_id="t",
        op="sample",
        messages=(),
        text=f"path {index}" if text is None else text,
        artefacts={"code": code or f"x = {index}"},
        tokens=TokenRecord(ids=(1, 2), sampled=((0, 2),), logprobs=(math.log(p),) * 2),
    )
    checks = [Check(id=f"{n}", kind="call", outcome={"p": "pass", "f": "fail"}[o]) for n, o in enumerate(outcomes)]
    return Candidate(
        attempt=attempt,
        verdict=Verdict.of(checks) if checks else None,
        behaviour=(answer,) if answer else (),
        passed=frozenset(passed),
        score=score,
    )


def paths(answers=ANSWERS, probabilities=PROBABILITIES):
    return [candidate(index, answer, p) for index, (answer, p) in enumerate(zip(answers, probabilities, strict=True))]


def test_majority_counts_paths():
    choice = majority(paths(), RNG)
    assert ANSWERS[choice.index] == "C"
    assert choice.confidence == pytest.approx(0.5)  # 5, 3, 2


def test_probability_mass_without_pruning():
    groups = classes(paths())
    assert dict(zip("ABC", masses(paths(), groups), strict=True)) == pytest.approx({"A": 2.38, "B": 1.53, "C": 2.08})
    assert ANSWERS[probability_mass(paths(), RNG).index] == "A"


def test_the_fit_of_rpc():
    mixture = fit(PROBABILITIES)
    assert mixture.nll <= -15.56
    assert mixture.nll == pytest.approx(-15.5632, abs=1e-4)
    assert mixture.share == pytest.approx(0.5, abs=1e-3)
    assert mixture.shapes == pytest.approx((33.05, 19.81), abs=0.01)
    assert mixture.scales == pytest.approx((0.7946, 0.4273), abs=1e-4)
    assert [round(mixture.p_high(p)) for p in PROBABILITIES] == [1] * 5 + [0] * 5


def test_rpc_prunes_the_low_five_and_answers_a():
    assert kept_paths(PROBABILITIES) == [0, 1, 2, 3, 4]
    choice = rpc(paths(), RNG)
    assert ANSWERS[choice.index] == "A"
    assert choice.confidence == pytest.approx(0.6087, abs=1e-4)


def test_rpc_with_equal_probabilities_is_self_consistency_over_distinct_texts():
    same = [candidate(index, answer, 0.3, text=text) for index, (answer, text) in enumerate(["Aa", "Aa", "Aa", "Bb", "Bc"])]
    assert kept_paths([0.3] * 5) == [0, 1, 2, 3, 4]
    assert majority(same, RNG).index == 0
    assert rpc(same, RNG).index == 3  # three identical texts of A count once


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12))
@example([1.0, 0.5, 0.53125, 0.15625, 0.103515625, 0.0001])  # a step of the search once went to an infinite scale
def test_pruning_always_leaves_the_most_probable_path(probabilities):
    kept = kept_paths(probabilities)
    assert probabilities.index(max(probabilities)) in kept
    mean = sum(probabilities) / len(probabilities)
    assert all(index in kept for index, p in enumerate(probabilities) if p >= mean)


def test_tied_masses_are_decided_by_chance_and_the_same_seed_decides_the_same():
    tied = paths("AB", [0.5, 0.5])
    chosen = {probability_mass(tied, random.Random(seed)).index for seed in range(20)}
    assert chosen == {0, 1}
    assert len({probability_mass(tied, random.Random(7)).index for _ in range(5)}) == 1


def test_what_cannot_be_run_has_no_vote_unless_nothing_can():
    broken = [candidate(0, text="x"), candidate(1, text="x"), candidate(2, "A")]
    assert majority(broken, RNG).index == 2
    assert majority([*broken[:2], candidate(2, text="y")], RNG).index == 0


def test_reranker_takes_the_highest_score_and_the_first_of_equals():
    assert reranker([candidate(0, score=0.1), candidate(1, score=0.9), candidate(2, score=0.9)], RNG).index == 1


@pytest.mark.parametrize(("programs", "tests", "score"), [(5, 2, 20), (2, 3, 18), (50, 0, 0)])
def test_group_scores_of_swe_rl(programs, tests, score):
    assert consensus_score(programs, tests, 2) == score


def test_consensus_prefers_agreement_of_many_on_tests():
    many = [candidate(index, passed=(0, 1)) for index in range(5)]
    few = [candidate(index, passed=(0, 1, 2)) for index in range(5, 7)]
    none = [candidate(index) for index in range(7, 57)]
    choice = consensus([*none, *few, *many], RNG)
    assert choice.index == 52  # the first of the many
    assert choice.confidence == pytest.approx(20 / 38)
    assert agreement([*few, *many, *none], RNG).index == 2  # CodeT: 10 beats 6


def test_consensus_keeps_only_those_with_the_fewest_failed_visible_checks():
    pool = [
        candidate(0, outcomes="ff", passed=(0, 1, 2)),
        candidate(1, outcomes="pf", passed=(0,)),
        candidate(2, outcomes="fp", passed=(0, 1)),
    ]
    assert consensus(pool, RNG).index == 2


def test_consensus_ends_with_the_program_written_most_often_whatever_its_layout():
    pool = [
        candidate(0, code="def f(a):\n    return a + 1"),
        candidate(1, code="def f(a):\n    # more\n    return a+2"),
        candidate(2, code="def f(a):\n    'Text.'\n    return a + 2"),
    ]
    assert consensus(pool, RNG).index == 1


ALL = plugins.names("selector")


def test_the_family_is_found_by_name():
    assert ALL == ["agreement", "consensus", "first_pass", "majority", "probability_mass", "reranker", "rpc", "weighted_vote"]
    assert "selectors" not in plugins.names("strategy")


@pytest.mark.parametrize("selector", ALL)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_selector_drops_a_verified_answer(selector, data):
    size = data.draw(st.integers(1, 6))
    pool = [
        candidate(
            index,
            data.draw(st.sampled_from(["", "A", "B"])),
            data.draw(st.sampled_from([0.1, 0.5, 0.9])),
            text=data.draw(st.sampled_from(["x", "y"])),
            outcomes=data.draw(st.sampled_from(["", "p", "f"])),
            passed=data.draw(st.sets(st.integers(0, 3))),
            score=data.draw(st.floats(0, 1)),
        )
        for index in range(size)
    ]
    chosen = choose(selector, pool, random.Random(0))
    assert chosen in pool
    if any(one.verdict and one.verdict.passed for one in pool):
        assert chosen.verdict.passed
