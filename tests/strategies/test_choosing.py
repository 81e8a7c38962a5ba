"""The strategies that draw several answers and choose: calls, order, budgets, what is handed in. Scripted policies, the real judge."""

import msgspec
import pytest

from burnish.core.budget import Budget
from burnish.core.errors import InputError
from burnish.core.records import Sampling


def function(body):
    return f"```python\ndef add(a, b):\n    return {body}\n```"


RIGHT, WRONG, VISIBLE_ONLY = function("a + b"), function("a - b"), function("3")
TESTS = "```python\nassert add(1, 2) == 3\nassert add(2, 2) == 4\nassert add(5, 5) == 10\nassert add(0, 0) == 1\n```"


def prompts(store):
    return ["\n".join(message.content for message in attempt.messages) for attempt in store.attempts()]


def code(store, number=0):
    return store.attempt(store.episodes()[number].answer).artefacts["code"].strip()


def without_checks(task):
    """The same task with hidden checks only: nothing verifies an answer before it is handed in."""
    context = {**task.context, "signature": "add(a: int, b: int) -> int"}
    return msgspec.structs.replace(task, checks=task.hidden(), context=context)


def test_best_of_n_draws_n_and_hands_in_the_first_that_passes(run):
    store, policy = run([WRONG, RIGHT, VISIBLE_ONLY], strategy="best_of_n", options={"n": 3})
    assert policy.calls == 3
    assert store.episodes()[0].answer == "add#0/1"
    assert {attempt.op for attempt in store.attempts()} == {"sample"}


@pytest.mark.parametrize("select", ["majority", "probability_mass", "rpc", "reranker"])
def test_best_of_n_with_any_selector_hands_in_a_verified_answer(run, select):
    store, _ = run([WRONG, WRONG, RIGHT, WRONG], strategy="best_of_n", options={"n": 4, "select": select})
    assert code(store).endswith("a + b")


def test_self_consistency_votes_by_what_programs_do(run):
    replies = [VISIBLE_ONLY, RIGHT, function("b + a"), "no program"]
    store, _ = run(replies, strategy="self_consistency", options={"n": 4})
    assert store.episodes()[0].answer == "add#0/1"  # all three pass the visible test; two of them agree
    assert store.label("add#0/1").passed


def test_self_consistency_without_visible_checks_still_votes(run, add_task):
    replies = [WRONG, RIGHT, function("a - -b")]
    store, _ = run(replies, [without_checks(add_task())], strategy="self_consistency", options={"n": 3})
    assert store.label(store.episodes()[0].answer).passed


def test_codet_believes_the_programs_that_agree_on_most_tests(run):
    replies = [TESTS, VISIBLE_ONLY, RIGHT, function("b + a")]
    store, policy = run(replies, strategy="codet", options={"n": 3, "suites": 1})
    assert policy.calls == 4
    assert [attempt.op for attempt in store.attempts()] == ["tests", "sample", "sample", "sample"]
    assert next(store.attempts()).artefacts.keys() == {"tests"}
    assert store.episodes()[0].answer == "add#0/2"  # 2 programs · 3 tests beat 1 · 1; the wrong test harms nobody
    assert "assert add(...)" in prompts(store)[0]


def test_codet_with_useless_tests_still_hands_in_what_is_verified(run):
    store, _ = run(["I cannot.", WRONG, RIGHT], strategy="codet", options={"n": 2, "suites": 1})
    assert code(store).endswith("a + b")


def test_tests_that_are_broken_themselves_pass_nothing_and_disturb_nothing(run):
    """The only test that was written fails before it calls the program: no fault of the judge."""
    store, _ = run(["assert add((1, 2) / 3) == 1", WRONG, RIGHT], strategy="codet", options={"n": 2, "suites": 1})
    assert store.episodes()[0].status == "done"
    assert code(store).endswith("a + b")


def test_consensus_drops_tests_that_the_old_code_passes(run, add_task):
    task = without_checks(add_task())
    task.context["buggy"] = "def add(a, b):\n    return a - b"
    tests = "```python\nassert add(5, 0) == 5\nassert add(1, 0) == 1\nassert add(2, 2) == 4\n```"
    replies = [tests, WRONG, function("a - b + 0"), RIGHT]
    store, _ = run(replies, [task], strategy="consensus", options={"n": 3, "suites": 1})
    assert code(store).endswith("a + b")  # of three tests one reproduces the fault: 1·1² beats 2·0²


@pytest.mark.parametrize("strategy", ["best_of_n", "self_consistency", "codet", "consensus"])
def test_the_budget_is_used_up_and_never_exceeded(run, strategy):
    budget, sampling = Budget(tokens=400), Sampling(max_tokens=150)
    store, _ = run(lambda messages, seed: WRONG, strategy=strategy, options={"n": 50}, budget=budget, sampling=sampling)
    tokens = sum(attempt.cost.tokens_out for attempt in store.attempts())
    assert 300 < tokens <= 400
    assert store.episodes()[0].answer


@pytest.mark.parametrize("strategy", ["best_of_n", "self_consistency", "codet", "consensus"])
def test_a_finished_forest_is_the_same_for_the_same_seed_and_hides_what_is_hidden(run, strategy):
    def reply(messages, seed):
        return TESTS if "test cases" in messages[-1].content else [RIGHT, WRONG, VISIBLE_ONLY][seed % 3]

    options = {"n": 6}
    one, _ = run(reply, strategy=strategy, options=options, folder="one", budget=Budget(calls=7))
    texts = [(attempt.id, attempt.text) for attempt in one.attempts()]
    answer = one.episodes()[0].answer
    other, _ = run(reply, strategy=strategy, options=options, folder="other", budget=Budget(calls=7))
    assert [(attempt.id, attempt.text) for attempt in other.attempts()] == texts
    assert other.episodes()[0].answer == answer
    for prompt in prompts(other):
        assert not any(secret in prompt for secret in ("20, 22", "42", "SECRET"))


@pytest.mark.parametrize("strategy", ["codet", "consensus"])
def test_tasks_that_are_about_no_function_are_refused_with_one_message(run, add_task, strategy):
    task = msgspec.structs.replace(add_task(), checks=(), context={})
    with pytest.raises(InputError, match="'add' is none. Choose another strategy"):
        run([], [task], strategy=strategy)
