"""RethinkMCTS: thoughts are replaced in place, values mix and travel up, and the highest is handed in. The real judge and tracer."""

import asyncio
import json
import shutil

import pytest
from tests.strategies.conftest import Roles, assert_nothing_hidden, ops, program

from burnish.core.budget import Budget
from burnish.core.records import CheckSpec, Task
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, solve
from burnish.signals import thoughts as prompts
from burnish.store.runs import RunStore
from burnish.verifiers.c import c

WORDS = {
    "EXPAND": "different next thoughts",
    "RETHINK": "Write a new one in its place",
    "EVALUATE": "Will it pass hidden ones",
    "REVIEW": "Go through the blocks",
    "CODE": "Write `add(a, b)`.",
}


def thoughts(*rows):
    return json.dumps([{f"Thought-{n}": text, "Reasonableness": prior} for n, (text, prior) in enumerate(rows, 1)])


def coded(text):
    return program("a + b" if "add them" in text else "a - b")


def usual():
    return {
        "EXPAND": [thoughts(("subtract", 0.7), ("multiply", 0.2), ("add them", 0.1))],
        "RETHINK": ["add them"],
        "EVALUATE": ['{"evaluation": 0.85}'],
        "REVIEW": ["The first block subtracts."],
        "CODE": [coded],
    }


def roles(**changes):
    return Roles(WORDS, **{**usual(), **changes})


def test_a_wrong_first_thought_is_replaced_and_solved_in_one_rollout(run, two_tests):
    store, _ = run(roles(), [two_tests], strategy="rethink_mcts", options={"rollouts": 1})
    assert ops(store) == ["plan", "code", "review", "rethink", "code", "review", "plan"]
    solved = store.attempt(store.episodes()[0].answer)
    assert store.label(solved.id).passed
    assert "Thought-1: add them" in solved.messages[0].content
    assert "subtract" not in solved.messages[0].content
    assert store.attempt(solved.parent_id).op == "rethink"
    assert_nothing_hidden(store)


def test_without_rethinking_it_takes_longer(run, two_tests):
    options = {"rollouts": 1, "rethink": False}
    store, _ = run(roles(), [two_tests], strategy="rethink_mcts", options=options)
    assert not store.label(store.episodes()[0].answer).passed
    expand = [thoughts(("subtract", 0.7), ("multiply", 0.2), ("divide", 0.1)), thoughts(("add them", 1.0))]
    store, _ = run(roles(EXPAND=expand), [two_tests], folder="more", strategy="rethink_mcts", options={**options, "rollouts": 16})
    assert "rethink" not in ops(store)
    solved = store.attempt(store.episodes()[0].answer)
    assert store.label(solved.id).passed
    assert solved.round > 0


def test_the_review_reads_failed_tests_and_the_block_trace(run, two_tests):
    store, _ = run(roles(), [two_tests], strategy="rethink_mcts", options={"rollouts": 1})
    asked = next(attempt for attempt in store.attempts() if attempt.op == "review").messages[0].content
    assert "add(2, 3) returned -1, but it should return 5" in asked
    assert "[BLOCK-0] add, line 2: return a - b (returns -1)\n    a = 2, b = 3" in asked
    again = next(attempt for attempt in store.attempts() if attempt.op == "rethink").messages[0].content
    assert "The first block subtracts." in again


def test_all_rollouts_are_made_and_the_highest_value_wins(run, two_tests):
    """Two programs pass; the model believes more in the later one."""
    evaluate = ['{"evaluation": -0.5}', '{"evaluation": 0.9}']
    code = [program("a + b"), program("b + a"), program("a - b")]
    store, _ = run(roles(EVALUATE=evaluate, CODE=code), [two_tests], strategy="rethink_mcts", options={"rollouts": 3})
    assert max(attempt.round for attempt in store.attempts()) == 2
    assert "b + a" in store.attempt(store.episodes()[0].answer).text


def test_a_verified_program_is_never_dropped_for_one_that_fails(run, two_tests):
    checks = [type(two_tests.checks[0])(id=f"w{n}", kind="call", data={"args": f"({n}, 0)", "expected": f"{n}"}) for n in range(9)]
    fields = {name: getattr(two_tests, name) for name in two_tests.__struct_fields__}
    many = type(two_tests)(**{**fields, "checks": (*checks, *two_tests.checks)})
    code = [program("a + b"), program("a")]  # the second passes 10 of 11, more than 0.8 - 0.2
    store, _ = run(roles(EVALUATE=["-1 evaluation: -1"], CODE=code), [many], strategy="rethink_mcts", options={"rollouts": 4})
    assert store.label(store.episodes()[0].answer).passed


def test_the_same_program_is_evaluated_once(run, two_tests):
    model = roles(CODE=[program("a + b")])
    run(model, [two_tests], strategy="rethink_mcts", options={"rollouts": 4})
    assert model.asked.count("EVALUATE") == 1
    assert model.asked.count("CODE") == 4


def test_replies_that_cannot_be_read_leave_blank_thoughts(run, two_tests):
    model = roles(EXPAND=["no JSON"], RETHINK=[""], EVALUATE=["?"])
    store, _ = run(model, [two_tests], strategy="rethink_mcts", options={"rollouts": 2})
    assert store.episodes()[0].status == "done"
    assert model.asked.count("CODE") == 4  # each of the two failed, was rethought and failed again


def test_priors_and_evaluations_are_read_from_replies():
    assert prompts.thoughts_in(thoughts(("a", 3), ("b", 1)), 3) == [("a", 0.75), ("b", 0.25)]
    assert prompts.thoughts_in(f"Sure:\n```json\n{thoughts(('a', 0.5))}\n```", 1) == [("a", 1.0)]
    for broken in ("", "[]", "[1]", '[{"Thought-1": "a"}]', '[{"Thought-1": "a", "Reasonableness": NaN}]', "[" * 10_000):
        assert prompts.thoughts_in(broken, 2) == [("", 1.0)] * 2
    assert prompts.evaluation_in('{"evaluation": 0.85}') == 0.85
    assert prompts.evaluation_in('{"evaluation": -7}') == -1.0
    assert prompts.evaluation_in("good") == 0.0
    assert 0.8 * 1 + 0.2 * prompts.evaluation_in('{"evaluation": 0.85}') == pytest.approx(0.97)


def test_the_cap_on_calls_and_the_budget_hold(run, two_tests):
    _, policy = run(roles(), [two_tests], strategy="rethink_mcts", options={"rollouts": 16, "most_calls": 20})
    assert 20 <= policy.calls <= 26  # a rollout that was begun is ended
    store, policy = run(roles(), [two_tests], folder="budget", strategy="rethink_mcts", budget=Budget(calls=10))
    assert policy.calls == 10
    assert store.episodes()[0].status == "budget"
    assert store.label(store.episodes()[0].answer).passed


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_a_language_without_traces_is_searched_too(tmp_path):
    check = CheckSpec(id="v", kind="stdio", data={"stdin": "4\n", "stdout": "8\n"})
    task = Task(id="double", group_id="d", kind="c", prompt="Double a number.", checks=(check,))
    body = '```c\n#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d", BODY); }\n```'
    words = {**WORDS, "CODE": "Double a number."}
    code = [lambda text: body.replace("BODY", "2 * n" if "add them" in text else "n")]
    with RunStore.create(tmp_path / "run", {}) as store:
        config = SolveConfig(strategy="rethink_mcts", options={"rollouts": 1})
        asyncio.run(solve([task], scripted(Roles(words, **{**usual(), "CODE": code})), c, store, config))
        assert store.label(store.episodes()[0].answer).passed
        assert not any("[BLOCK-" in message.content for attempt in store.attempts() for message in attempt.messages)
