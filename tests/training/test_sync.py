"""After training steps an engine with a module of its own samples as the trainer would, once it has the weights."""

from __future__ import annotations

import asyncio

import pytest
import torch

from burnish.core.records import Sampling
from burnish.models.base import Request
from burnish.models.weights import sync
from burnish.training.config import TrainConfig
from burnish.training.trainer import train


def prompts(policy, source) -> list[tuple[int, ...]]:
    return [policy.renderer.render(source.messages(task)) for task in source.tasks]


def engine_says(policy, source):
    async def gather():
        greedy = Sampling(temperature=0.0, max_tokens=10)
        asked = [Request(prompt_ids=ids, sampling=greedy) for ids in prompts(policy, source)]
        return list(await asyncio.gather(*map(policy.generate, asked)))

    return asyncio.run(gather())


def trainer_says(policy, source) -> list[tuple[int, ...]]:
    said = []
    for prompt in prompts(policy, source):
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        whole = policy.model.generate(ids, attention_mask=mask, max_new_tokens=10, do_sample=False, eos_token_id=1, pad_token_id=0)
        said.append(tuple(whole[0, len(prompt) :].tolist()))
    return said


@pytest.mark.parametrize(("lora", "rate"), [(None, 1e-2), (4, 5e-2)])
def test_an_engine_of_its_own_follows_the_trainer(make_policy, source, tmp_path, lora, rate) -> None:
    policy, engine, stats = make_policy(), make_policy(), []
    config = TrainConfig(
        learning_rate=rate,
        tasks_per_step=4,
        group_size=6,
        max_tokens=6,
        warmup=0,
        steps=4,
        schedule="constant",
        lora=lora,
        updates_per_step=2,
    )
    before = engine_says(engine, source)
    train(policy, tmp_path, config, rollouts=source, on_step=stats.append)
    sync(policy.model, engine, version="step-4")
    after, own = engine_says(engine, source), engine_says(policy, source)
    assert [answer.ids for answer in after] == trainer_says(policy, source) == [answer.ids for answer in own]
    assert [answer.ids for answer in before] != [answer.ids for answer in after]
    assert {answer.policy_version for answer in after} == {"step-4"}
    assert {answer.policy_version for answer in own} == {policy.version}
    assert all(step.streams["rl"].rollout_delta < 1e-5 for step in stats)  # in place: sampler and trainer are one module
    assert all(step.streams["rl"].update_kl > 0 for step in stats)
