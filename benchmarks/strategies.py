"""What do the strategies solve for the same number of tokens, and do they keep the model busy?

    python -m benchmarks.strategies --out runs/benchmark-strategies

Every strategy gets the same tasks, the same tokens per task and the same seeds. Solved means: the answer handed in passes all
tests, hidden ones included. Rates are means over the seeds, with intervals by bootstrap over tasks. The second part runs
`busy_tasks` tasks at once (0: none) and measures in which share of the time the model had a request to work on: the rest is
what the judge and the strategies cost. A run that was interrupted goes on where it was. `--quick` is a small form.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import tyro

from burnish.cli._console import progress
from burnish.core import plugins
from burnish.core.budget import Budget
from burnish.core.records import Sampling, Task
from burnish.evaluation import Evaluation, Interval, bootstrap_interval, evaluate
from burnish.models import Completion, Policy, Request
from burnish.models import load as load_model
from burnish.runs import Progress, SolveConfig, open_run, solve
from burnish.signals.prompts import STOP
from burnish.tasks import load as load_tasks

SETS = {"first-functions:test": 60, "humaneval": 40}
"""Task sets and how many of each: every n-th task, over the whole set."""


@dataclass
class Options:
    """What to run. `tokens` is the budget per task, `max_tokens` that of one completion."""

    strategies: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    tasks: int = 100
    tokens: int = 1024
    max_tokens: int = 192
    busy_tasks: int = 64
    model: str = "embedded"
    out: Path = Path("runs/benchmark-strategies")
    quick: bool = False


class Watched:
    """A policy that measures how long at least one request of it is in flight."""

    def __init__(self, policy: Policy) -> None:
        self._policy, self.name, self.renderer = policy, policy.name, policy.renderer
        self.busy_s, self._in_flight, self._since = 0.0, 0, 0.0

    @property
    def version(self) -> str:
        return self._policy.version

    async def generate(self, request: Request) -> Completion:
        if not self._in_flight:
            self._since = time.perf_counter()
        self._in_flight += 1
        try:
            return await self._policy.generate(request)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self.busy_s += time.perf_counter() - self._since

    async def aclose(self) -> None:
        await self._policy.aclose()


def main(options: Options) -> None:
    """Solve what is not solved yet, print the table and write `result.json`."""
    if options.quick:
        options.seeds, options.tasks, options.tokens = options.seeds[:1], min(options.tasks, 4), 256
        options.busy_tasks = min(options.busy_tasks, 8)
    names = options.strategies or tuple(plugins.names("strategy"))
    tasks = _tasks(options.tasks)
    policy = load_model(options.model)
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        found = [_solve(options, policy, name, tasks, seed) for seed in options.seeds]
        rows[name] = _row(found)
    busy = _busy(options, policy) if options.busy_tasks else None
    asyncio.run(policy.aclose())
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    shown = {"machine": machine, "model": options.model, "tasks": len(tasks), "seeds": options.seeds, "tokens": options.tokens}
    print(f"{len(tasks)} tasks, seeds {list(options.seeds)}, {options.tokens} tokens per task, model {options.model}; {machine}")
    print(_table(rows))
    if busy is not None:
        print(f"{options.busy_tasks} tasks at once: a request was in flight in {busy:.1%} of the time")
    (options.out / "result.json").write_text(json.dumps({**shown, "strategies": rows, "busy": busy}, indent=2))


def _tasks(count: int) -> list[Task]:
    """`count` tasks of the sets, in the proportion of `SETS`, spread over each set."""
    chosen: list[Task] = []
    for name, most in SETS.items():
        loaded = load_tasks(name)
        wanted = max(1, round(most * min(count, 100) / 100))
        chosen += [loaded[index * len(loaded) // wanted] for index in range(min(wanted, len(loaded)))]
    return chosen


def _solve(options: Options, policy: Policy, name: str, tasks: Sequence[Task], seed: int) -> Evaluation:
    sampling = Sampling(temperature=0.8, max_tokens=options.max_tokens, stop=STOP)
    config = SolveConfig(strategy=name, sampling=sampling, budget=Budget(tokens=options.tokens), seed=seed)
    manifest = {"kind": "solve", "model": options.model, "tasks": [task.id for task in tasks], "config": msgspec.to_builtins(config)}
    with open_run(options.out / f"{name}-{seed}", manifest, resume=True) as store, progress(f"{name}, seed {seed}") as update:

        def note(now: Progress) -> None:
            update(now.done, now.total, f"solved {now.solved}")

        asyncio.run(solve(tasks, policy, plugins.find("verifier", tasks[0].kind), store, config, on_progress=note))
        return evaluate(store)


def _row(found: Sequence[Evaluation]) -> dict[str, Any]:
    """One strategy's figures over all seeds."""
    rates: dict[str, list[float]] = {}
    for evaluation in found:
        for row in evaluation.per_task:
            rates.setdefault(row.task_id, []).append(row.passed / max(row.scored, 1))
    rate = bootstrap_interval([statistics.fmean(values) for values in rates.values()], seed=0)
    tokens = sum(row.tokens for evaluation in found for row in evaluation.per_task)
    judge_s = sum(row.judge_s for evaluation in found for row in evaluation.per_task)
    solved = sum(row.passed > 0 for evaluation in found for row in evaluation.per_task)
    per_solved = {"tokens per solved": tokens / solved, "judge s per solved": judge_s / solved} if solved else {}
    return {"solved": msgspec.to_builtins(rate), "tokens": tokens, "judge_s": judge_s, **per_solved}


def _busy(options: Options, policy: Policy) -> float:
    """Share of the time in which a request was in flight while `busy_tasks` tasks were debugged at once."""
    watched = Watched(policy)
    loaded = load_tasks("first-functions")
    tasks = [loaded[index % len(loaded)] for index in range(min(options.busy_tasks, len(loaded)))]
    sampling = Sampling(temperature=0.8, max_tokens=options.max_tokens, stop=STOP)
    config = SolveConfig(strategy="self_debug", options={"rounds": 2}, sampling=sampling, concurrency=options.busy_tasks)
    folder = options.out / f"busy-{time.time_ns()}"
    with open_run(folder, {"kind": "busy"}, resume=False) as store:
        started = time.perf_counter()
        asyncio.run(solve(tasks, watched, plugins.find("verifier", tasks[0].kind), store, config))
        return watched.busy_s / (time.perf_counter() - started)


def _table(rows: dict[str, dict[str, Any]]) -> str:
    """The figures as a Markdown table, ready for a page."""
    lines = ["| strategy | solved | tokens | judge s | tokens per solved | judge s per solved |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        rate = msgspec.convert(row["solved"], Interval)
        costs = [f"{row[key]:.0f}" if key in row else "-" for key in ("tokens per solved", "judge s per solved")]
        solved = f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]"
        lines.append(f"| {name} | {solved} | {row['tokens']} | {row['judge_s']:.0f} | {costs[0]} | {costs[1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(tyro.cli(Options))
