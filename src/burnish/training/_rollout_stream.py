"""The stream of reinforcement learning: groups of fresh completions, judged, with advantages from their rewards.

Each rank samples and judges its part of the tasks; then all ranks hold all rows, so that groups, whitening and denominators
are those of the whole step wherever it is computed.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import msgspec
import torch

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.core.records import Sampling
from burnish.core.seeds import content_hash, derive_seed
from burnish.models.base import Policy
from burnish.objectives.shaping import informative
from burnish.training._crew import Crew
from burnish.training._estimates import Estimates
from burnish.training._rows import Row, View, positions_of
from burnish.training._streams import Delivery, Order, pass_indices
from burnish.training.config import TrainConfig
from burnish.training.curricula.history import History
from burnish.training.rollouts import Rollout, RolloutSource, collect, greedy_rewards


class RolloutStream:
    """Groups of completions on shuffled passes over the tasks."""

    name = "rl"

    def __init__(
        self,
        source: RolloutSource,
        policy: Policy,
        config: TrainConfig,
        crew: Crew = Crew(),
    ) -> None:
        if not source.tasks:
            raise InputError("There are no tasks to practise on.")
        self._estimates = Estimates(config, {"baseline"} | ({"token_reward", "segment_end"} if source.credit else set()))
        self.objective = self._estimates.objective
        self.scored_before = self._estimates.scored_before
        self.steps_per_pass = math.ceil(len(source.tasks) / config.tasks_per_step)
        self.fingerprint = content_hash(*(msgspec.json.encode(task) for task in source.tasks))
        self._curriculum = None if config.curriculum is None else find("curriculum", config.curriculum)
        self._source, self._policy, self._config, self._crew = source, policy, config, crew

    async def deliver(self, step: int, order: Order = Order()) -> Delivery:
        """Sample, judge, compare. Unscored completions are left out, so that they dilute nothing."""
        config, started = self._config, time.perf_counter()
        temperature = order.temperature or config.temperature
        pool = self.practised(order.history)
        chosen = [pool[index] for index in pass_indices(len(pool), config.tasks_per_step, config.seed, step)]
        sampling = Sampling(temperature=temperature, max_tokens=config.max_tokens)
        seed = derive_seed(config.seed, "rollouts", step)
        groups = await self._collect(chosen, sampling, seed)
        groups, dropped = await self._refilled(groups, chosen, pool, sampling, seed)
        seconds = time.perf_counter() - started
        rollouts, kept = [one for group in (*groups, *dropped) for one in group], sum(map(len, groups))
        names = [f"{rollout.task_id}#{number}" for number, rollout in enumerate(rollouts)]
        scored = [(number, rollout) for number, rollout in enumerate(rollouts[:kept]) if rollout.reward is not None]
        rows = [self._row(names[number], number // config.group_size, rollout) for number, rollout in scored]
        if rows:
            baselines = await self._baselines(groups, sampling) if "baseline" in self._estimates.needs else []
            rows = self._estimates.with_advantages(rows, order, temperature, baselines)
        if config.truncated == "mask":  # they count in the comparison of rewards all the same
            rows = [row for row, (_, rollout) in zip(rows, scored, strict=True) if rollout.stop_reason != "length"]
        outcomes = tuple((rollout.task_id, rollout.verdict.passed if rollout.verdict.scored else None) for rollout in rollouts)
        report = _report(rollouts, rows, len(groups) + len(dropped)) | {"rollout_s": seconds, "refilled": len(dropped)}
        return Delivery(rows, report, outcomes, _learned_from(dict(zip(names, rollouts, strict=True)), rows))

    def practised(self, history: History) -> list[int]:
        """Indices of the tasks that the curriculum wants next; none: there is nothing left to practise."""
        places = {task.id: index for index, task in enumerate(self._source.tasks)}
        return list(places.values()) if self._curriculum is None else [places[name] for name in self._curriculum(list(places), history)]

    async def _collect(self, chosen: Sequence[int], sampling: Sampling, seed: int) -> list[list[Rollout]]:
        """A group of rollouts for each task; this rank samples only its part."""
        crew, size = self._crew, self._config.group_size
        tasks = [self._source.tasks[index] for index in crew.mine(chosen)]
        own = await collect(self._policy, self._source, tasks, group_size=size, sampling=sampling, seed=seed) if tasks else []
        parts = crew.exchange(own)
        return [parts[n % crew.size][n // crew.size * size : (n // crew.size + 1) * size] for n in range(len(chosen))]

    async def _baselines(self, groups: Sequence[Sequence[Rollout]], sampling: Sampling) -> list[float]:
        """What the greedy answer to each group's task earns; NaN where it is unscored. This rank samples its part."""
        tasks = {task.id: task for task in self._source.tasks}
        own = [tasks[group[0].task_id] for group in self._crew.mine(groups)]
        parts = self._crew.exchange(await greedy_rewards(self._policy, self._source, own, sampling))
        found = [parts[number % self._crew.size][number // self._crew.size] for number in range(len(groups))]
        return [math.nan if reward is None else reward for reward in found]

    async def _refilled(
        self, groups: list[list[Rollout]], chosen: Sequence[int], pool: Sequence[int], sampling: Sampling, seed: int
    ) -> tuple[list[list[Rollout]], list[list[Rollout]]]:
        """The groups with those that teach nothing replaced as often as `refill` allows; and what was replaced.

        Other tasks of the pool come first, by a shuffle of their own; then those of the step again.
        """
        others = [index for index in pool if index not in set(chosen)]
        random.Random(derive_seed(seed, "refill")).shuffle(others)
        further, dropped = cycle([*others, *chosen]), list[list[Rollout]]()
        for number in range(self._config.refill):
            dead = [place for place, group in enumerate(groups) if not self._teaches(group)]
            if not dead:
                break
            fresh = await self._collect([next(further) for _ in dead], sampling, derive_seed(seed, "refill", number))
            for place, group in zip(dead, fresh, strict=True):
                dropped.append(groups[place])
                groups[place] = group
        return groups, dropped

    def _teaches(self, group: Sequence[Rollout]) -> bool:
        rewards = torch.tensor([math.nan if rollout.reward is None else rollout.reward for rollout in group])
        lengths = torch.tensor([float(sum(end - start for start, end in rollout.tokens.sampled)) for rollout in group])
        return bool(informative(self._estimates.shaped(rewards, lengths), torch.zeros(len(group), dtype=torch.int64)).any())

    def _row(self, name: str, group: int, rollout: Rollout) -> Row:
        credit = None if self._source.credit is None else tuple(zip(*self._source.credit(rollout), strict=True))
        return Row(
            id=name,
            ids=rollout.tokens.ids,
            positions=positions_of(f"The completion {name}", rollout.tokens.sampled),
            rollout=rollout.tokens.logprobs or None,
            reward=rollout.reward,
            credit=credit,
            correct=rollout.verdict.passed,
            group=group,
            view=View(blocks=rollout.parallel) if rollout.parallel else None,
        )


def _learned_from(rollouts: dict[str, Rollout], rows: Sequence[Row]) -> dict[str, Rollout]:
    """The rollouts with the advantages of their rows, one for each sampled token."""
    for row in rows:
        advantage = row.advantage if isinstance(row.advantage, tuple) else (row.advantage or 0.0,) * len(row.positions)
        rollouts[row.id] = msgspec.structs.replace(rollouts[row.id], advantage=advantage)
    return rollouts


def _report(rollouts: Sequence[Rollout], rows: Sequence[Row], groups: int) -> dict[str, Any]:
    rewards = [rollout.reward for rollout in rollouts if rollout.reward is not None]
    lengths = [len(rollout.tokens.ids) - rollout.tokens.sampled[0][0] for rollout in rollouts]
    logprobs = [logprob for rollout in rollouts for logprob in rollout.tokens.logprobs if logprob is not None]
    alive = {row.group for row in rows if not row.dead}
    newest = max((rollout.policy_version for rollout in rollouts), key=lambda version: (len(version), version))
    report: dict[str, Any] = {
        "unscored": len(rollouts) - len(rewards),
        "dead_groups": 1.0 - len(alive) / groups,
        "truncated": _share(rollout.stop_reason == "length" for rollout in rollouts),
        "response_tokens": sum(lengths) / len(rollouts),
        "stale": _share(rollout.policy_version != newest for rollout in rollouts),
        "reward_parts": {
            "passed": _share(rollout.verdict.passed for rollout in rollouts),
            "invalid": _share(rollout.verdict.status == "invalid" for rollout in rollouts),
            "score": _share(rollout.verdict.score or 0.0 for rollout in rollouts),
            **_credited(rows),
        },
    }
    if rewards:
        report["reward_mean"] = sum(rewards) / len(rewards)
    if logprobs:
        report["entropy"] = -sum(logprobs) / len(logprobs)
    return report


def _share(values: Any) -> float:
    found = [float(value) for value in values]
    return sum(found) / len(found)


def _credited(rows: Sequence[Row]) -> dict[str, float]:
    """Mean reward from inside of the answers, where there is such."""
    return {"credit": _share(sum(value for _, value in row.credit or ()) for row in rows)} if rows and rows[0].credit is not None else {}
