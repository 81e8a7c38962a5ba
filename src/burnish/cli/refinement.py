"""`burnish refinement`: how well a model repairs its own programs, and what its explanations are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from burnish.cli._console import err, print_json, progress
from burnish.cli._console import out as stdout
from burnish.cli._results import show_evaluation

if TYPE_CHECKING:
    from burnish.evaluation import Interval
    from burnish.recipes._protocol import Explained


def refinement(
    *,
    model: str = "embedded",
    tasks: tuple[str, ...] = ("first-functions:test",),
    fresh: str = "embedded",
    out: Path = Path("runs/refinement"),
    limit: int | None = None,
    samples: int = 2,
    rounds: int = 1,
    temperature: float = 0.8,
    max_tokens: int = 160,
    formats: tuple[Literal["repair", "explain"], ...] = ("repair", "explain"),
    problems: int = 24,
    draws: int = 2,
    seed: int = 0,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Measure refinement by LeDex's protocol: answers, then one repair of each that fails a visible test, round by round.

    Prints pass@k before and after each round, the success refinement rate and regressions, with and without an explanation first;
    how like the explanations are to those of verified repairs; and whether they help a fresh model to repair.

    Example: burnish refinement --model runs/ledex/sft/step-000020 --tasks first-functions:test humaneval --rounds 3

    Args:
        model: The model to measure: `embedded`, a local folder, a hub name, or a server's address.
        tasks: Task sets or JSONL files. Their hidden checks decide.
        fresh: The model that is told the explanations; it should not have learned from them.
        out: Folder for the runs and `result.json`.
        limit: So many tasks of each set, at even distances.
        samples: First answers per task.
        rounds: Refinement rounds.
        temperature: Of answers and repairs.
        max_tokens: Most tokens of one reply.
        formats: `repair`: only repair; `explain`: explain first.
        problems: Wrong programs on which the use of explanations is measured; 0 leaves it out.
        draws: Repairs of each of them by the fresh model.
        seed: Seed of everything.
        resume: Go on with the measurement in `out`.
        json: Print one JSON document instead of tables.
    """
    from burnish import api

    settings: dict[str, Any] = {"limit": limit, "samples": samples, "rounds": rounds, "temperature": temperature, "max_tokens": max_tokens}
    settings |= {"formats": formats, "problems": problems, "draws": draws}
    result = api.refinement(
        tasks, out, model=model, fresh=fresh, seed=seed, resume=resume, stage=lambda title: progress(title, quiet=json), **settings
    )
    if json:
        print_json(result)
        return
    for name, forms in result.evaluations.items():
        for form, evaluation in forms.items():
            show_evaluation(evaluation, title=f"{name}, asked to {form}")
        if name in result.explained:
            _show(result.explained[name])
    err.print(f"Result: {out / 'result.json'}   Pages: burnish view {out}/measure-model/…")


def _show(worth: Explained) -> None:
    like, use = worth.similarity, worth.usefulness
    near = "none verified to compare with" if like.mean is None else f"{_interval(like.mean)} over {like.compared} of {like.explanations}"
    stdout.print(f"explanations, similarity to verified ones: {near}")
    if use is not None:
        stdout.print(
            f"a fresh model repairs {_interval(use.nothing)} told nothing, {_interval(use.explanation)} told the explanation, "
            f"{_interval(use.other)} told another task's; gain {_interval(use.gain)}, over another's {_interval(use.over_other)} "
            f"({use.problems} wrong programs of {use.tasks} tasks)"
        )


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
