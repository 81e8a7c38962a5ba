"""`burnish train RECIPE`, `burnish train FILE.toml`, `burnish train sft` and `grpo`: a whole system, or one training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional
from tyro.extras import SubcommandApp

from burnish.cli._console import err, print_json, progress
from burnish.cli._console import out as stdout
from burnish.core.errors import InputError
from burnish.core.ranks import leads
from burnish.training.config import TrainConfig

TRAININGS = ("run", "sft", "grpo")
"""Names of commands; any other word after `burnish train` is a file or a recipe."""
train = SubcommandApp()

Config = Annotated[TrainConfig, tyro.conf.arg(name="")]


@train.command
def run(
    plan: Positional[str],
    overrides: Positional[tuple[str, ...]] = (),
    *,
    quick: bool = False,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Train as a TOML file says, or run a recipe: a published system from tasks to an evaluated model. `run` may be left out.

    Example: burnish train run plan.toml train.learning_rate=1e-5 train.controller=sasr out=runs/sasr

    Example: burnish train run ledex --quick rl=grpo out=runs/ledex

    Args:
        plan: Name of a recipe (see `burnish list recipes`), or a TOML file. A file that says `recipe = "ledex"` has the
            settings of that recipe; any other has model, out, examples, tasks, reward, credit, paths, recorded,
            preferences, judged, labelled, validation, trackers, and a table [train] of settings.
        overrides: `key=value` pairs that replace what the file or the recipe says.
        quick: The small form of a recipe; its figures say nothing.
        resume: Go on with what is in `out`.
        json: Print one JSON document at the end.
    """
    from burnish import api

    file = Path(plan) if plan.endswith(".toml") else None
    if file is None or api.recipe_in(file):
        _recipe(plan if file is None else "", file, overrides, quick, resume, json)
        return
    if quick:
        raise InputError(f"--quick is for recipes, and {file} names none. Lower train.steps instead.")
    with progress("train", quiet=json) as update:
        result = api.train_file(file, overrides, resume=resume, on_progress=update)
    _show(result, json)


def _recipe(name: str, file: Path | None, overrides: tuple[str, ...], quick: bool, resume: bool, json: bool) -> None:
    from burnish import api

    stage = lambda title: progress(title, quiet=json)  # noqa: E731
    result = api.train_recipe(name, overrides, file=file, quick=quick, resume=resume, stage=stage)
    if json:
        print_json(result)
        return
    for line in result.lines():
        stdout.print(line)
    err.print(f"Model: {result.checkpoint}   Report: {result.report}")


@train.command
def sft(
    *,
    examples: Path,
    out: Path,
    model: str = "embedded",
    config: Config = TrainConfig(),
    resume: bool = False,
    json: bool = False,
) -> None:
    """Fine-tune a model on examples (token NLL on the last assistant turn).

    Example: burnish train sft --examples examples.jsonl --out runs/sft --epochs 2

    Args:
        examples: JSONL file of examples, as `burnish curate` writes them.
        out: Folder for checkpoints and metrics.
        model: `embedded`, a local model folder, or a hub name.
        resume: Go on from the newest checkpoint in `out`.
        json: Print one JSON document at the end.
    """
    from burnish import api

    with progress("train sft", quiet=json) as update:
        result = api.train_sft(examples, out, model=model, config=config, resume=resume, on_progress=update)
    _show(result, json)


@train.command
def grpo(
    *,
    out: Path,
    tasks: str = "first-functions:train",
    model: str = "embedded",
    reward: str = "shaped",
    config: Config = TrainConfig(steps=20, learning_rate=5e-6, schedule="constant"),
    resume: bool = False,
    json: bool = False,
) -> None:
    """Train a model by trial: groups of completions per task, judged by all tests, rewards relative to the group.

    Example: burnish train grpo --tasks first-functions:train --model runs/sft/step-000020 --out runs/grpo --steps 10

    Args:
        out: Folder for checkpoints and metrics.
        tasks: Task set or JSONL file of tasks. Their hidden checks are used: give training tasks.
        model: `embedded`, a local model folder, or a hub name.
        reward: `all_passed`, `pass_rate`, `shaped`, or an import path of a function from a verdict to a number or None.
        resume: Go on from the newest checkpoint in `out`.
        json: Print one JSON document at the end.
    """
    from burnish import api

    with progress("train grpo", quiet=json) as update:
        result = api.train_grpo(tasks, out, model=model, reward=reward, config=config, resume=resume, on_progress=update)
    _show(result, json)


def _show(result: object, json: bool) -> None:
    if json:
        print_json(result)
    elif leads():
        err.print(f"Checkpoint: {result.checkpoint} (step {result.step}{'' if result.finished else ', not finished: --resume goes on'})")  # type: ignore[attr-defined]
