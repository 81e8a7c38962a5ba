"""LeDex: collect wrong programs with explanations and repairs, learn from them (SFT, then RL), and see what it brings.

    measure -> collect -> curate -> SFT -> measure -> RL -> measure -> what the explanations are worth -> result.json, report.html

Source: arXiv 2405.18649. Every stage resumes where it stopped; a finished one is not repeated. Examples of tasks that overlap with
the tasks that are measured are left out. Each setting says where it comes from (`_ledex_config`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Example, Task
from burnish.core.seeds import derive_seed
from burnish.curation._curate import apart, curated
from burnish.curation._decontamination import LeftOut
from burnish.curation._problems import repair_problems
from burnish.curation.ledex_rewards import encoder_of, scale_of
from burnish.evaluation import Comparison, Evaluation, compare
from burnish.models import load as load_model
from burnish.recipes._ledex_config import LedexConfig
from burnish.recipes._ledex_records import LedexResult
from burnish.recipes._ledex_report import report_page
from burnish.recipes._protocol import Format, explained, refine
from burnish.recipes._repair_credit import RepairCredit
from burnish.recipes._work import Work, spread
from burnish.recipes.base import Stage, silent
from burnish.runs import SolveConfig, open_run
from burnish.signals.repairs import ask_repair
from burnish.store.files import write_atomic
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import RunStore
from burnish.tasks import load as load_tasks
from burnish.text.code import program_in
from burnish.training.rollouts import RolloutSource
from burnish.viewer import write_html

Evaluations = dict[str, dict[str, dict[Format, Evaluation]]]


def ledex(folder: Path, config: LedexConfig = LedexConfig(), *, resume: bool = False, stage: Stage = silent) -> LedexResult:
    """Run LeDex in `folder` and write `report.html` and `result.json` there.

    Raises `InputError` if the folder holds such a run and `resume` is not set, or one with another config; or if nothing was
    verified, so that there is nothing to learn.
    """
    with open_run(folder / "train", {"kind": "ledex", "config": msgspec.to_builtins(config)}, resume=resume) as log:
        with stage("load the model"):
            policy = load_model(config.model, needs=["training"])
        try:
            result = _Ledex(Work(folder, policy, log, stage), config).run()
        finally:
            asyncio.run(policy.aclose())
        write_html(folder / "report.html", report_page(result, log, _collected(folder, config), _examples_of(folder)))
    write_atomic(folder / "result.json", [msgspec.json.format(msgspec.json.encode(result))])
    return result


class _Ledex:
    """The stages."""

    def __init__(self, work: Work, config: LedexConfig) -> None:
        self.work, self.config = work, config
        self.evaluations: Evaluations = {}
        self.notes: list[str] = []
        self._measured = [task for name in (*config.measure.tasks, *config.curate.against) for task in load_tasks(name)]

    def run(self) -> LedexResult:
        work, config = self.work, self.config
        self._measure("base")
        collected = self._collect()
        examples = self._curate("ledex", "sft", collected, self._kinds())
        if not examples:
            raise InputError(
                f"No example came out of {collected}: nothing there was verified, or all of it overlaps with the tasks that are measured. "
                "Raise collect.answers or collect.repairs, or give a teacher."
            )
        checkpoint = work.train("sft: learn what was verified", "sft", config.sft.config(config.seed), examples=examples)
        self._measure("sft")
        practice = self._practice(collected)
        if practice is not None:
            settings, data = practice
            checkpoint = work.train(f"rl: learn by rewards ({config.rl})", "rl", settings, **data)
            self._measure("rl")
        worth = self._worth()
        counts = Counter(example.kind for example in [*examples, *self._recorded()])
        return LedexResult(
            config=config,
            evaluations=self.evaluations,
            explained=worth,
            gains=gains(self.evaluations),
            examples=dict(counts),
            left_out=sum(1 for name in ("sft", "rl") for _ in _left_out(work.folder, name)),
            notes=tuple(self.notes),
            seconds=work.seconds(),
            checkpoint=str(checkpoint),
            report=str(work.folder / "report.html"),
        )

    def _measure(self, model: str) -> None:
        self.evaluations[model] = refine(self.work, f"{model}: measure", model, self.config.measure, self.config.seed)

    def _collect(self) -> Path:
        config = self.config
        if config.collected:
            return Path(config.collected)
        tasks = spread(load_tasks(config.tasks), config.train_tasks)
        solving = SolveConfig(
            strategy="collect",
            options=config.collect.options,
            sampling=config.collect.sampling,
            seed=derive_seed(config.seed, "collect"),
        )
        teacher = load_model(config.teacher, **config.teacher_options) if config.teacher else None
        try:
            return self.work.solve("collect wrong programs and repairs", "collect", tasks, solving, of=config.tasks, teacher=teacher)
        finally:
            if teacher is not None:
                asyncio.run(teacher.aclose())

    def _kinds(self) -> dict[str, Any]:
        chosen = self.config.curate
        return {
            "kinds": chosen.kinds,
            "per_task": chosen.per_task,
            "per_wrong": chosen.per_wrong,
            "repaired_answers": chosen.repaired_answers,
            "seed": self.config.seed,
        }

    def _curate(self, kind: str, name: str, collected: Path, options: Mapping[str, Any]) -> list[Example]:
        def make() -> list[Example]:
            kept, left_out = apart(*curated(kind, [collected], options), self._measured, words=self.config.curate.words)
            write_records(self.work.folder / f"{name}.left_out.jsonl", left_out)
            return kept

        return self.work.examples(f"{name}: curate", f"curate {name}", f"{name}.jsonl", make)

    def _practice(self, collected: Path) -> tuple[Any, dict[str, Any]] | None:
        """Settings and data of the RL stage; None, with a note, if there is none."""
        config = self.config
        if config.rl == "none":
            return None
        rewarded = self._curate("ledex_rewards", "rl", collected, config.rewards.options)
        if not rewarded:
            self.notes.append("No repair of a wrong program was verified, so there was nothing to reward: no RL.")
            return None
        heat, length = config.collect.repair_temperature, config.collect.max_tokens
        if config.rl == "ppo-offline":
            return config.ppo.config(config.seed, online=False, temperature=heat, max_tokens=length), {"recorded": self._own(rewarded)}
        source = {"rollouts": self._source(collected, {example.task_id for example in rewarded})}
        if config.rl == "grpo":
            return config.grpo.config(config.seed, temperature=heat, max_tokens=length), source
        return config.ppo.config(config.seed, online=True, temperature=heat, max_tokens=length), source

    def _own(self, examples: Sequence[Example]) -> list[Example]:
        """Only tokens of the model that is trained are of its vocabulary; what others wrote is encoded anew."""
        name = self.work.policy.name
        return [one if one.meta["policy"] == name else msgspec.structs.replace(one, tokens=None) for one in examples]

    def _source(self, collected: Path, allowed: set[str]) -> RolloutSource:
        """Fresh repairs of the collected wrong programs of the allowed tasks."""
        config, rewards = self.config, self.config.rewards
        with RunStore.open(collected) as store:
            found = repair_problems(store, unrepaired=rewards.unrepaired)
        problems = [problem for problem in found if problem.task.meta["repair_of"] in allowed]
        credit = RepairCredit(
            problems,
            self.work.policy.renderer,
            encoder_of(rewards.embed or None),
            scale=scale_of(rewards.scale, rewards.low, rewards.high, own=not rewards.embed),
            guarded=rewards.guarded,
            explain=config.collect.explain,
        )
        tasks: Sequence[Task] = [problem.task for problem in problems]
        return RolloutSource(
            verifier=plugins.find("verifier", tasks[0].kind),
            tasks=tasks,
            messages=partial(ask_repair, explain=config.collect.explain),
            extract=program_in,
            reward=lambda verdict: 0.0 if verdict.scored else None,  # all that is earned is earned by spans
            credit=credit,
        )

    def _worth(self) -> dict[str, Any]:
        rewards = self.config.rewards
        return explained(
            self.work,
            "explanations: {}",
            [*self.evaluations],
            self.config.measure,
            self.config.seed,
            embed=partial(encoder_of, rewards.embed or None),
            scale=scale_of(rewards.scale, rewards.low, rewards.high, own=not rewards.embed),
            fresh=partial(load_model, self.config.model),
        )

    def _recorded(self) -> list[Example]:
        path = self.work.folder / "rl.jsonl"
        return list(read_records(path, Example)) if path.exists() else []


def gains(evaluations: Evaluations) -> dict[str, Comparison]:
    """Each trained model against the base model: first answers, and answers after refinement in each format."""
    found: dict[str, Comparison] = {}
    for model in [name for name in evaluations if name != "base"]:
        for tasks, forms in evaluations[model].items():
            for number, (form, after) in enumerate(forms.items()):
                before = evaluations["base"][tasks][form]
                if number == 0:
                    found[f"{model}, {tasks}, first answers"] = compare(before, after, which="first")
                found[f"{model}, {tasks}, after {form}"] = compare(before, after, which="answers")
    return found


def _collected(folder: Path, config: LedexConfig) -> Path:
    return Path(config.collected) if config.collected else folder / "collect"


def _examples_of(folder: Path) -> list[Example]:
    return list(read_records(folder / "sft.jsonl", Example))


def _left_out(folder: Path, name: str) -> list[LeftOut]:
    path = folder / f"{name}.left_out.jsonl"
    return list(read_records(path, LeftOut)) if path.exists() else []
