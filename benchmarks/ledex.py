"""Does LeDex hold at this size? Its arms over several seeds: base, prompting only, three SFT mixes, PPO and GRPO on the rewards.

    python -m benchmarks.ledex --out runs/benchmark-ledex --write docs/results/ledex.md

An arm is a setting of the recipe `ledex`. All arms of a seed learn from one collected run and share what they have in common: the
base model's measurements, and the model that PPO and GRPO begin with. Prompting only is the base model's own refinement. What is
finished is not repeated; `--quick` is a small form whose figures say nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import torch
import tyro

from benchmarks._command import command
from benchmarks._ledex_page import page, table
from benchmarks._ledex_report import ARMS, Arm, result
from burnish.cli._console import progress
from burnish.core.errors import InputError
from burnish.models._memory import give_back
from burnish.recipes._ledex_config import Collect, Grpo, LedexConfig, Ppo, Rewards, Sft
from burnish.recipes._ledex_records import LedexResult
from burnish.recipes._protocol import Protocol
from burnish.recipes.ledex import ledex
from burnish.runs import open_run
from burnish.store.files import write_atomic


@dataclass
class Options:
    """What to run. `answers`, `wrong`, `repairs`: of the collection, per training task, unless a run is given as `collected`;
    `problems`, `draws`: of the use of explanations.
    """

    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    tasks: tuple[str, ...] = ("first-functions:test", "humaneval")
    limit: int | None = None
    samples: int = 2
    rounds: int = 1
    max_tokens: int = 256
    answers: int = 4
    wrong: int = 3
    repairs: int = 6
    train_tasks: int | None = None
    teacher: str = ""
    epochs: int = 2
    rl_steps: int = 6
    problems: int = 24
    draws: int = 2
    collected: str = ""
    train: str = "first-functions:train"
    model: str = "embedded"
    embed: str = ""
    low: float | None = None
    high: float | None = None
    out: Path = Path("runs/benchmark-ledex")
    write: Path | None = None
    quick: bool = False


def main(options: Options) -> None:
    """Run what is not there yet, print the table, write `result.json` and, if asked for, the page."""
    options = _small(options) if options.quick else options
    if unknown := sorted(set(options.arms) - set(ARMS)):
        raise InputError(f"There is no arm {unknown[0]!r}. Known: {', '.join(ARMS)}.")
    chosen = [name for name in ARMS if not options.arms or name in options.arms]
    settings = {key: value for key, value in asdict(options).items() if key not in ("arms", "seeds", "out", "write", "quick")}
    found: dict[str, dict[int, LedexResult]] = {name: {} for name in chosen}
    with open_run(options.out, {"kind": "benchmark ledex", **settings}, resume=True):
        for seed in options.seeds:
            for name in _with_beginnings(chosen):
                outcome = _run(options, seed, name)
                if name in found:
                    found[name][seed] = outcome
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, torch {torch.__version__}"
    whole = result(found, settings, command("ledex", options, "docs/results/ledex.md"), machine)
    print(table(whole))
    write_atomic(options.out / "result.json", [msgspec.json.format(msgspec.json.encode(whole))])
    if options.write is not None:
        write_atomic(options.write, [page(whole).encode()])


def _small(options: Options) -> Options:
    """A form of some minutes on two cores; its figures say nothing."""
    few = {"limit": 8, "samples": 1, "answers": 2, "wrong": 1, "repairs": 2, "epochs": 1, "rl_steps": 1, "problems": 2, "draws": 1}
    sizes = {name: most if getattr(options, name) is None else min(most, getattr(options, name)) for name, most in few.items()}
    short = {"max_tokens": min(96, options.max_tokens), "train_tasks": min(40, options.train_tasks or 40)}
    return replace(options, seeds=options.seeds[:1], tasks=options.tasks[:1], **sizes, **short)


def _with_beginnings(chosen: Iterable[str]) -> list[str]:
    """The arms in their order, with those that others begin with."""
    wanted = {one for name in chosen for one in (name, ARMS[name].begins_with) if one}
    first = next(iter(ARMS))
    return [name for name in ARMS if name in wanted or name == first]


def config(options: Options, seed: int, arm: Arm, collected: Path | None) -> LedexConfig:
    """The recipe's setting for an arm; without `collected` it collects."""
    measure = Protocol(
        tasks=options.tasks,
        limit=options.limit,
        samples=options.samples,
        rounds=options.rounds,
        max_tokens=options.max_tokens,
        problems=options.problems,
        draws=options.draws,
    )
    usual = LedexConfig()
    return LedexConfig(
        model=options.model,
        teacher=options.teacher,
        tasks=options.train,
        train_tasks=options.train_tasks,
        collected=str(collected or ""),
        seed=seed,
        rl=arm.rl,
        collect=Collect(answers=options.answers, wrong=options.wrong, repairs=options.repairs),
        curate=msgspec.structs.replace(usual.curate, kinds=arm.kinds),
        sft=Sft(epochs=options.epochs),
        rewards=Rewards(embed=options.embed, low=options.low, high=options.high),
        ppo=Ppo(epochs=options.epochs),
        grpo=Grpo(steps=options.rl_steps),
        measure=measure,
    )


def _run(options: Options, seed: int, name: str) -> LedexResult:
    """One arm with one seed, from its file, from where it stopped, or from the start."""
    arm, folder = ARMS[name], options.out / f"seed-{seed}" / ARMS[name].folder
    if (folder / "result.json").exists():
        return msgspec.json.decode((folder / "result.json").read_bytes(), type=LedexResult)
    first = options.out / f"seed-{seed}" / next(iter(ARMS.values())).folder
    if folder != first:
        _take_over(first, folder, ["measure-base"])
    if arm.begins_with:
        _take_over(first.parent / ARMS[arm.begins_with].folder, folder, ["sft", "measure-sft", "sft.jsonl", "sft.left_out.jsonl"])
    give_back()  # the last arm's model
    collected = Path(options.collected) if options.collected else None if folder == first else first / "collect"
    return ledex(folder, config(options, seed, arm, collected), resume=True, stage=lambda title: progress(f"seed {seed}, {name}: {title}"))


def _take_over(source: Path, folder: Path, parts: Iterable[str]) -> None:
    """Copy finished parts of another arm that are not there, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if (source / part).exists() and not (folder / part).exists():
            aside = folder / f".{part}"
            shutil.rmtree(aside, ignore_errors=True)
            (shutil.copytree if (source / part).is_dir() else shutil.copy2)(source / part, aside)
            aside.rename(folder / part)


if __name__ == "__main__":
    main(tyro.cli(Options))
