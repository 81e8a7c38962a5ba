"""CYCLE on a collected run: learn to solve (Phase I), then to refine one's own faulty programs with part of them hidden (Phase II).

    measure -> curate -> Phase I -> Phase II -> measure -> result.json, report.html

Source: arXiv 2403.18746. The collected run is any run with right and wrong answers, for example that of the recipe `ledex`: so
faulty programs are the base model's and not, as in the paper, the Phase-I model's. Every stage resumes where it stopped.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Example, Record, Sampling
from burnish.core.seeds import derive_seed
from burnish.curation._curate import apart, curated
from burnish.evaluation import Comparison, Evaluation, compare, evaluate
from burnish.models import load as load_model
from burnish.recipes._ledex_records import standing_line
from burnish.recipes._tables import examples_table, seconds_table, settings_table
from burnish.recipes._work import Work, spread, trainer_settings
from burnish.recipes.base import RecipeConfig, Stage, ours, paper, reconstructed, silent
from burnish.runs import SolveConfig, open_run
from burnish.signals.prompts import STOP
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore
from burnish.tasks import load as load_tasks
from burnish.training.config import TrainConfig
from burnish.training.inputs.past_generation import SHARE
from burnish.viewer import render_page, write_html
from burnish.viewer.blocks import Block
from burnish.viewer.figures import comparison_table, metric_curves, refinement_table, task_changes


class CycleConfig(RecipeConfig):
    """CYCLE. What is `reconstructed` is from the paper's artefact."""

    collected: Annotated[str, ours("folder of a collected run")] = ""
    model: Annotated[str, ours("CodeGen and StarCoder of 350M to 3B in the paper")] = "embedded"
    seed: Annotated[int, ours()] = 0
    per_task: Annotated[int, ours("at most 100 solutions in the paper")] = 6
    target: Annotated[Literal["bm25", "random"], paper("the right program most like the faulty one")] = "bm25"
    shown: Annotated[int, reconstructed()] = 1
    mixed: Annotated[float, reconstructed("share of Phase-I examples in Phase II")] = 0.1
    hidden: Annotated[float, reconstructed("share of the faulty program that is hidden, from memory")] = SHARE
    independent: Annotated[bool, reconstructed("each token by itself; else exactly that share")] = True
    epochs: Annotated[int, reconstructed("of each phase; 3 in the artefact")] = 1
    learning_rate: Annotated[float, reconstructed()] = 5e-5
    weight_decay: Annotated[float, reconstructed()] = 0.1
    batch_size: Annotated[int, ours()] = 8
    trainer: Annotated[dict[str, Any], ours("further settings of the trainer")] = {}
    tasks: Annotated[str, ours("HumanEval, MBPP-S and APPS in the paper")] = "first-functions:test"
    limit: Annotated[int | None, ours("so many tasks at even distances; all if left out")] = None
    samples: Annotated[int, ours()] = 1
    rounds: Annotated[int, paper()] = 4
    temperature: Annotated[float, reconstructed("of first answers")] = 0.2
    refine_temperature: Annotated[float, reconstructed()] = 0.6
    top_p: Annotated[float, reconstructed()] = 0.95
    max_tokens: Annotated[int, ours("256 in the artefact")] = 128

    def __post_init__(self) -> None:
        if not (0 <= self.mixed <= 1 and 0 <= self.hidden <= 1):
            raise InputError(f"mixed = {self.mixed} and hidden = {self.hidden}: both are shares between 0 and 1.")

    @classmethod
    def quick(cls) -> Self:
        """Few tasks, few examples, two rounds."""
        return cls(per_task=1, limit=12, rounds=2, max_tokens=96)


class CycleResult(Record):
    """What the recipe found: evaluations before and after, first answers and answers after refinement compared."""

    config: CycleConfig
    before: Evaluation
    after: Evaluation
    first: Comparison
    refined: Comparison
    examples: dict[str, int]
    left_out: int
    seconds: dict[str, float]
    checkpoint: str
    report: str

    def lines(self) -> list[str]:
        """Both models, then both comparisons."""
        models = [f"before: {standing_line(self.before)}", f"after: {standing_line(self.after)}"]
        return [*models, f"first answers: {self.first.text}", f"after refinement: {self.refined.text}"]


def cycle(folder: Path, config: CycleConfig = CycleConfig(), *, resume: bool = False, stage: Stage = silent) -> CycleResult:
    """Run CYCLE in `folder` and write `report.html` and `result.json` there.

    Raises `InputError` if no collected run is given, if nothing can be learned from it, or if the folder holds another run.
    """
    if not config.collected:
        raise InputError(
            "CYCLE learns from a collected run. Give one: collected=runs/ledex/collect, or make it with `burnish solve collect`."
        )
    with open_run(folder / "train", {"kind": "cycle", "config": msgspec.to_builtins(config)}, resume=resume) as log:
        with stage("load the model"):
            policy = load_model(config.model, needs=["training"])
        try:
            result = _run(Work(folder, policy, log, stage), config)
        finally:
            asyncio.run(policy.aclose())
        write_html(folder / "report.html", _page(result, log))
    write_atomic(folder / "result.json", [msgspec.json.format(msgspec.json.encode(result))])
    return result


def _run(work: Work, config: CycleConfig) -> CycleResult:
    before = _measured(work, "before", config)
    found = work.examples("curate", "curate", "examples.jsonl", lambda: _examples(config))
    first, second = phases(found, config)
    settings = _training(config)
    work.train("Phase I: learn to solve", "phase-1", settings, examples=first)
    hiding = {"past_generation": {"share": config.hidden, "independent": float(config.independent)}}
    checkpoint = work.train("Phase II: learn to refine", "phase-2", msgspec.structs.replace(settings, sft_inputs=hiding), examples=second)
    after = _measured(work, "after", config)
    with RunStore.open(Path(config.collected)) as store:
        tasks = {task.id for task in store.tasks()}
    return CycleResult(
        config=config,
        before=before,
        after=after,
        first=compare(before, after, which="first"),
        refined=compare(before, after, which="answers"),
        examples=dict(Counter(example.kind for example in [*first, *second])),
        left_out=len(tasks - {example.task_id for example in found}),
        seconds=work.seconds(),
        checkpoint=str(checkpoint),
        report=str(work.folder / "report.html"),
    )


def phases(examples: list[Example], config: CycleConfig) -> tuple[list[Example], list[Example]]:
    """What Phase I and Phase II learn from. Raises `InputError` if there is no faulty program to refine."""
    kinds = {name: [example for example in examples if example.kind == f"cycle-{name}"] for name in ("solve", "refine", "keep")}
    if not kinds["refine"]:
        raise InputError(
            f"{config.collected} holds no faulty program of a task with a right one. Collect more, from tasks apart from {config.tasks}."
        )
    again = random.Random(derive_seed(config.seed, "mixed")).sample(kinds["solve"], round(config.mixed * len(kinds["solve"])))
    return kinds["solve"], [*kinds["refine"], *kinds["keep"], *again]


def _examples(config: CycleConfig) -> list[Example]:
    """Those of both phases: one right program may be learned in each, so the phases are curated apart."""
    options = {"target": config.target, "per_task": config.per_task, "shown": config.shown, "seed": config.seed}
    runs, found = [Path(config.collected)], list[Example]()
    for kinds in ("solve",), ("refine", "keep"):
        examples, programs = curated("cycle", runs, {**options, "kinds": kinds})
        found += examples
    return apart(found, programs, load_tasks(config.tasks))[0]


def _training(config: CycleConfig) -> TrainConfig:
    base = TrainConfig(
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        batch_size=config.batch_size,
        seed=config.seed,
        extendable=False,
    )
    return trainer_settings(base, config.trainer)


def _measured(work: Work, name: str, config: CycleConfig) -> Evaluation:
    options = {"rounds": config.rounds, "shown": config.shown, "top_p": config.top_p}
    options |= {"first_temperature": config.temperature, "temperature": config.refine_temperature}
    solving = SolveConfig(
        strategy="cycle",
        options=options,
        samples=config.samples,
        sampling=Sampling(max_tokens=config.max_tokens, stop=STOP),
        seed=derive_seed(config.seed, "measure"),
    )
    folder = work.solve(f"measure {name}", name, spread(load_tasks(config.tasks), config.limit), solving, of=config.tasks)
    with RunStore.open(folder) as store:
        return evaluate(store)


def _page(result: CycleResult, log: RunStore) -> str:
    config = result.config
    comparisons = {"pass@1, first answers": result.first, "pass@1, after refinement": result.refined}
    blocks: list[Block] = [
        comparison_table(comparisons, heading="Held-out tasks, judged by hidden tests"),
        refinement_table(result.before, "Refinement before training"),
        refinement_table(result.after, "Refinement after training"),
        task_changes(result.before, result.after),
        *(
            metric_curves(f"Loss of {name}", log.metrics(name), {"loss": "loss per token"}, from_zero=True)
            for name in ("phase-1", "phase-2")
        ),
        examples_table(result.examples, f"{result.left_out} tasks of the collected run gave no example."),
        settings_table(config),
        seconds_table(result.seconds),
    ]
    return render_page("CYCLE", f"{config.model} on what {config.collected} holds, seed {config.seed}", blocks)
