"""Is a mixture of SFT and RL better than SFT, then RL, for the same number of tokens? Each hybrid against that baseline.

    python -m benchmarks.hybrids --out runs/benchmark-hybrids --write docs/results/hybrids.md

An arm is nothing but a training configuration: a plan of streams, a loss, a controller. All arms of a seed share the weights they
begin with, one set of examples (verified answers that the base model sampled on training tasks) and the budget of tokens. A token
counts when a training pass reads it and when it is sampled. What is finished is not repeated; `--quick` is a small form.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
import tyro

from benchmarks._hybrids_plans import TEMPERATURE, Ledger, arms, config
from benchmarks._hybrids_report import BASE, BASELINE, Outcome, page, result, table
from burnish.cli._console import progress
from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Example, Sampling, Task, TokenRecord
from burnish.core.seeds import derive_seed
from burnish.curation.rejection import rejection
from burnish.evaluation import evaluate
from burnish.models import load as load_model
from burnish.runs import Progress, SolveConfig, open_run, solve
from burnish.signals.prompts import STOP, ask
from burnish.signals.rewards import shaped
from burnish.store.files import write_atomic
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import RunStore
from burnish.tasks import load as load_tasks
from burnish.text.code import program_in
from burnish.training.config import TrainConfig
from burnish.training.rollouts import RolloutSource
from burnish.training.stats import StepStats, numbers
from burnish.training.trainer import train

VALIDATION = 5
"""Every so many of the solved tasks keeps its examples for validation: no arm trains on them, AMFT looks at them."""
DRIFT_TASKS = 12
"""Held-out tasks whose first answers are used to measure the divergence from the base model."""


@dataclass
class Options:
    """What to run. `tokens`: budget of a run; `sft_steps`: supervised steps of the staged arms; `collect`: answers per training task."""

    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1)
    tokens: int = 4_000
    sft_steps: int = 3
    train_tasks: int = 110
    test_tasks: int = 60
    collect: int = 2
    samples: int = 1
    max_tokens: int = 96
    learning_rate: float = 2e-4
    model: str = "embedded"
    out: Path = Path("runs/benchmark-hybrids")
    write: Path | None = None
    quick: bool = False


@dataclass(frozen=True)
class Data:
    """What all arms of a seed learn from."""

    examples: list[Example]
    validation: list[Example]


def main(options: Options) -> None:
    """Run what is not there yet, print the table, write `result.json` and, if asked for, the page."""
    options = _small(options) if options.quick else options
    known = (BASE, *arms(options.sft_steps))
    if unknown := sorted(set(options.arms) - set(known)):
        raise InputError(f"There is no arm {unknown[0]!r}. Known: {', '.join(known)}.")
    chosen = [name for name in known if not options.arms or name in (BASE, BASELINE, *options.arms)]
    settings = {key: value for key, value in asdict(options).items() if key not in ("arms", "seeds", "out", "write", "quick")}
    found: dict[str, dict[int, Outcome]] = {name: {} for name in chosen}
    sizes: dict[int, int] = {}
    with open_run(options.out, {"kind": "benchmark hybrids", **settings}, resume=True) as log:
        for seed in options.seeds:
            data, plans = prepare(options, seed), arms(options.sft_steps, seed)
            sizes[seed] = len(data.examples)
            for name in chosen:
                found[name][seed] = _run(options, seed, name, plans.get(name), data, log)
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, torch {torch.__version__}"
    whole = result(found, settings, sizes, machine)
    print(table(whole))
    write_atomic(options.out / "result.json", [msgspec.json.format(msgspec.json.encode(whole))])
    if options.write is not None:
        write_atomic(options.write, [page(whole).encode()])


def _small(options: Options) -> Options:
    """A form of some minutes on two cores; its figures say nothing."""
    few = {"tokens": 3000, "sft_steps": 2, "train_tasks": 30, "test_tasks": 12, "samples": 1}
    sizes = {name: min(most, getattr(options, name)) for name, most in few.items()}
    return replace(options, seeds=options.seeds[:1], arms=options.arms or ("SASR",), **sizes)


def _spread(name: str, count: int) -> list[Task]:
    """`count` tasks at even distances, so that every family stays in."""
    tasks = load_tasks(name)
    count = min(count, len(tasks))
    return [tasks[index * len(tasks) // count] for index in range(count)]


def prepare(options: Options, seed: int) -> Data:
    """The examples of a seed, from its folder or made there: sampled, verified, reduced to their programs, scored by their author."""
    folder = options.out / f"seed-{seed}"
    files = folder / "examples.jsonl", folder / "validation.jsonl"
    if not all(file.exists() for file in files):
        policy = load_model(options.model, needs=["training"])
        try:
            sample(options, seed, policy, _spread("first-functions:train", options.train_tasks), options.collect, folder / "collect")
            with RunStore.open(folder / "collect") as store:
                examples = [_scored(example, policy) for example in rejection(store, per_task=2, seed=seed, code_only=True)]
        finally:
            asyncio.run(policy.aclose())
        solved = sorted({example.task_id for example in examples})
        if len(solved) < 2:
            raise InputError(f"The model solved {len(solved)} training tasks; 2 are needed. Raise --collect or --train-tasks.")
        kept = set(solved[::VALIDATION])
        write_records(files[0], [example for example in examples if example.task_id not in kept])
        write_records(files[1], [example for example in examples if example.task_id in kept])
    return Data(*(list(read_records(file, Example)) for file in files))


def _scored(example: Example, policy: Any) -> Example:
    """The example as tokens, with the log-probabilities of the model that wrote it (PEAR compares with them)."""
    ids, (start, end) = policy.renderer.supervised(example.messages)
    logprobs = tuple(policy.logprobs(ids[:end], start=start).tolist())
    return msgspec.structs.replace(example, tokens=TokenRecord(ids=tuple(ids), sampled=((start, end),), logprobs=logprobs))


def sample(options: Options, seed: int, policy: Any, tasks: Sequence[Task], samples: int, folder: Path) -> None:
    """`samples` answers to each task into a run, judged by all tests."""
    sampling = Sampling(temperature=TEMPERATURE, max_tokens=options.max_tokens, stop=STOP)
    solving = SolveConfig(strategy="sample", samples=samples, sampling=sampling, seed=derive_seed(seed, "solve"))
    manifest = {"kind": "solve", "model": options.model, "config": msgspec.to_builtins(solving)}
    with open_run(folder, manifest, resume=True) as store, progress(str(folder.relative_to(options.out))) as update:

        def note(now: Progress) -> None:
            update(now.done, now.total, f"solved {now.solved}")

        asyncio.run(solve(tasks, policy, plugins.find("verifier", tasks[0].kind), store, solving, on_progress=note))


def _run(options: Options, seed: int, name: str, plan: dict[str, Any] | None, data: Data, log: RunStore) -> Outcome:
    """One arm with one seed, from its file or from the start: train, measure, keep."""
    folder = options.out / f"seed-{seed}" / name.replace(" → ", "-").replace(" ", "-").lower()
    if (folder / "outcome.json").exists():
        return msgspec.json.decode((folder / "outcome.json").read_bytes(), type=Outcome)
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run has left
    started, ledger = time.perf_counter(), Ledger(options.tokens)
    policy = load_model(options.model, needs=["training"])
    try:
        if plan is not None:
            settings = config(plan, learning_rate=options.learning_rate, max_tokens=options.max_tokens, seed=seed)
            tasks = _spread("first-functions:train", options.train_tasks)
            _train(policy, folder / "train", settings, tasks, data, ledger, f"seed {seed}: {name}", log)
        trained_s = time.perf_counter() - started
        sample(options, seed, policy, _spread("first-functions:test", options.test_tasks), options.samples, folder / "test")
        with RunStore.open(folder / "test") as store:
            measured = evaluate(store)
            kl = None if plan is None else _drift(policy, store)
    finally:
        asyncio.run(policy.aclose())
    outcome = Outcome(
        rates={row.task_id: row.first_passed / row.first_scored for row in measured.per_task if row.first_scored},
        truncated=measured.truncation_share or 0.0,
        kl=kl,
        trained=ledger.trained,
        generated=ledger.generated,
        steps=dict(ledger.steps),
        train_s=trained_s,
        seconds=time.perf_counter() - started,
    )
    shutil.rmtree(folder / "train", ignore_errors=True)  # weights of which nothing more is asked
    write_atomic(folder / "outcome.json", [msgspec.json.encode(outcome)])
    return outcome


def _train(
    policy: Any, folder: Path, settings: TrainConfig, tasks: Sequence[Task], data: Data, ledger: Ledger, title: str, log: RunStore
) -> None:
    """Train `policy` in place until the budget is spent."""
    source = RolloutSource(verifier=plugins.find("verifier", tasks[0].kind), tasks=tasks, messages=ask, extract=program_in, reward=shaped)
    with progress(f"{title}, tokens") as update, ledger.counting(policy.model):

        def note(stats: StepStats) -> None:
            ledger.stepped(stats)
            log.add_metrics(title, stats.step, {**numbers(stats), "spent": ledger.spent})
            now = f"step {stats.step}, {' and '.join(stats.streams)}, loss {stats.loss:.3f}"
            update(min(ledger.spent, ledger.budget), ledger.budget, now)

        train(
            policy,
            folder,
            settings,
            examples=data.examples,
            validation=data.validation,
            rollouts=source,
            on_step=note,
            on_rollouts=ledger.sampled,
            should_stop=ledger.is_spent,
        )


def _drift(policy: Any, store: RunStore) -> float:
    """KL(policy || base) per token in nats, over the whole vocabulary, on first answers that the policy has sampled."""
    answers = [attempt for attempt in store.attempts() if attempt.episode_id.endswith("#0") and attempt.tokens]
    chosen = [answer.tokens for answer in answers[:: max(1, len(answers) // DRIFT_TASKS)][:DRIFT_TASKS]]
    masks = [[kind == "sampled" for kind in tokens.kinds] for tokens in chosen]
    with policy.exclusive():
        found = policy.scorer().kl([tokens.ids for tokens in chosen], masks, temperature=TEMPERATURE)
    return float(torch.cat([divergence.reverse for divergence in found]).mean())


if __name__ == "__main__":
    main(tyro.cli(Options))
