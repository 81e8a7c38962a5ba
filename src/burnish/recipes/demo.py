"""The main job in one piece: measure, collect self-debug runs, curate, train (SFT, then GRPO), measure again, report.

LeDex (arXiv 2405.18649) in miniature on `first-functions`: the model learns from its own verified programs and repairs, on the
training concepts only; both measurements are on held-out concepts by hidden tests, with the same prompts and seeds. Every
value here is ours (`provenance`: none is the paper's). Every stage resumes; a finished stage is not repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from burnish.core import plugins
from burnish.core.records import Example, Task
from burnish.core.seeds import derive_seed
from burnish.curation.ledex import ledex
from burnish.evaluation import Evaluation, compare, evaluate
from burnish.models import load as load_model
from burnish.recipes._demo_records import DemoConfig, DemoResult
from burnish.recipes._demo_report import report_page
from burnish.runs import Progress, SolveConfig, open_run, solve
from burnish.signals.prompts import ask
from burnish.signals.rewards import shaped
from burnish.store.files import write_atomic
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore
from burnish.tasks import load as load_tasks
from burnish.text.code import program_in
from burnish.training.config import TrainConfig
from burnish.training.journal import record_rollouts
from burnish.training.rollouts import Rollout, RolloutSource
from burnish.training.stats import StepStats, numbers
from burnish.verifiers.base import Verifier
from burnish.viewer import write_html

Stage = Callable[[str], AbstractContextManager[Callable[[int, int, str], None]]]
"""Given a stage's title, a context that yields `update(done, total, note)`."""


def demo(folder: Path, config: DemoConfig = DemoConfig(), *, resume: bool = False, stage: Stage) -> DemoResult:
    """Run the demo in `folder` and write `report.html` and `result.json` there.

    Raises `InputError` if the folder holds a demo and `resume` is not set, or one with another config.
    """
    test = _spread(load_tasks(f"{config.tasks}:test"), config.test_tasks)
    train = _spread(load_tasks(f"{config.tasks}:train"), config.train_tasks)
    manifest = {"kind": "demo", "config": msgspec.to_builtins(config)}
    with open_run(folder / "train", manifest, resume=resume) as log:
        with stage("load the model"):
            policy = load_model(config.model)
        work = _Work(folder, config, policy, plugins.find("verifier", train[0].kind), log, stage)
        before = work.solve("1/6 measure the model on held-out tasks", "before", test, config.test_samples)
        work.solve("2/6 collect self-debug runs", "collect", train, config.train_samples)
        examples = work.curate("3/6 curate")
        work.train("4/6 learn what was verified (SFT)", "sft", config.sft, examples=examples)
        checkpoint = work.train("5/6 learn by trial (GRPO)", "grpo", config.grpo, rollouts=work.rollout_source(train))
        after = work.solve("6/6 measure the trained model", "after", test, config.test_samples)
        asyncio.run(policy.aclose())
        result = DemoResult(
            config=config,
            before=before,
            after=after,
            first=compare(before, after, which="first"),
            repaired=compare(before, after, which="answers"),
            examples=dict(Counter(example.kind for example in examples)),
            seconds=work.seconds(),
            checkpoint=str(checkpoint),
            report=str(folder / "report.html"),
        )
        write_html(folder / "report.html", report_page(result, log, folder / "collect", examples))
        write_atomic(folder / "result.json", [msgspec.json.format(msgspec.json.encode(result))])
    return result


def _spread(tasks: list[Task], count: int | None) -> list[Task]:
    """`count` tasks at even distances, so that every family stays in; all of them for None."""
    if count is None or count >= len(tasks):
        return tasks
    return [tasks[index * len(tasks) // count] for index in range(count)]


@dataclass(frozen=True)
class _Work:
    """What the stages share. Each stage notes its seconds in the log, so that a resumed demo knows them all."""

    folder: Path
    config: DemoConfig
    policy: Any
    verifier: Verifier
    log: RunStore
    stage: Stage

    def solve(self, title: str, name: str, tasks: Sequence[Task], samples: int) -> Evaluation:
        config = self.config
        solving = SolveConfig(
            samples=samples, sampling=config.sampling, seed=derive_seed(config.seed, "solve"), options={"rounds": config.rounds}
        )
        manifest = {"kind": "solve", "model": self.policy.name, "tasks": config.tasks, "config": msgspec.to_builtins(solving)}
        with self._timed(title, name) as update, open_run(self.folder / name, manifest, resume=True) as store:

            def show(now: Progress) -> None:
                update(now.done, now.total, f"solved {now.solved}")

            asyncio.run(solve(tasks, self.policy, self.verifier, store, solving, on_progress=show))
            return evaluate(store)

    def curate(self, title: str) -> list[Example]:
        with self._timed(title, "curate"), RunStore.open(self.folder / "collect") as store:
            examples = ledex(store, per_task=self.config.per_task, repaired_answers=True, seed=self.config.seed)
        write_records(self.folder / "examples.jsonl", examples)
        return examples

    def train(self, title: str, name: str, config: TrainConfig, **data: Any) -> Path:
        from burnish.training.trainer import train  # torch is imported only when a demo really runs

        seeded = msgspec.structs.replace(config, seed=self.config.seed, temperature=self.config.sampling.temperature, extendable=False)
        with self._timed(title, name) as update:

            def note(stats: StepStats) -> None:
                self.log.add_metrics(name, stats.step, numbers(stats))
                reward = next((stream.reward_mean for stream in stats.streams.values() if stream.reward_mean is not None), None)
                update(stats.step, stats.steps, f"loss {stats.loss:.3f}" if reward is None else f"reward {reward:.3f}")

            def keep(step: int, rollouts: Sequence[Rollout]) -> None:
                record_rollouts(self.log, data["rollouts"], step, rollouts, policy=self.policy.name)

            return train(self.policy, self.folder / name, seeded, resume=True, on_step=note, on_rollouts=keep, **data).checkpoint

    def rollout_source(self, tasks: Sequence[Task]) -> RolloutSource:
        return RolloutSource(verifier=self.verifier, tasks=tasks, messages=ask, extract=program_in, reward=shaped)

    def seconds(self) -> dict[str, float]:
        """Seconds per stage, over all the times it was run."""
        total: Counter[str] = Counter()
        for event in self.log.events("stage"):
            total[event["name"]] += event["seconds"]
        return dict(total)

    @contextmanager
    def _timed(self, title: str, name: str) -> Iterator[Callable[[int, int, str], None]]:
        started = time.perf_counter()
        with self.stage(title) as update:
            yield update
        self.log.add_event("stage", {"name": name, "seconds": time.perf_counter() - started})
