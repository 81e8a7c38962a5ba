"""MAgICoRe: the gate's numbers, how often agents are called, what is never dropped. Scripted agents, the real judge."""

import math

import pytest

from burnish.core.budget import Budget
from burnish.core.errors import InputError
from burnish.signals.search_prompts import out_of_ten, scored_lines
from burnish.strategies._hardness import Chain, confidence, entropy, is_confident, is_good, is_hard

PARTS = {"reviewer": "score from 0 to 10", "refiner": "A reviewer says"}


def function(body):
    return f"```python\ndef add(a, b):\n    return {body}\n```"


RIGHT = function("a + b")


def agents(*solutions, refined="a + b"):
    """Solutions in order; the reviewer always says the same, the refiner writes `refined`."""
    texts = iter(solutions)

    def reply(messages, seed):
        last = messages[-1].content
        if PARTS["reviewer"] in last:
            return "The sign looks wrong."
        return function(refined) if PARTS["refiner"] in last else function(next(texts))

    return reply


def test_confidence_of_votes():
    assert entropy([3, 1]) == pytest.approx(0.562335, abs=1e-6)
    assert confidence([3, 1]) == pytest.approx(0.726015, abs=1e-6)
    assert confidence([1, 1, 1]) == pytest.approx(0.5, abs=1e-15)
    assert confidence([0.9, 0.8, 0.7, 0.2]) == pytest.approx(0.434940, abs=1e-6)
    assert confidence([5]) == 1.0
    assert entropy([0, 0]) == pytest.approx(math.log(2))


def test_the_vote_is_believed_up_to_an_entropy_of_ln_3():
    equal = [Chain(answer, 1.0, 1.0) for answer in range(3)]
    assert is_confident(equal)
    assert not is_confident([*equal, Chain(3, 1.0, 1.0)])
    assert not is_confident([Chain(0, 1.0, 0.1), Chain(1, 0.0, 0.9), Chain(2, 0.0, 0.9), Chain(3, 0.0, 0.9), Chain(4, 0.0, 0.9)])


def test_hard_only_if_both_conditions_fail():
    scattered = [Chain(answer, 0.5, 0.5) for answer in range(4)]
    agreed = [Chain(0, 0.5, 0.5)] * 4
    assert is_good(scattered, typical=1.0)
    assert not is_hard(scattered, typical=1.0)
    assert is_hard(scattered, typical=1.1)
    assert not is_hard(agreed, typical=1.1)


def test_an_easy_task_is_decided_by_vote_without_any_agent(run):
    store, policy = run(agents("a - b", "a - b", "b - a"), strategy="magicore", options={"k": 3})
    assert policy.calls == 3
    assert store.episodes()[0].answer == "add#0/0"


HARD = ("a - b", "b - a", "a * b + 9", "a * 7")


def test_a_hard_task_gets_two_calls_per_solution_and_round(run):
    store, policy = run(agents(*HARD), strategy="magicore", options={"k": 4, "typical": 2.0})
    assert policy.calls == 4 + 2 * 4
    ops = [attempt.op for attempt in store.attempts()]
    assert (ops.count("review"), ops.count("refine")) == (4, 4)
    assert store.label(store.episodes()[0].answer).passed
    by_id = {attempt.id: attempt for attempt in store.attempts()}
    for attempt in by_id.values():
        if attempt.op == "refine":
            assert by_id[attempt.parent_id].op == "review"
            assert by_id[by_id[attempt.parent_id].parent_id].op == "sample"
            assert "The sign looks wrong." in attempt.messages[-1].content
            assert "(Score: 10/10)" in attempt.messages[-2].content


def test_rounds_end_after_the_given_number(run):
    count = iter(range(1000))

    def reply(messages, seed):
        return "Hm." if PARTS["reviewer"] in messages[-1].content else function(f"a * {next(count)} + 100")

    _, policy = run(reply, strategy="magicore", options={"k": 4, "rounds": 2, "typical": 2.0})
    assert policy.calls == 4 + 2 * 2 * 4


def test_good_old_solutions_are_not_dropped_for_worse_new_ones(run):
    solutions = ("3 if a < 10 else 42", *HARD[1:])
    store, _ = run(agents(*solutions, refined="undefined"), strategy="magicore", options={"k": 4, "typical": 2.0, "outcome": "likelihood"})
    assert store.episodes()[0].answer == "add#0/0"


def test_budgets_hold_and_hidden_checks_are_hidden(run):
    budget = Budget(calls=7)
    store, policy = run(agents(*HARD), strategy="magicore", options={"k": 4, "typical": 2.0}, budget=budget)
    assert policy.calls == 7
    assert store.episodes()[0].answer is not None
    for attempt in store.attempts():
        assert not any(secret in message.content for message in attempt.messages for secret in ("20, 22", "42", "SECRET"))


def test_scores_are_written_behind_the_lines():
    code = "def f(a):\n\n    return a\n"
    assert scored_lines(code, [0.94, 0.36]) == "def f(a):  # (Score: 9/10)\n\n    return a  # (Score: 4/10)"
    assert scored_lines(code, [0.2]) == "def f(a):\n\n    return a  # (Score: 2/10)"
    assert [out_of_ten(score) for score in (0.0, 0.55, 0.6, 1.0)] == [0, 6, 6, 10]
    with pytest.raises(InputError, match="3 scores for 2 lines"):
        scored_lines(code, [1, 1, 1])
