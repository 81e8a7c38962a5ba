"""Does the main job make the model better? Several seeds of the demo, and HumanEval before and after as a transfer figure.

    python -m benchmarks.demo --seeds 0 1 2 --out runs/benchmark-demo

Every seed is a whole demo (other samples, other order of data). The gain per held-out task is averaged over the seeds and its
interval is a bootstrap over tasks, so that a lucky seed cannot carry it. HumanEval is sampled once per problem and seed.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tyro

from burnish.cli._console import progress
from burnish.core import plugins
from burnish.core.records import Sampling
from burnish.evaluation import Evaluation, Interval, bootstrap_interval, evaluate, paired_interval
from burnish.models import load as load_model
from burnish.recipes._demo_records import DemoConfig, DemoResult
from burnish.recipes.demo import demo
from burnish.runs import SolveConfig, open_run, solve
from burnish.signals.prompts import STOP
from burnish.tasks import load as load_tasks


@dataclass
class Options:
    """What to run."""

    seeds: tuple[int, ...] = (0, 1, 2)
    out: Path = Path("runs/benchmark-demo")
    humaneval: bool = True


def main(options: Options) -> None:
    """Run every seed (resuming what is there) and print one table; the figures also go to `result.json`."""
    results = {seed: _demo(options, seed) for seed in options.seeds}
    rows = {"first answer": _gain(results, "first_passed", "first_scored"), "after one repair": _gain(results, "passed", "scored")}
    if options.humaneval:
        rows["HumanEval, first answer"] = _humaneval(options, results)
    cores = len(os.sched_getaffinity(0))
    machine = f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"
    print(f"{len(results)} seeds {list(results)}; {machine}")
    print(f"{'pass@1':<26}{'before':>24}{'after':>24}{'gain':>26}")
    for name, (before, after, gain) in rows.items():
        print(f"{name:<26}{_show(before):>24}{_show(after):>24}{_show(gain, sign=True):>26}")
    for seed, result in results.items():
        gain = result.first.gain
        print(
            f"seed {seed}: {result.first.before.value:.3f} -> {result.first.after.value:.3f}, gain {_show(gain, sign=True)}, "
            f"{sum(result.seconds.values()):.0f} s, examples {result.examples}"
        )
    figures = {name: dict(zip(("before", "after", "gain"), map(msgspec.to_builtins, row), strict=True)) for name, row in rows.items()}
    (options.out / "result.json").write_text(json.dumps({"machine": machine, "seeds": list(results), "pass@1": figures}, indent=2))


def _demo(options: Options, seed: int) -> DemoResult:
    return demo(options.out / f"seed-{seed}", DemoConfig(seed=seed), resume=True, stage=lambda title: progress(f"seed {seed}: {title}"))


def _gain(results: dict[int, DemoResult], passed: str, scored: str) -> tuple[Interval, Interval, Interval]:
    def mean_per_task(side: str) -> dict[str, float]:
        rates: dict[str, list[float]] = {}
        for result in results.values():
            for row in getattr(result, side).per_task:
                rates.setdefault(row.task_id, []).append(getattr(row, passed) / max(getattr(row, scored), 1))
        return {task: statistics.fmean(values) for task, values in rates.items()}

    return _compare(mean_per_task("before"), mean_per_task("after"))


def _compare(before: dict[str, float], after: dict[str, float]) -> tuple[Interval, Interval, Interval]:
    one, other = list(before.values()), [after[task] for task in before]
    return bootstrap_interval(one, seed=0), bootstrap_interval(other, seed=0), paired_interval(one, other, seed=0)


def _humaneval(options: Options, results: dict[int, DemoResult]) -> tuple[Interval, Interval, Interval]:
    sides: dict[str, dict[str, list[float]]] = {"before": {}, "after": {}}
    for seed, result in results.items():
        for side, model in (("before", "embedded"), ("after", result.checkpoint)):
            for row in _solve_humaneval(options.out / f"seed-{seed}" / f"humaneval-{side}", model, seed).per_task:
                sides[side].setdefault(row.task_id, []).append(row.first_passed / max(row.first_scored, 1))
    means = {side: {task: statistics.fmean(values) for task, values in tasks.items()} for side, tasks in sides.items()}
    return _compare(means["before"], means["after"])


def _solve_humaneval(folder: Path, model: str, seed: int) -> Evaluation:
    tasks = load_tasks("humaneval")
    config = SolveConfig(strategy="sample", sampling=Sampling(temperature=0.8, max_tokens=320, stop=STOP), seed=seed)
    with open_run(folder, {"kind": "solve", "model": model, "tasks": "humaneval", "seed": seed}, resume=True) as store:
        if len(store.episodes()) < len(tasks):
            policy = load_model(model)
            with progress(f"seed {seed}: HumanEval, {folder.name}") as update:
                verifier = plugins.find("verifier", tasks[0].kind)
                note = lambda now: update(now.done, now.total, f"solved {now.solved}")  # noqa: E731
                asyncio.run(solve(tasks, policy, verifier, store, config, on_progress=note))
            asyncio.run(policy.aclose())
        return evaluate(store)


def _show(interval: Interval, *, sign: bool = False) -> str:
    form = "{:+.3f}" if sign else "{:.3f}"
    return f"{form.format(interval.value)} [{form.format(interval.low)}, {form.format(interval.high)}]"


if __name__ == "__main__":
    started = time.perf_counter()
    main(tyro.cli(Options))
    print(f"took {time.perf_counter() - started:.0f} s")
