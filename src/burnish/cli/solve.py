"""`burnish solve`: run a strategy over tasks into a resumable run, or compare several under the same budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from burnish.cli._console import err, print_json, progress
from burnish.cli._results import show_evaluation, show_strategies

if TYPE_CHECKING:
    from burnish.runs import Progress


def solve(
    strategy: Positional[str] = "self_debug",
    *,
    tasks: str = "first-functions:test",
    model: str = "embedded",
    engine: str = "auto",
    engine_option: tuple[str, ...] = (),
    teacher: str = "",
    teacher_engine: str = "auto",
    teacher_option: tuple[str, ...] = (),
    out: Path = Path("runs/solve"),
    samples: int = 1,
    limit: int | None = None,
    temperature: float = 0.8,
    max_tokens: int = 256,
    seed: int = 0,
    option: tuple[str, ...] = (),
    budget: tuple[str, ...] = (),
    compare: str = "",
    resume: bool = False,
    json: bool = False,
) -> None:
    """Let a model solve tasks by a strategy; judge by visible tests on the way and by hidden tests at the end.

    Example: burnish solve best_of_n --tasks first-functions:test --budget tokens=2000 --option n=8 --out runs/first

    Args:
        strategy: Name of the strategy (see `burnish list strategies`) or an import path.
        tasks: Task set, optionally with a split (`first-functions:test`, `humaneval`), or a JSONL file of tasks.
        model: `embedded`, a local model folder, a hub name, a .gguf file, or a server's address (`http://127.0.0.1:8080/v1`).
        engine: `auto`, or an engine's name (see `burnish list models`).
        engine_option: Options of the engine as name=value, for example `tokenizer=embedded`.
        teacher: Another model that repairs what `model` got wrong, where the strategy asks for one (`collect`); written like `model`.
        teacher_engine: Engine of the teacher.
        teacher_option: Options of its engine as name=value.
        out: Run folder to write; with --compare the folder that holds one run for each strategy.
        samples: Episodes per task.
        limit: Only the first this many tasks.
        temperature: Sampling temperature; 0 is greedy.
        max_tokens: Most tokens per completion.
        seed: Seed of the run.
        option: Options of the strategy as name=value, for example `rounds=2`.
        budget: What each episode may spend, as name=value: `calls`, `tokens` (sampled), `verifier_s`, `wall_s` (seconds).
        compare: Strategies to compare instead, as `sample,self_debug,best_of_n`: same tasks, budget and seed, one table.
        resume: Go on with the run in `out`: keep what is finished, redo what failed.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    words = {"engine_options": engine_option, "teacher_options": teacher_option, "options": option}
    settings: dict[str, Any] = {name: api.parse_options(given) for name, given in words.items()}
    settings |= {"model": model, "engine": engine, "teacher": teacher, "teacher_engine": teacher_engine}
    settings |= {"samples": samples, "limit": limit, "seed": seed, "resume": resume, "budget": api.parse_budget(budget)}
    settings["sampling"] = api.Sampling(temperature=temperature, max_tokens=max_tokens, stop=api.STOP)
    if compare:
        _compare(tasks, [name.strip() for name in compare.split(",") if name.strip()], out, settings, json)
    else:
        _solve(tasks, strategy, out, settings, json)


def _solve(tasks: str, strategy: str, out: Path, settings: dict[str, Any], json: bool) -> None:
    from burnish import api

    with progress(f"solve {strategy}", quiet=json) as update:
        evaluation = api.solve(
            tasks, out=out, strategy=strategy, on_progress=lambda now: update(now.done, now.total, _standing(now)), **settings
        )
    if json:
        print_json(evaluation)
        return
    show_evaluation(evaluation, title=f"{strategy} on {tasks}")
    err.print(f"Run: {out}   Page: burnish view {out}")


def _compare(tasks: str, names: list[str], out: Path, settings: dict[str, Any], json: bool) -> None:
    from burnish import api

    reports: dict[str, Progress] = {}
    with progress(f"solve {len(names)} strategies", quiet=json) as update:

        def note(name: str, now: Progress) -> None:
            reports[name] = now
            update(sum(report.done for report in reports.values()), now.total * len(names), f"{name}: {_standing(now)}")

        found = api.solve_compared(tasks, names, out=out, on_progress=note, **settings)
    if json:
        print_json(found)
        return
    show_strategies(found, title=f"{tasks}, the same budget for each strategy")
    err.print(f"Runs: {', '.join(str(out / name) for name in names)}   Page of one: burnish view {out / names[0]}")


def _standing(now: Progress) -> str:
    return f"solved {now.solved} · {now.tokens} tokens · judge {now.judge_s:.0f} s · {now.errors} errors"
