"""How results look in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from burnish.cli._console import out, table

if TYPE_CHECKING:
    from burnish.evaluation import Comparison, Evaluation, Standing


def show_evaluation(evaluation: Evaluation, *, title: str) -> None:
    """Print pass@k with intervals before and after each refinement round, and what it cost."""
    standings = [(f"after round {r}" if r else "first answers", s) for r, s in enumerate(evaluation.rounds)]
    rows = [(name, *_cells(standing)) for name, standing in (*standings, ("handed in", evaluation.answers))]
    table(title, ("samples", "n", "pass@k with 95% interval", "refined", "visible only", "not judged"), rows)
    solved = f"{evaluation.solved} of {evaluation.tasks} tasks solved"
    if evaluation.tokens_per_solved is not None and evaluation.judge_s_per_solved is not None:
        solved += f"; {evaluation.tokens_per_solved:.0f} tokens and {evaluation.judge_s_per_solved:.2f} judge seconds per solved task"
    out.print(solved + (f"; {evaluation.unfinished} episodes unfinished (resume the run)" if evaluation.unfinished else ""))


def show_strategies(evaluations: Mapping[str, Evaluation], *, title: str) -> None:
    """Print one row per strategy: what it solved of the same tasks, and what that cost."""
    header = ("strategy", "tasks solved", "handed in", "tokens", "judge s", "tokens per solved", "judge s per solved")
    table(title, header, [(name, *_strategy_cells(evaluation)) for name, evaluation in evaluations.items()])


def _strategy_cells(evaluation: Evaluation) -> tuple[str, ...]:
    tokens = sum(row.tokens for row in evaluation.per_task)
    judge_s = sum(row.judge_s for row in evaluation.per_task)
    per_solved = (evaluation.tokens_per_solved, evaluation.judge_s_per_solved)
    costs = ("-" if cost is None else f"{cost:.{digits}f}" for cost, digits in zip(per_solved, (0, 2), strict=True))
    rates = ", ".join(f"pass@{p.k} {p.value:.3f} [{p.low:.3f}, {p.high:.3f}]" for p in evaluation.answers.pass_at_k)
    return f"{evaluation.solved}/{evaluation.tasks}", rates or "-", str(tokens), f"{judge_s:.1f}", *costs


def show_comparison(name: str, comparison: Comparison) -> None:
    """Print one before/after comparison."""
    out.print(f"{name}: {comparison.text}")


def _cells(standing: Standing) -> tuple[str, ...]:
    rates = ", ".join(f"pass@{p.k} {p.value:.3f} [{p.low:.3f}, {p.high:.3f}]" for p in standing.pass_at_k)
    refined = f"{standing.refined}/{standing.failing_before}"
    gap = "-" if standing.hidden_gap is None else f"{standing.hidden_gap:.1%}"
    return str(standing.samples), rates or "-", refined, gap, str(standing.unscored)
