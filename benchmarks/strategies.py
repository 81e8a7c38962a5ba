"""What do the strategies solve for the same number of tokens, and do they keep the model busy?

    python -m benchmarks.strategies --models embedded CHECKPOINT --write docs/results/strategies.md

Every strategy gets the same tasks, the same tokens per task and the same seeds. Solved means: the answer handed in passes all
tests, hidden ones included. Rates are means over the seeds, with intervals by bootstrap over tasks; what search is worth is the
difference to `best_of_n`, which draws independent answers for the same tokens. The second part runs
`busy_tasks` episodes at once (0: none) and measures by the engine's own counter in which share of the time it computed: the rest
is what the judge and the strategies cost. A run that was interrupted goes on where it was. `--quick` is a small form.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import tyro

from benchmarks._command import command
from burnish.cli._console import progress
from burnish.core import plugins
from burnish.core.budget import Budget
from burnish.core.records import Sampling, Task
from burnish.evaluation import Evaluation, Interval, bootstrap_interval, evaluate, paired_interval
from burnish.models import Policy
from burnish.models import load as load_model
from burnish.recipes._work import spread
from burnish.runs import Part, Progress, SolveConfig, open_run, solve, solve_together
from burnish.signals.prompts import STOP
from burnish.store.files import write_atomic
from burnish.tasks import load as load_tasks

SETS = {"first-functions:test": 60, "humaneval": 40}
"""Task sets and how many of each: every n-th task, over the whole set."""

NOT_ASKED = frozenset({"collect", "explained_repair"})
"""Strategies that collect for training instead of answering, or repair a given program: these tasks have none."""

BASELINE = "best_of_n"
BUSY_EPISODES = 4
"""Per task, so that nearly all the time as many run at once as there are tasks, and not only at the beginning."""


@dataclass
class Options:
    """What to run. `tokens` is the budget per task, `max_tokens` that of one completion."""

    strategies: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    tasks: int = 100
    tokens: int = 1024
    max_tokens: int = 192
    busy_tasks: int = 64
    models: tuple[str, ...] = ("embedded",)
    """Each in a table of its own."""
    out: Path = Path("runs/benchmark-strategies")
    write: Path | None = None
    quick: bool = False


def main(options: Options) -> None:
    """Solve what is not solved yet, print the table and write `result.json`."""
    if options.quick:
        options.seeds, options.tasks, options.tokens = options.seeds[:1], min(options.tasks, 4), 256
        options.busy_tasks = min(options.busy_tasks, 8)
    results = [_measure(options, model, options.out / f"model-{number}") for number, model in enumerate(options.models)]
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    settings = {
        "command": command("strategies", options, "docs/results/strategies.md"),
        "machine": machine,
        "tasks": options.tasks,
        "blind": sum(not task.visible() for each in _tasks(options.tasks).values() for task in each),
        "seeds": options.seeds,
        "tokens": options.tokens,
        "max_tokens": options.max_tokens,
    }
    page = _page(settings, results)
    print(page)
    write_atomic(options.out / "result.json", [json.dumps({**settings, "models": results}, indent=2).encode()])
    if options.write is not None:
        write_atomic(options.write, [page.encode()])


def _measure(options: Options, model: str, folder: Path) -> dict[str, Any]:
    """Every strategy with one model."""
    names = options.strategies or [name for name in plugins.names("strategy") if name not in NOT_ASKED]
    sets = _tasks(options.tasks)
    policy = load_model(model)
    try:
        found = {name: _solve(options, policy, name, sets, folder) for name in names}
        rows = {name: _row(each, sets, found.get(BASELINE)) for name, each in found.items()}
        return {"model": model, "strategies": rows, "busy": _busy(options, policy, folder) if options.busy_tasks else None}
    finally:
        asyncio.run(policy.aclose())


def _tasks(count: int) -> dict[str, list[Task]]:
    """`count` tasks of the sets, in the proportion of `SETS`, spread over each set."""
    return {name: spread(load_tasks(name), max(1, round(most * min(count, 100) / 100))) for name, most in SETS.items()}


def _solve(options: Options, policy: Policy, name: str, sets: Mapping[str, Sequence[Task]], folder: Path) -> list[Evaluation]:
    """One strategy with every seed."""
    tasks = [task for each in sets.values() for task in each]
    verifier, sampling = plugins.find("verifier", tasks[0].kind), Sampling(temperature=0.8, max_tokens=options.max_tokens, stop=STOP)
    with ExitStack() as stack:
        parts = []
        update = stack.enter_context(progress(f"{policy.name}: {name}"))
        for seed in options.seeds:
            config = SolveConfig(strategy=name, sampling=sampling, budget=Budget(tokens=options.tokens), seed=seed)
            noted = {"kind": "solve", "model": policy.name, "tasks": [task.id for task in tasks], "config": msgspec.to_builtins(config)}
            store = stack.enter_context(open_run(folder / f"{name}-{seed}", noted, resume=True))
            parts.append(Part(tasks, verifier, store, config))

        def note(now: Progress) -> None:
            update(now.done, now.total, f"solved {now.solved}")

        asyncio.run(solve_together(parts, policy, on_progress=note))
        return [evaluate(part.store) for part in parts]


def _row(found: Sequence[Evaluation], sets: Mapping[str, Sequence[Task]], baseline: Sequence[Evaluation] | None) -> dict[str, Any]:
    """One strategy's figures over all seeds."""
    rates, others = _rates(found), _rates(baseline or found)
    common = [task for task in rates if task in others]
    by_set = {name: bootstrap_interval([rates[task.id] for task in tasks if task.id in rates], seed=0) for name, tasks in sets.items()}
    tokens = sum(row.tokens for evaluation in found for row in evaluation.per_task)
    judge_s = sum(row.judge_s for evaluation in found for row in evaluation.per_task)
    solved = sum(row.passed > 0 for evaluation in found for row in evaluation.per_task)
    per_solved = {"tokens per solved": tokens / solved, "judge s per solved": judge_s / solved} if solved else {}
    return {
        "solved": msgspec.to_builtins(by_set),
        "minus baseline": msgspec.to_builtins(paired_interval([others[task] for task in common], [rates[task] for task in common], seed=0)),
        "tokens": tokens,
        "judge_s": judge_s,
        **per_solved,
    }


def _rates(found: Sequence[Evaluation]) -> dict[str, float]:
    """By task the share of its episodes that solved it; an episode that a fault ended is none."""
    shares: dict[str, list[float]] = {}
    for evaluation in found:
        for row in evaluation.per_task:
            if row.scored:
                shares.setdefault(row.task_id, []).append(row.passed / row.scored)
    return {task: statistics.fmean(each) for task, each in shares.items()}


def _busy(options: Options, policy: Any, folder: Path) -> float:
    """Share of the time in which the engine computed while `busy_tasks` episodes were debugged at once."""
    loaded = load_tasks("first-functions")
    tasks = [loaded[index % len(loaded)] for index in range(min(options.busy_tasks, len(loaded)))]
    sampling = Sampling(temperature=0.8, max_tokens=options.max_tokens, stop=STOP)
    config = SolveConfig(strategy="self_debug", options={"rounds": 2}, samples=BUSY_EPISODES, sampling=sampling, concurrency=len(tasks))
    with open_run(folder / f"busy-{time.time_ns()}", {"kind": "busy"}, resume=False) as store:
        before, started = policy.counters(), time.perf_counter()
        asyncio.run(solve(tasks, policy, plugins.find("verifier", tasks[0].kind), store, config))
        return float((policy.counters() - before).model_s / (time.perf_counter() - started))


def _page(settings: dict[str, Any], results: Sequence[dict[str, Any]]) -> str:
    """All figures as a page of Markdown."""
    tables = [
        f"## {result['model']}\n\n{_table(result['strategies'])}\n{_verdict(result['strategies'])}{_kept_busy(result['busy'])}"
        for result in results
    ]
    return PAGE.format(**settings, sets=" and ".join(f"`{name}`" for name in SETS), baseline=BASELINE, tables="\n".join(tables))


PAGE = """\
# Strategies at equal token budgets

```
{command}
```

{tasks} tasks of {sets}, seeds {seeds}, {tokens} new tokens per task, at most {max_tokens} per completion, temperature 0.8; {machine}.

- **Solved**: the answer handed in passes all tests, hidden ones included; mean over the seeds, 95 % percentile bootstrap over tasks.
- **Minus {baseline}**: difference in solved over all tasks, paired by task, to independent answers for the same tokens.
- **Tokens** (new ones) and seconds of the judge are sums over all tasks and seeds.
- {blind} of the tasks have no visible check. There a strategy cannot know whether it is done.
- `lpw` and `slpw` write no program before the model has verified a plan on every visible test, and `parallel` is for models that were
  taught its tags. Of models that can, these figures say nothing.

{tables}"""


def _table(rows: dict[str, dict[str, Any]]) -> str:
    """The figures as a Markdown table, ready for a page."""
    header = ["strategy", *SETS, f"minus {BASELINE}", "tokens", "judge s", "tokens per solved", "judge s per solved"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for name, row in rows.items():
        solved = [_show(row["solved"][each]) for each in SETS]
        costs = [f"{row[key]:.0f}" if key in row else "–" for key in ("tokens per solved", "judge s per solved")]
        difference = "–" if name == BASELINE else _show(row["minus baseline"], "+")
        cells = [name, *solved, difference, str(row["tokens"]), f"{row['judge_s']:.0f}", *costs]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _show(interval: Any, sign: str = "") -> str:
    found = msgspec.convert(interval, Interval)
    return f"{found.value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def _verdict(rows: dict[str, dict[str, Any]]) -> str:
    """Which strategies stand apart from the baseline."""
    if BASELINE not in rows:
        return ""
    found: dict[str, list[str]] = {"better": [], "worse": [], "not decided": []}
    for name, row in rows.items():
        apart = msgspec.convert(row["minus baseline"], Interval)
        found["better" if apart.low > 0 else "worse" if apart.high < 0 else "not decided"] += [f"`{name}`"] * (name != BASELINE)
    told = "; ".join(f"{which}: {', '.join(names) or 'none'}" for which, names in found.items())
    return f"Against `{BASELINE}`, all tasks together: {told}.\n"


def _kept_busy(share: float | None) -> str:
    return "" if share is None else f"\nWith many tasks at once the engine computed in {share:.1%} of the time.\n"


if __name__ == "__main__":
    main(tyro.cli(Options))
