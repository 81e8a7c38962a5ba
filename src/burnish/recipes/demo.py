"""The main job in one piece: measure, collect self-debug runs, curate, train (SFT, then GRPO), measure again, report.

LeDex (arXiv 2405.18649) in miniature on `first-functions`: the model learns from its own verified programs and repairs, on the
training concepts only; both measurements are on held-out concepts by hidden tests, with the same prompts and seeds. Every
value here is ours (`provenance`: none is the paper's). Every stage resumes; a finished stage is not repeated.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec

from burnish.core import plugins
from burnish.core.records import Example
from burnish.core.seeds import derive_seed
from burnish.curation.ledex import ledex
from burnish.evaluation import compare, evaluate
from burnish.models import load as load_model
from burnish.recipes._demo_records import DemoConfig, DemoResult
from burnish.recipes._demo_report import report_page
from burnish.recipes._work import Work, spread
from burnish.recipes.base import Stage
from burnish.runs import SolveConfig, open_run
from burnish.signals.prompts import ask
from burnish.signals.rewards import shaped
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore
from burnish.tasks import load as load_tasks
from burnish.text.code import program_in
from burnish.training.config import TrainConfig
from burnish.training.rollouts import RolloutSource
from burnish.viewer import write_html


def demo(folder: Path, config: DemoConfig = DemoConfig(), *, resume: bool = False, stage: Stage) -> DemoResult:
    """Run the demo in `folder` and write `report.html` and `result.json` there.

    Raises `InputError` if the folder holds a demo and `resume` is not set, or one with another config.
    """
    test = spread(load_tasks(f"{config.tasks}:test"), config.test_tasks)
    train = spread(load_tasks(f"{config.tasks}:train"), config.train_tasks)
    manifest = {"kind": "demo", "config": msgspec.to_builtins(config)}
    with open_run(folder / "train", manifest, resume=resume) as log:
        with stage("load the model"):
            policy = load_model(config.model)
        work = Work(folder, policy, log, stage)
        verifier = plugins.find("verifier", train[0].kind)
        rollouts = RolloutSource(verifier=verifier, tasks=train, messages=ask, extract=program_in, reward=shaped)
        measuring, collecting = _solving(config, config.test_samples), _solving(config, config.train_samples)
        before = work.solve("1/6 measure the model on held-out tasks", "before", test, measuring, of=config.tasks)
        collected = work.solve("2/6 collect self-debug runs", "collect", train, collecting, of=config.tasks)
        examples = work.examples("3/6 curate", "curate", "examples.jsonl", lambda: _curated(collected, config))
        work.train("4/6 learn what was verified (SFT)", "sft", _training(config, config.sft), examples=examples)
        checkpoint = work.train("5/6 learn by trial (GRPO)", "grpo", _training(config, config.grpo), rollouts=rollouts)
        after = work.solve("6/6 measure the trained model", "after", test, measuring, of=config.tasks)
        asyncio.run(policy.aclose())
        with RunStore.open(before) as earlier, RunStore.open(after) as later:
            first, last = evaluate(earlier), evaluate(later)
        result = DemoResult(
            config=config,
            before=first,
            after=last,
            first=compare(first, last, which="first"),
            repaired=compare(first, last, which="answers"),
            examples=dict(Counter(example.kind for example in examples)),
            seconds=work.seconds(),
            checkpoint=str(checkpoint),
            report=str(folder / "report.html"),
        )
        write_html(folder / "report.html", report_page(result, log, collected, examples))
        write_atomic(folder / "result.json", [msgspec.json.format(msgspec.json.encode(result))])
    return result


def _solving(config: DemoConfig, samples: int) -> SolveConfig:
    return SolveConfig(samples=samples, sampling=config.sampling, seed=derive_seed(config.seed, "solve"), options={"rounds": config.rounds})


def _curated(collected: Path, config: DemoConfig) -> list[Example]:
    with RunStore.open(collected) as store:
        return ledex(store, per_task=config.per_task, repaired_answers=True, seed=config.seed)


def _training(config: DemoConfig, chosen: TrainConfig) -> TrainConfig:
    return msgspec.structs.replace(chosen, seed=config.seed, temperature=config.sampling.temperature, extendable=False)
