"""What staged recipes share: stages that are timed, resumed and not repeated, around one model that is trained in place."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from burnish.core import plugins
from burnish.core.records import Example, Task
from burnish.models._memory import give_back
from burnish.models.base import Policy
from burnish.recipes.base import Stage
from burnish.runs import Part, Progress, SolveConfig, open_run, solve_together
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import RunStore
from burnish.training.config import TrainConfig
from burnish.training.files import read_config
from burnish.training.journal import record_rollouts
from burnish.training.rollouts import Rollout
from burnish.training.stats import StepStats, numbers


def spread(tasks: list[Task], count: int | None) -> list[Task]:
    """`count` tasks at even distances, so that every family stays in; all of them for None."""
    if count is None or count >= len(tasks):
        return tasks
    return [tasks[index * len(tasks) // count] for index in range(count)]


class Trial(NamedTuple):
    """A run to be made: the name of its folder, its tasks, the set that they are of, and how they are solved."""

    name: str
    tasks: Sequence[Task]
    of: str
    config: SolveConfig


@dataclass(frozen=True)
class Work:
    """What the stages share. Each stage notes its seconds in the log, so that a resumed recipe knows them all."""

    folder: Path
    policy: Any
    log: RunStore
    stage: Stage

    def solve(
        self,
        title: str,
        name: str,
        tasks: Sequence[Task],
        config: SolveConfig,
        *,
        of: str,
        policy: Policy | None = None,
        teacher: Policy | None = None,
    ) -> Path:
        """Solve the tasks of the set `of` into the run `name` and give its folder. `policy`: another model than the trained one."""
        (folder,) = self.solve_together(title, name, [Trial(name, tasks, of, config)], policy=policy, teacher=teacher)
        return folder

    def solve_together(
        self, title: str, stage: str, trials: Sequence[Trial], *, policy: Policy | None = None, teacher: Policy | None = None
    ) -> list[Path]:
        """The same for several runs at once."""
        writer, parts = policy or self.policy, list[Part]()
        with ExitStack() as stack:
            update = stack.enter_context(self.timed(title, stage))
            for name, tasks, of, config in trials:
                noted = {"kind": "solve", "model": writer.name, "tasks": of, "config": msgspec.to_builtins(config)}
                store = stack.enter_context(open_run(self.folder / name, noted, resume=True))
                parts.append(Part(tasks, plugins.find("verifier", tasks[0].kind), store, config))

            def show(now: Progress) -> None:
                update(now.done, now.total, f"solved {now.solved}")

            asyncio.run(solve_together(parts, writer, teacher=teacher, on_progress=show))
        return [self.folder / trial.name for trial in trials]

    def examples(self, title: str, name: str, file: str, make: Callable[[], Sequence[Example]]) -> list[Example]:
        """The examples in `file`, made if it is not there: the stage `name`."""
        path = self.folder / file
        if not path.exists():
            with self.timed(title, name):
                write_records(path, make())
        return list(read_records(path, Example))

    def train(self, title: str, name: str, config: TrainConfig, **data: Any) -> Path:
        """Train the model in place and give its checkpoint. A finished training is only loaded."""
        from burnish.training.trainer import train  # torch is imported only when a recipe really runs

        with self.timed(title, name) as update:

            def note(stats: StepStats) -> None:
                self.log.add_metrics(name, stats.step, numbers(stats))
                earned = [stream.reward_parts.get("credit", stream.reward_mean) for stream in stats.streams.values()]
                reward = next((value for value in earned if value is not None), None)
                update(stats.step, stats.steps, f"loss {stats.loss:.3f}" if reward is None else f"reward {reward:.3f}")

            def keep(step: int, rollouts: Sequence[Rollout]) -> None:
                record_rollouts(self.log, data["rollouts"], step, rollouts, policy=self.policy.name)

            trained = train(self.policy, self.folder / name, config, resume=True, on_step=note, on_rollouts=keep, **data)
            give_back()
            return trained.checkpoint

    def seconds(self) -> dict[str, float]:
        """Seconds per stage, over all the times it was run."""
        total: Counter[str] = Counter()
        for event in self.log.events("stage"):
            total[event["name"]] += event["seconds"]
        return dict(total)

    @contextmanager
    def timed(self, title: str, name: str) -> Iterator[Callable[[int, int, str], None]]:
        """Show a stage, and note its seconds, also where it is stopped."""
        started = time.perf_counter()
        try:
            with self.stage(title) as update:
                yield update
        finally:
            self.log.add_event("stage", {"name": name, "seconds": time.perf_counter() - started})


def trainer_settings(config: TrainConfig, further: Mapping[str, Any]) -> TrainConfig:
    """The config with `further` settings of the trainer. Raises `InputError` for one that it does not have."""
    return read_config({**msgspec.to_builtins(config), **further})
