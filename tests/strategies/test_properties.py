"""What holds for every strategy: nothing hidden in a prompt, no budget exceeded, nothing verified dropped, the same seed the same
forest, and the same tree after `kill -9` in the middle. Seeded model, the real judge."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tests.strategies.conftest import assert_nothing_hidden, program, prompts

from burnish.core import plugins
from burnish.core.budget import Budget
from burnish.core.records import Sampling
from burnish.store.runs import RunStore

GIVEN = {"explained_repair"}
"""Strategies for tasks that hold a wrong program: they have tests of their own."""
STRATEGIES = [name for name in plugins.names("strategy") if name not in GIVEN]
BLIND = {"parallel", "vm_mcts"}
"""Strategies that do not look at verdicts: by their papers they choose by the opinion of a model."""
OPTIONS = {
    "collect": {"answers": 4, "repairs": 2},
    "rethink_mcts": {"rollouts": 3},
    "slpw": {"plans": 2, "rounds": 3},
    "lpw": {"rounds": 3},
}
PROSE = (
    "[Plan Verification for test 1] [Correct Plan]\n[Plan Verification for test 2] [Correct Plan]",
    "Correct Analysis. Correct Analysis.",
    '[{"Thought-1": "add", "Reasonableness": 0.6}, {"Thought-2": "subtract", "Reasonableness": 0.4}]',
    '{"evaluation": 0.5}',
)


def babble(messages, seed, right=0.2):
    """A model that knows every role and is seldom right, by its seed only."""
    luck = random.Random(seed)
    text = messages[-1].content
    if "Verify the plan" in text:
        return PROSE[0]
    if "Check each verification" in text:
        return PROSE[1]
    if "different next thoughts" in text:
        return PROSE[2]
    if "Will it pass hidden ones" in text:
        return PROSE[3]
    body = "a + b" if luck.random() < right else luck.choice(["a - b", "a", "b", "a * b", "1", "5", "a +", "missing", "1 / 0"])
    return program(body)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_prompt_holds_anything_hidden(run, two_tests, strategy):
    store, _ = run(babble, [two_tests], strategy=strategy, options=OPTIONS.get(strategy, {}), samples=2)
    assert prompts(store)
    assert all(episode.status == "done" for episode in store.episodes())
    assert_nothing_hidden(store)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("budget", [Budget(calls=4), Budget(tokens=300)], ids=["calls", "tokens"])
def test_no_budget_is_exceeded(run, two_tests, strategy, budget):
    store, policy = run(
        lambda messages, seed: babble(messages, seed, right=0.0),
        [two_tests],
        strategy=strategy,
        options=OPTIONS.get(strategy, {}),
        budget=budget,
        sampling=Sampling(temperature=0.8, max_tokens=120),
    )
    attempts = list(store.attempts())
    assert policy.calls == len(attempts)
    assert budget.calls is None or len(attempts) <= budget.calls
    assert budget.tokens is None or sum(attempt.cost.tokens_out for attempt in attempts) <= budget.tokens


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name not in BLIND])
def test_what_was_verified_is_handed_in(run, two_tests, strategy):
    """Half of the programs are right, also after the first right one where a strategy goes on."""
    store, _ = run(
        lambda messages, seed: babble(messages, seed, right=0.5),
        [two_tests],
        strategy=strategy,
        options=OPTIONS.get(strategy, {}),
        samples=6,
        budget=Budget(calls=15),
    )
    visible = store.verdicts("visible")
    solved = 0
    for episode in store.episodes():
        passing = [a.id for a in store.attempts(episode_id=episode.id) if a.id in visible and visible[a.id].passed]
        solved += bool(passing)
        assert not passing or episode.answer in passing
    assert solved


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_forest(run, two_tests, strategy):
    forests = []
    for folder in ("one", "two"):
        store, _ = run(babble, [two_tests], folder=folder, strategy=strategy, options=OPTIONS.get(strategy, {}), seed=5)
        forests.append([(a.id, a.parent_id, a.op, a.round, a.text, a.messages) for a in store.attempts()])
    assert forests[0] == forests[1]


KILLED = """
import asyncio, sys, time
from tests.strategies.test_properties import babble
from burnish.core.budget import Budget
from burnish.core.records import CheckSpec, Task
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, open_run, solve
from burnish.verifiers.python import python

def reply(messages, seed):
    time.sleep(0.02)
    with open(sys.argv[2], "a") as calls:
        calls.write(f"{seed}\\n")
    return babble(messages, seed)

data = [("v1", "(1, 0)", "1"), ("v2", "(2, 3)", "5")]
checks = tuple(CheckSpec(id=name, kind="call", data={"args": args, "expected": due}) for name, args, due in data)
task = Task(id="add", group_id="add", kind="python", prompt="Write add.", checks=checks, context={"entry_point": "add"})
with open_run(sys.argv[1], {}, resume=True) as store:
    options = {"rethink_mcts": {"rollouts": 6}, "slpw": {"plans": 2}}[sys.argv[3]]
    config = SolveConfig(strategy=sys.argv[3], options=options, budget=Budget(calls=40))
    asyncio.run(solve([task], scripted(reply), python, store, config))
"""


@pytest.mark.parametrize("strategy", ["rethink_mcts", "slpw"])
def test_a_tree_that_was_killed_half_way_grows_on_to_the_same_tree(tmp_path, strategy):
    run, calls = tmp_path / "run", tmp_path / "calls"
    code = KILLED.replace("open_run(sys.argv[1]", "open_run(__import__('pathlib').Path(sys.argv[1])")
    command = [sys.executable, "-c", code, str(run), str(calls), strategy]
    for after in (5, 12):
        process = subprocess.Popen(command)
        while process.poll() is None and (not calls.exists() or len(calls.read_text().splitlines()) < after):
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with RunStore.open(run) as store:
        survived = [attempt.id for attempt in store.attempts()]
    assert len(survived) >= 10
    subprocess.run(command, check=True)
    subprocess.run([*command[:3], str(tmp_path / "whole"), str(tmp_path / "other-calls"), strategy], check=True)
    with RunStore.open(run) as store, RunStore.open(tmp_path / "whole") as whole:
        forests = [[(a.id, a.parent_id, a.op, a.text, a.messages) for a in each.attempts()] for each in (store, whole)]
        assert forests[0] == forests[1]
        assert [e.answer for e in store.episodes()] == [e.answer for e in whole.episodes()]
    asked = calls.read_text().splitlines()
    assert len(asked) - len(set(asked)) <= 2  # at most what was in flight at each of the two kills
