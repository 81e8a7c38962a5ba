"""Run a strategy over many tasks at once and write everything it does into a run store.

Each task gets `samples` episodes. Many episodes run concurrently so that the model and the judge stay busy. When an episode
ends, its attempts are labelled by all checks, hidden ones included; the strategy itself never sees those. A run that
was interrupted is continued by solving again into the same store: finished work is kept, errors are redone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from burnish.core import plugins
from burnish.core.budget import Budget, Meter
from burnish.core.errors import BudgetExceeded, InputError, PolicyError, SandboxError
from burnish.core.records import Attempt, Cost, Episode, EpisodeStatus, Record, Sampling, Task, Verdict, View
from burnish.models.base import Policy
from burnish.store.runs import RunStore
from burnish.strategies.base import Best, Judge, Strategy, Writer, episode_rng
from burnish.verifiers.base import Limits, Verifier, view

PARTS: tuple[View, ...] = ("visible", "hidden")
"""What a label consists of."""


class SolveConfig(Record):
    """How tasks are solved. Two runs with the same config, tasks, policy weights and seed give the same forests."""

    strategy: str = "self_debug"
    options: dict[str, Any] = {}
    samples: int = 1
    sampling: Sampling = Sampling(temperature=0.8)
    budget: Budget = Budget()
    limits: Limits = Limits()
    seed: int = 0
    concurrency: int = 256

    def check(self) -> None:
        """Raise `UnknownName` or `InputError` for a strategy or an option that does not exist, before any work is done."""
        plugins.check_options(plugins.find("strategy", self.strategy), self.options, f"strategy {self.strategy!r}")


class Progress(Record):
    """Where a run stands: finished episodes, those whose answer passes all checks, faulty ones, sampled tokens.

    `judge_s` are the judge's seconds since the run was started or resumed.
    """

    done: int
    total: int
    solved: int
    errors: int
    tokens: int
    judge_s: float = 0.0


async def solve(
    tasks: Sequence[Task],
    policy: Policy,
    verifier: Verifier,
    store: RunStore,
    config: SolveConfig = SolveConfig(),
    *,
    teacher: Policy | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Solve `tasks` into `store`. Call again with the same arguments to resume. `teacher` is who strategies may ask for repairs.

    Raises `InputError` if there is nothing to solve, or if the strategy cannot solve such tasks. A model or sandbox fault ends
    its episode with status `error`.
    """
    if not tasks:
        raise InputError("There are no tasks to solve. Check the task set's name, split and limit.")
    strategy: Strategy = plugins.find("strategy", config.strategy)
    store.add_tasks(tasks)
    finished = {episode.id: episode for episode in store.episodes() if episode.status != "error"}
    runner = _Runner(policy, verifier, store, strategy, config, teacher)
    tally = _Tally(len(tasks) * config.samples, store, on_progress)
    gate = asyncio.Semaphore(config.concurrency)

    async def one(task: Task, index: int) -> None:
        episode_id = f"{task.id}#{index}"
        async with gate:
            episode = finished.get(episode_id) or await runner.episode(task, index, episode_id)
        tally.add(episode, runner.judge_s)

    try:
        async with asyncio.TaskGroup() as group:
            for index in range(config.samples):
                for task in tasks:
                    group.create_task(one(task, index))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None  # the first one; the others were cancelled for it


class _Runner:
    """Runs single episodes: the strategy first, on the public side of the task; then the labels, by the hidden checks."""

    def __init__(
        self, policy: Policy, verifier: Verifier, store: RunStore, strategy: Strategy, config: SolveConfig, teacher: Policy | None
    ) -> None:
        self.policy, self.verifier, self.store, self.strategy, self.config = policy, verifier, store, strategy, config
        self.teacher = teacher
        self.judge_s = 0.0

    async def episode(self, task: Task, index: int, episode_id: str) -> Episode:
        config, meter = self.config, Meter(self.config.budget)
        writer = Writer(
            self.policy,
            task.public(),
            episode_id,
            sampling=config.sampling,
            seed=config.seed,
            meter=meter,
            log=self.store,
            teacher=self.teacher,
        )
        judge = Judge(self.verifier, task.public(), limits=config.limits, meter=meter, log=self.store)
        answer, status, detail = await self._search(task, episode_id, writer, judge, meter)
        self.judge_s += meter.verifier_s
        labels = await asyncio.gather(
            *(self._label(task, attempt, part) for attempt in writer.attempts if attempt.is_answer for part in PARTS)
        )
        if any(verdict.status == "error" for verdict in (*labels, *judge.verdicts.values())):
            status, detail = "error", detail or "the judge failed on an attempt of this episode"
        cost = sum((attempt.cost for attempt in writer.attempts), Cost())
        answer_id = answer.id if answer else None
        episode = Episode(id=episode_id, task_id=task.id, index=index, status=status, answer=answer_id, detail=detail, cost=cost)
        self.store.add_episode(episode)
        return episode

    async def _search(
        self, task: Task, episode_id: str, writer: Writer, judge: Judge, meter: Meter
    ) -> tuple[Attempt | None, EpisodeStatus, str]:
        rng = episode_rng(self.config.seed, episode_id)
        try:
            return await self.strategy(task.public(), writer, judge, meter, rng, **self.config.options), "done", ""
        except BudgetExceeded as spent:
            judged = [(attempt, judge.verdicts[attempt.id]) for attempt in writer.attempts if attempt.id in judge.verdicts]
            return (Best(*judged).judged[0] if judged else None), "budget", str(spent)
        except (PolicyError, SandboxError) as fault:
            return None, "error", f"{type(fault).__name__}: {fault}"

    async def _label(self, task: Task, attempt: Attempt, part: View) -> Verdict:
        """The verdict on a part of the checks: the strategy's own on the visible ones if it asked for one."""
        known = self.store.verdict(attempt.id, part)
        if known is not None and known.status != "error":
            return known
        verdict = await self.verifier.averify(view(task, part), attempt.artefacts.get("code", ""), limits=self.config.limits)
        self.judge_s += verdict.cost.wall_s
        self.store.add_verdict(attempt.id, part, verdict)
        return verdict


class _Tally:
    """Counts what is finished and tells the caller after each episode."""

    def __init__(self, total: int, store: RunStore, on_progress: Callable[[Progress], None]) -> None:
        self.total, self.store, self.on_progress = total, store, on_progress
        self.done = self.solved = self.errors = self.tokens = 0

    def add(self, episode: Episode, judge_s: float) -> None:
        self.done += 1
        self.errors += episode.status == "error"
        self.tokens += episode.cost.tokens_out
        if episode.answer is not None:
            self.solved += self.store.label(episode.answer).passed
        self.on_progress(
            Progress(done=self.done, total=self.total, solved=self.solved, errors=self.errors, tokens=self.tokens, judge_s=judge_s)
        )
