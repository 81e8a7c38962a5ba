"""Groups of completions: provenance, rewards and what is left out."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from burnish.core.errors import InputError, PolicyError
from burnish.core.records import Check, Sampling, Verdict
from burnish.models import PathTags, Request
from burnish.training._rollout_stream import RolloutStream
from burnish.training.config import TrainConfig
from burnish.training.rollouts import Paths, collect
from burnish.training.trainer import train

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


def test_a_given_baseline_is_what_the_greedy_answer_earns(make_policy, source) -> None:
    """ReMax: reward minus that of the likeliest answer, which is judged like any other."""
    policy, config = make_policy(), TrainConfig(tasks_per_step=4, group_size=4, max_tokens=6, advantage="given_baseline")
    graded = dataclasses.replace(source, extract=lambda task, text: text + "q", reward=lambda verdict: 1.0)
    delivery = asyncio.run(RolloutStream(graded, policy, config).deliver(0))
    assert {row.advantage for row in delivery.rows} == {0.0}  # all earn what the greedy answer earns
    by_length = dataclasses.replace(source, verifier=Lengths(), extract=lambda task, text: text)
    delivery = asyncio.run(RolloutStream(by_length, policy, config).deliver(0))
    prompts = {row.ids[: row.positions[0]] for row in delivery.rows}
    assert len(prompts) == 4
    for prompt in prompts:
        request = Request(prompt_ids=prompt, sampling=Sampling(temperature=0.0, max_tokens=6))
        greedy = len(asyncio.run(policy.generate(request)).text) / 10
        assert {round(row.reward - row.advantage, 5) for row in delivery.rows if row.ids[: len(prompt)] == prompt} == {round(greedy, 5)}


class Lengths:
    """Scores an answer by its length."""

    async def averify(self, task, artefact, *, limits=None, first_fail=False):
        return Verdict.of([Check(id="c", kind="length", outcome="fail", score=len(artefact) / 10)])


def test_answers_that_fork_are_read_as_they_were_written(make_policy, source, tmp_path) -> None:
    """At each `b` two paths are sampled side by side; the trainer finds their tokens, and what follows, as likely as the sampler did."""
    tags = PathTags(open_block="b", open_path="c", close_path="d", summary="e", close_summary="f")
    forking = dataclasses.replace(source, verifier=Lengths(), paths=Paths(count=2, blocks=2, tokens=4, tags=tags))
    seen, stats = [], []
    config = TrainConfig(steps=2, tasks_per_step=2, group_size=6, max_tokens=16, warmup=0, learning_rate=1e-2, micro_tokens=64)
    train(
        make_policy(),
        tmp_path,
        config,
        rollouts=forking,
        on_step=stats.append,
        on_rollouts=lambda step, rollouts: seen.extend(rollouts),
    )
    forked = [rollout for rollout in seen if rollout.parallel]
    assert len(forked) > 4
    assert all(len(block) == 2 for rollout in forked for block in rollout.parallel)
    assert all(len(rollout.tokens.sampled) > 2 for rollout in forked)  # tags that were put there are not learned
    assert all(step.streams["rl"].rollout_delta_max < 1e-4 for step in stats)


def test_no_tasks(make_policy, source) -> None:
    with pytest.raises(InputError, match="no tasks"):
        RolloutStream(dataclasses.replace(source, tasks=()), make_policy(), TrainConfig())
