"""How results look in the terminal."""

from __future__ import annotations

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


def show_comparison(name: str, comparison: Comparison) -> None:
    """Print one before/after comparison."""
    before, after, gain = comparison.before, comparison.after, comparison.gain
    out.print(
        f"{name}: {before.value:.3f} → {after.value:.3f}, gain {gain.value:+.3f} "
        f"(95% interval {gain.low:+.3f} … {gain.high:+.3f} over {comparison.tasks} tasks)"
    )


def _cells(standing: Standing) -> tuple[str, ...]:
    rates = ", ".join(f"pass@{p.k} {p.value:.3f} [{p.low:.3f}, {p.high:.3f}]" for p in standing.pass_at_k)
    refined = f"{standing.refined}/{standing.failing_before}"
    gap = "-" if standing.hidden_gap is None else f"{standing.hidden_gap:.1%}"
    return str(standing.samples), rates or "-", refined, gap, str(standing.unscored)
