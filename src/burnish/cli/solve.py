"""`burnish solve`: run a strategy over tasks into a resumable run."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import err, print_json, progress
from burnish.cli._results import show_evaluation


def solve(
    strategy: Positional[str] = "self_debug",
    *,
    tasks: str = "first-functions:test",
    model: str = "embedded",
    engine: str = "auto",
    engine_option: tuple[str, ...] = (),
    out: Path = Path("runs/solve"),
    samples: int = 1,
    limit: int | None = None,
    temperature: float = 0.8,
    max_tokens: int = 256,
    seed: int = 0,
    option: tuple[str, ...] = (),
    max_calls: int | None = None,
    token_budget: int | None = None,
    seconds: float | None = None,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Let a model solve tasks by a strategy; judge by visible tests on the way and by hidden tests at the end.

    Example: burnish solve self_debug --tasks first-functions:test --samples 4 --option rounds=2 --out runs/first

    Args:
        strategy: Name of the strategy (see `burnish list strategies`) or an import path.
        tasks: Task set, optionally with a split (`first-functions:test`, `humaneval`), or a JSONL file of tasks.
        model: `embedded`, a local model folder, a hub name, a .gguf file, or a server's address (`http://127.0.0.1:8080/v1`).
        engine: `auto`, or an engine's name (see `burnish list models`).
        engine_option: Options of the engine as name=value, for example `tokenizer=embedded`.
        out: Run folder to write.
        samples: Episodes per task.
        limit: Only the first this many tasks.
        temperature: Sampling temperature; 0 is greedy.
        max_tokens: Most tokens per completion.
        seed: Seed of the run.
        option: Options of the strategy as name=value, for example `rounds=2`.
        max_calls: Most model calls per episode.
        token_budget: Most sampled tokens per episode.
        seconds: Most wall seconds per episode.
        resume: Go on with the run in `out`: keep what is finished, redo what failed.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    with progress(f"solve {strategy}", quiet=json) as update:
        evaluation = api.solve(
            tasks,
            out=out,
            strategy=strategy,
            model=model,
            engine=engine,
            engine_options=api.parse_options(engine_option),
            samples=samples,
            limit=limit,
            sampling=api.Sampling(temperature=temperature, max_tokens=max_tokens, stop=api.STOP),
            options=api.parse_options(option),
            budget=api.Budget(calls=max_calls, tokens=token_budget, wall_s=seconds),
            seed=seed,
            resume=resume,
            on_progress=lambda p: update(p.done, p.total, f"solved {p.solved} · {p.tokens} tokens · {p.errors} errors"),
        )
    if json:
        print_json(evaluation)
        return
    show_evaluation(evaluation, title=f"{strategy} on {tasks}")
    err.print(f"Run: {out}   Page: burnish view {out}")
