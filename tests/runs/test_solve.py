"""solve: many episodes, budgets, faults, and going on after an interruption."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from burnish.core.budget import Budget
from burnish.core.errors import InputError, PolicyError, UnknownName
from burnish.core.records import Sampling
from burnish.runs import SolveConfig, open_run, solve
from burnish.store.runs import RunStore

RIGHT = "```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"


def test_every_task_gets_its_samples_and_its_labels(run, add_task):
    tasks = [add_task(f"add{number}") for number in range(3)]
    store, policy = run(lambda messages, seed: RIGHT, tasks, samples=2)
    assert policy.calls == 6
    assert sorted(episode.id for episode in store.episodes()) == sorted(f"add{n}#{i}" for n in range(3) for i in range(2))
    assert all(label.passed for label in store.labels().values())


def test_seeds_differ_between_samples_and_repeat_between_runs(run):
    seen = []
    run(lambda messages, seed: seen.append(seed) or WRONG, folder="one", samples=3)
    first = set(seen)
    assert len(first) == 6  # 3 samples, each with one repair
    run(lambda messages, seed: seen.append(seed) or WRONG, folder="two", samples=3)
    assert set(seen) == first
    run(lambda messages, seed: seen.append(seed) or WRONG, folder="three", samples=3, seed=1)
    assert len(set(seen)) == 12


def test_a_finished_run_is_not_done_again(run):
    run([RIGHT])
    store, policy = run([])
    assert policy.calls == 0
    assert len(store.episodes()) == 1


def test_an_interrupted_episode_is_replayed_not_redone(run, tmp_path):
    def fail_in_the_second_turn(messages, seed):
        if len(messages) > 1:
            raise RuntimeError("the engine died")
        return WRONG

    store, _ = run(fail_in_the_second_turn)
    assert store.episodes()[0].status == "error"
    assert "the engine died" in store.episodes()[0].detail
    store.close()
    store, policy = run([RIGHT])  # only the repair is asked for
    assert policy.calls == 1
    assert [attempt.op for attempt in store.attempts()] == ["sample", "refine"]
    assert store.episodes()[0].status == "done"
    assert store.label(store.episodes()[0].answer).passed


def test_a_model_fault_ends_one_episode_and_not_the_run(run, add_task):
    def reply(messages, seed):
        if "bad" in messages[0].content:
            raise PolicyError("no answer")
        return RIGHT

    good, bad = add_task("good"), add_task("bad")
    bad = type(bad)(**{**{name: getattr(bad, name) for name in bad.__struct_fields__}, "prompt": "bad"})
    store, _ = run(reply, [bad, good])
    assert {episode.task_id: episode.status for episode in store.episodes()} == {"good": "done", "bad": "error"}


def test_the_call_budget_ends_an_episode_with_the_best_so_far(run):
    store, policy = run([WRONG, WRONG, RIGHT], options={"rounds": 5}, budget=Budget(calls=2))
    assert policy.calls == 2
    episode = store.episodes()[0]
    assert (episode.status, episode.answer) == ("budget", "add#0/1")
    assert "2 model calls" in episode.detail


def test_the_token_budget_is_never_exceeded(run):
    store, _ = run(lambda messages, seed: WRONG, options={"rounds": 9}, budget=Budget(tokens=100), sampling=Sampling(max_tokens=80))
    assert sum(attempt.cost.tokens_out for attempt in store.attempts()) <= 100


def test_a_task_without_checks_can_never_pass(run, add_task):
    task = add_task()
    bare = type(task)(id="bare", group_id="bare", kind="python", prompt="p", context=task.context)
    store, policy = run([RIGHT], [bare])
    assert store.label("bare#0/0").status == "unknown"
    assert policy.calls == 1


def test_wrong_names_and_options_are_refused_before_any_work():
    with pytest.raises(UnknownName, match="self_debug"):
        SolveConfig(strategy="self_debugging").check()
    with pytest.raises(InputError, match="no option 'turns'.*rounds"):
        SolveConfig(options={"turns": 2}).check()


def test_no_tasks_is_an_error(tmp_path):
    with RunStore.create(tmp_path / "r", {}) as store, pytest.raises(InputError, match="no tasks to solve"):
        asyncio.run(solve([], None, None, store))


def test_a_run_is_gone_on_with_only_if_asked_and_only_the_same_way(tmp_path):
    open_run(tmp_path / "r", {"seed": 0}, resume=False).close()
    with pytest.raises(InputError, match="--resume"):
        open_run(tmp_path / "r", {"seed": 0}, resume=False)
    with pytest.raises(InputError, match="seed: 0 then, 1 now"):
        open_run(tmp_path / "r", {"seed": 1}, resume=True)
    open_run(tmp_path / "r", {"seed": 0}, resume=True).close()


KILLED = """
import asyncio, sys
from pathlib import Path
from burnish.core.records import CheckSpec, Task
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, open_run, solve
from burnish.verifiers.python import python

async def reply(messages, seed):
    await asyncio.sleep(0.01 + seed % 5 / 100)
    with open(sys.argv[2], "a") as calls:
        calls.write(f"{seed}\\n")
    right = seed % 3 == 0
    return f"```python\\ndef add(a, b):\\n    return a {'+' if right else '-'} b\\n```"

checks = (CheckSpec(id="v", kind="call", data={"args": "(1, 2)", "expected": "3"}),)
tasks = [Task(id=f"t{n}", group_id="g", kind="python", prompt=f"t{n}", checks=checks, context={"entry_point": "add"}) for n in range(40)]
with open_run(Path(sys.argv[1]), {}, resume=True) as store:
    config = SolveConfig(samples=2, options={"rounds": 2}, concurrency=4)
    asyncio.run(solve(tasks, scripted(reply), python, store, config))
"""


def test_kill_9_loses_nothing_finished_and_does_nothing_twice(tmp_path):
    run, calls = tmp_path / "run", tmp_path / "calls"
    command = [sys.executable, "-c", KILLED, str(run), str(calls)]
    for _ in range(2):
        before = len(calls.read_text().splitlines()) if calls.exists() else 0
        process = subprocess.Popen(command)
        while process.poll() is None and (not calls.exists() or len(calls.read_text().splitlines()) < before + 25):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with RunStore.open(run) as store:
        survived = {attempt.id: attempt for attempt in store.attempts()}
    assert survived
    subprocess.run(command, check=True)
    subprocess.run([*command[:3], str(tmp_path / "whole"), str(tmp_path / "other-calls")], check=True)
    with RunStore.open(run) as store, RunStore.open(tmp_path / "whole") as whole:
        resumed = {attempt.id: attempt for attempt in store.attempts()}
        assert survived.items() <= resumed.items()
        assert {name: attempt.text for name, attempt in resumed.items()} == {a.id: a.text for a in whole.attempts()}
        assert {e.id: e.answer for e in store.episodes()} == {e.id: e.answer for e in whole.episodes()}
        assert {name: label.status for name, label in store.labels().items()} == {n: v.status for n, v in whole.labels().items()}
    asked = calls.read_text().splitlines()
    lost_in_flight = len(asked) - len(set(asked))
    assert lost_in_flight <= 2 * 4  # at most what was in flight at each of the two kills
