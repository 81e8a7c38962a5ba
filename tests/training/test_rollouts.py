"""Groups of completions: provenance, rewards and what is left out."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from burnish.core.errors import InputError, PolicyError
from burnish.core.records import Sampling
from burnish.training._rollout_stream import RolloutStream
from burnish.training.config import TrainConfig
from burnish.training.rollouts import collect

SAMPLING = Sampling(max_tokens=6)


def gather(policy, source, **changes):
    source = dataclasses.replace(source, **changes)
    return asyncio.run(collect(policy, source, source.tasks, group_size=3, sampling=SAMPLING, seed=5))


def test_rollouts_come_task_by_task_with_what_was_sampled(make_policy, source) -> None:
    policy = make_policy()
    rollouts = gather(policy, source)
    assert [rollout.task_id for rollout in rollouts] == [task.id for task in source.tasks for _ in range(3)]
    for rollout in rollouts:
        ((start, end),) = rollout.tokens.sampled
        prompt = next(task.prompt for task in source.tasks if task.id == rollout.task_id)
        assert policy.renderer.decode(rollout.tokens.ids[:start]) == prompt
        assert end == len(rollout.tokens.ids)
        assert end - start == len(rollout.tokens.logprobs) <= 6
    assert len({rollout.tokens.ids for rollout in rollouts}) > 6


def test_the_same_seed_gives_the_same_rollouts(make_policy, source) -> None:
    first, second = (gather(make_policy(), source) for _ in range(2))
    assert [rollout.tokens.ids for rollout in first] == [rollout.tokens.ids for rollout in second]


def test_rewards_follow_the_verdict_and_faults_have_none(make_policy, source) -> None:
    rollouts = gather(make_policy(), source, reward=lambda verdict: 1.0 if verdict.score is None else verdict.score)
    for rollout in rollouts:
        expected = None if "x" in rollout.text else float("q" in rollout.text)
        assert rollout.reward == expected
    assert {rollout.reward for rollout in rollouts} == {None, 0.0, 1.0}


def test_nothing_found_is_an_invalid_artefact(make_policy, source) -> None:
    rollouts = gather(make_policy(), source, extract=lambda task, text: None)
    assert {rollout.verdict.status for rollout in rollouts} == {"invalid"}
    assert {rollout.reward for rollout in rollouts} == {0.0}


def test_the_reward_function_may_leave_one_out(make_policy, source) -> None:
    assert {rollout.reward for rollout in gather(make_policy(), source, reward=lambda verdict: None)} == {None}


def test_a_reward_that_is_no_number_is_refused(make_policy, source) -> None:
    with pytest.raises(InputError, match="reward function returned nan for task"):
        gather(make_policy(), source, reward=lambda verdict: float("nan"))


def test_a_closed_policy_is_one_plain_error(make_policy, source) -> None:
    policy = make_policy()
    asyncio.run(policy.aclose())
    with pytest.raises(PolicyError, match="closed"):
        gather(policy, source)


@pytest.mark.parametrize("sampling", [Sampling(top_p=0.9), Sampling(temperature=0.0)])
def test_off_policy_sampling_is_refused(make_policy, source, sampling) -> None:
    with pytest.raises(InputError, match="whole distribution"):
        asyncio.run(collect(make_policy(), source, source.tasks, group_size=2, sampling=sampling, seed=0))


def test_unscored_completions_give_no_row_and_no_dilution(make_policy, source) -> None:
    config = TrainConfig(tasks_per_step=4, group_size=6, max_tokens=6)
    delivery = asyncio.run(RolloutStream(source, make_policy(), config).deliver(0))
    seen = list(delivery.rollouts.values())
    unscored = sum(rollout.reward is None for rollout in seen)
    assert len(seen) == 24
    assert 0 < unscored == delivery.report["unscored"]
    assert len(delivery.rows) == 24 - unscored
    scored = [rollout.reward for rollout in seen if rollout.reward is not None]
    assert delivery.report["reward_mean"] == pytest.approx(sum(scored) / len(scored))
    for number in range(4):
        advantages = [row.advantage for row in delivery.rows if row.group == number]
        assert sum(advantages) == pytest.approx(0, abs=1e-5)


def test_a_group_without_a_winner_is_dead(make_policy, source) -> None:
    config = TrainConfig(tasks_per_step=4, group_size=2, max_tokens=6)
    stream = RolloutStream(dataclasses.replace(source, reward=lambda verdict: 0.5), make_policy(), config)
    delivery = asyncio.run(stream.deliver(0))
    assert delivery.report["dead_groups"] == 1.0
    assert {row.advantage for row in delivery.rows} == {0.0}


def test_no_tasks(make_policy, source) -> None:
    with pytest.raises(InputError, match="no tasks"):
        RolloutStream(dataclasses.replace(source, tasks=()), make_policy(), TrainConfig())
