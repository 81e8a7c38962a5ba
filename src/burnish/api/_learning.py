"""From stored runs to examples, and from examples and tasks to a better model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from burnish.api._loading import Update, load_model, load_tasks, verifier_of
from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.ranks import leads
from burnish.core.records import Check, Example

if TYPE_CHECKING:
    from burnish.training.config import TrainConfig
    from burnish.training.files import TrainPlan
    from burnish.training.rollouts import Paths, Rollout, RolloutSource
    from burnish.training.stats import StepStats
    from burnish.training.trainer import TrainResult


def curate(
    kind: str, runs: Sequence[Path], out: Path, *, options: dict[str, Any] | None = None, against: Sequence[str] = (), words: int = 9
) -> list[Example]:
    """Turn stored runs into training examples by a curation (`ledex`, `rejection` …) and write them to the JSONL file `out`.

    What two runs have in common counts once. `against` names evaluation tasks: examples of tasks that share `words` words in a
    row with one of them, or whose programs do the same as its reference, go to `left_out_file(out)` instead, with the reason.
    """
    from burnish.curation._curate import apart, curated
    from burnish.store.jsonl import write_records

    evaluation = [task for name in against for task in load_tasks(name)]
    examples, left_out = apart(*curated(kind, runs, options or {}), evaluation, words=words)
    if against:
        write_records(left_out_file(out), left_out)
    if not examples:
        why = (
            "all that came out overlaps with the evaluation tasks" if left_out else f"no verified attempt there fits the curation {kind!r}"
        )
        raise InputError(f"No example came out of {', '.join(map(str, runs))}: {why}.")
    write_records(out, examples)
    return examples


def left_out_file(out: Path) -> Path:
    """Where `curate(…, against=…)` writes what it leaves out of the examples in `out`, and why."""
    return out.with_name(f"{out.stem}.left_out{out.suffix}")


def train_sft(
    examples: Path,
    out: Path,
    *,
    model: str = "embedded",
    config: TrainConfig | None = None,
    resume: bool = False,
    on_progress: Update = lambda *_: None,
) -> TrainResult:
    """Fine-tune a model on an example file; checkpoints and metrics go to `out`. See `burnish train sft --help`."""
    from burnish.store.jsonl import read_records

    rows = list(read_records(examples, Example))
    if not rows:
        raise InputError(f"{examples} holds no examples. Make some with `burnish curate`.")
    manifest = {"kind": "train sft", "examples": str(examples), "model": model}
    return _train(out, model, config, manifest, resume, on_progress, examples=rows)


def train_grpo(
    tasks: str,
    out: Path,
    *,
    model: str = "embedded",
    reward: str = "shaped",
    config: TrainConfig | None = None,
    resume: bool = False,
    on_progress: Update = lambda *_: None,
) -> TrainResult:
    """Train a model against the verifier of `tasks`; checkpoints and metrics go to `out`. See `burnish train grpo --help`."""
    manifest = {"kind": "train grpo", "tasks": tasks, "model": model, "reward": reward}
    return _train(out, model, config, manifest, resume, on_progress, rollouts=_rollout_source(tasks, reward))


def _rollout_source(tasks: str, reward: str, credit: str = "", paths: Paths | None = None) -> RolloutSource:
    """Tasks with their verifier, asked and rewarded as usual. Raises `InputError` if a task fails its own reference."""
    from burnish.runs import check_references
    from burnish.signals.prompts import ask
    from burnish.signals.valuing import reward_named
    from burnish.text.code import program_in
    from burnish.training.rollouts import RolloutSource

    loaded = load_tasks(tasks)
    value = reward_named(reward)
    verifier = verifier_of(loaded)
    check_references(loaded, verifier)
    return RolloutSource(
        verifier=verifier, tasks=loaded, messages=ask, extract=program_in, reward=value, credit=_credit(credit), paths=paths
    )


def _credit(name: str) -> Any:
    """A function at an import path, or the process reward model in a folder. Raises `InputError` if it is neither."""
    if not name or ":" in name:
        return plugins.find("credit", name) if name else None
    from burnish.training.process_credit import ProcessCredit

    judge: Any = load_model(name, needs=["training"])
    return ProcessCredit(judge.model, name, judge.renderer)


def train_file(file: Path, overrides: Sequence[str] = (), *, resume: bool = False, on_progress: Update = lambda *_: None) -> TrainResult:
    """Train as a TOML file says; see `burnish train run --help`. `overrides` are `key=value` with a TOML value.

    Examples:
        >>> from burnish.training.files import read_plan
        >>> read_plan(b'examples = "e.jsonl"', ["train.learning_rate=1e-4", "out='runs/x'"]).train.learning_rate
        0.0001
    """
    from burnish.training.files import read_plan
    from burnish.training.trackers import tracked

    plan = read_plan(file.read_bytes(), overrides)
    manifest = {"kind": "train", "plan": {key: value for key, value in msgspec.to_builtins(plan).items() if key != "train"}}
    with tracked(plan.trackers, plan.out, plan.train) as note:
        return _train(
            Path(plan.out), plan.model, plan.train, manifest, resume, on_progress, options=plan.engine_options, note=note, **_sources(plan)
        )


def _sources(plan: TrainPlan) -> dict[str, Any]:
    """The data that a plan names, as options of the trainer."""
    from burnish.store.jsonl import read_records

    named = {name: getattr(plan, name) for name in ("examples", "validation", "labelled", "preferences", "judged", "recorded")}
    found: dict[str, Any] = {name: list(read_records(Path(path), Example)) for name, path in named.items() if path}
    if pairs := found.get("preferences"):
        if len(pairs) % 2:
            raise InputError(f"{plan.preferences} holds {len(pairs)} examples; pairs alternate: better, worse, better, worse …")
        found["preferences"] = list(zip(pairs[0::2], pairs[1::2], strict=True))
    if plan.tasks:
        found["rollouts"] = _rollout_source(plan.tasks, plan.reward, plan.credit, plan.paths)
    return found


def check_file(file: Path, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> list[Check]:
    """The preflight checks of a training file; see `burnish preflight --help`."""
    from burnish.training._crew import Crew
    from burnish.training.files import read_plan
    from burnish.training.preflight import Setup, preflight

    plan = read_plan(file.read_bytes(), overrides)
    sources, policy = _sources(plan), load_model(plan.model, options=plan.engine_options)
    try:
        return preflight(Setup(policy=policy, config=msgspec.to_builtins(plan.train), crew=Crew.here(), **sources), only)
    finally:
        asyncio.run(policy.aclose())


def _train(
    out: Path,
    model: str,
    config: TrainConfig | None,
    manifest: dict[str, Any],
    resume: bool,
    on_progress: Update,
    *,
    options: dict[str, Any] | None = None,
    note: Callable[[StepStats], None] = lambda _: None,
    **data: Any,
) -> TrainResult:
    from burnish.runs import open_run
    from burnish.training.config import TrainConfig
    from burnish.training.journal import record_rollouts
    from burnish.training.stats import numbers
    from burnish.training.trainer import train

    settings, policy = config or TrainConfig(), load_model(model, needs=["training"], options=options)
    run = open_run(out, manifest | {"config": msgspec.to_builtins(settings)}, resume=resume) if leads() else nullcontext()
    with run as log:

        def report(stats: StepStats) -> None:
            assert log is not None
            log.add_metrics("train", stats.step, numbers(stats))
            note(stats)
            on_progress(stats.step, stats.steps, f"loss {stats.loss:.4f}")

        def keep(step: int, rollouts: Sequence[Rollout]) -> None:
            assert log is not None
            record_rollouts(log, data["rollouts"], step, rollouts, policy=policy.name)

        return train(policy, out, settings, resume=resume, on_step=report, on_rollouts=keep, **data)  # type: ignore[arg-type]
