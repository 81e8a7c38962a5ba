"""Streams: where the rows of each step come from. What a stream delivers is a function of the step number and the weights.

So a resumed run needs no cursor beside the step: orders and seeds are derived, never stored.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import torch

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.core.records import Example, Sampling
from burnish.core.seeds import content_hash, derive_seed
from burnish.models.base import Policy, Renderer
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.training._objective import Objective, objective
from burnish.training._rows import Row, positions_of, supervised_row
from burnish.training.config import TrainConfig
from burnish.training.rollouts import Rollout, RolloutSource, collect


@dataclass(frozen=True)
class Delivery:
    """The rows of one step, and what the stream has to report about them (fields of `StreamStats`)."""

    rows: list[Row]
    report: dict[str, float] = field(default_factory=dict)


class Stream(Protocol):
    """One source of training rows with its own objective and its own denominators."""

    name: str
    objective: Objective
    steps_per_pass: int
    fingerprint: str

    async def deliver(self, step: int) -> Delivery:
        """The rows of step number `step`, from 0."""
        ...


class SupervisedStream:
    """Examples in shuffled passes; the last batch of a pass may be smaller."""

    name = "sft"

    def __init__(self, examples: Sequence[Example], renderer: Renderer, config: TrainConfig) -> None:
        """Raises `InputError` if there is no example, or one without a token to learn."""
        if not examples:
            raise InputError("There are no examples to learn from. Check the query or the file that they come from.")
        provides = frozenset({"reference", "entropy"})
        self.objective = objective(config.sft_loss, {}, stream=self.name, provides=provides, aggregation=config.aggregation)
        self.steps_per_pass = math.ceil(len(examples) / config.batch_size)
        self.fingerprint = content_hash(*(msgspec.json.encode(example) for example in examples))
        self._rows = [supervised_row(example, renderer) for example in examples]
        self._config = config

    async def deliver(self, step: int) -> Delivery:
        """The examples of this step."""
        chosen = pass_indices(len(self._rows), self._config.batch_size, self._config.seed, step)
        return Delivery([self._rows[index] for index in chosen])


class RolloutStream:
    """Groups of fresh completions on shuffled passes over the tasks, with advantages from their rewards."""

    name = "rl"

    def __init__(
        self,
        source: RolloutSource,
        policy: Policy,
        config: TrainConfig,
        on_rollouts: Callable[[int, Sequence[Rollout]], None] | None = None,
    ) -> None:
        """`on_rollouts(step, rollouts)` sees everything that was sampled, scored or not."""
        if not source.tasks:
            raise InputError("There are no tasks to practise on.")
        self.objective = objective(
            config.rl_loss,
            config.rl_options,
            stream=self.name,
            provides=frozenset({"advantage", "old", "rollout", "reference", "entropy", "group", "reward"}),
            aggregation=config.aggregation,
            temperature=config.temperature,
            kl=config.kl,
        )
        self.steps_per_pass = math.ceil(len(source.tasks) / config.tasks_per_step)
        self.fingerprint = content_hash(*(msgspec.json.encode(task) for task in source.tasks))
        self._advantage: Advantage = find("advantage", config.advantage)
        self._source, self._policy, self._config, self._on_rollouts = source, policy, config, on_rollouts

    async def deliver(self, step: int) -> Delivery:
        """Sample, judge, compare. Unscored completions are left out, so that they dilute nothing."""
        config = self._config
        chosen = pass_indices(len(self._source.tasks), config.tasks_per_step, config.seed, step)
        tasks = [self._source.tasks[index] for index in chosen]
        sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens)
        seed = derive_seed(config.seed, "rollouts", step)
        started = time.perf_counter()
        rollouts = await collect(self._policy, self._source, tasks, group_size=config.group_size, sampling=sampling, seed=seed)
        seconds = time.perf_counter() - started
        if self._on_rollouts is not None:
            self._on_rollouts(step, rollouts)
        group = [number // config.group_size for number in range(len(rollouts))]
        rewards = torch.tensor([torch.nan if rollout.reward is None else rollout.reward for rollout in rollouts])
        samples = AdvantageBatch(reward=rewards, group=torch.tensor(group))
        advantages = self._advantage.function(samples, self._advantage.options({})).tolist()
        rows = [_row(number, config.group_size, rollout, advantages[number]) for number, rollout in enumerate(rollouts)]
        report = _report(rollouts, group, advantages) | {"rollout_s": seconds}
        return Delivery([row for row in rows if row is not None], report)


def _row(number: int, group_size: int, rollout: Rollout, advantage: float) -> Row | None:
    if rollout.reward is None:
        return None
    name = f"{rollout.task_id}#{number % group_size}"
    return Row(
        id=name,
        ids=rollout.tokens.ids,
        positions=positions_of(f"The completion {name}", rollout.tokens.sampled),
        rollout=rollout.tokens.logprobs,
        advantage=advantage,
        reward=rollout.reward,
        group=number // group_size,
    )


def _report(rollouts: Sequence[Rollout], group: Sequence[int], advantages: Sequence[float]) -> dict[str, float]:
    rewards = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    logprobs = [logprob for rollout in rollouts for logprob in rollout.tokens.logprobs]
    alive = {number for number, advantage in zip(group, advantages, strict=True) if advantage}
    report = {
        "unscored": len(rollouts) - len(rewards),
        "dead_groups": 1.0 - len(alive) / len(set(group)),
        "truncated": sum(rollout.stop_reason == "length" for rollout in rollouts) / len(rollouts),
        "response_tokens": len(logprobs) / len(rollouts),
    }
    if rewards:
        report["reward_mean"] = sum(rewards) / len(rewards)
    if logprobs:
        report["entropy"] = -sum(logprobs) / len(logprobs)
    return report


def pass_indices(count: int, batch: int, seed: int, step: int) -> list[int]:
    """Indices of step number `step` when `count` items are gone through in passes, each shuffled by its own seed."""
    number, within = divmod(step, math.ceil(count / batch))
    order = list(range(count))
    random.Random(derive_seed(seed, "pass", number)).shuffle(order)
    return order[within * batch : (within + 1) * batch]
