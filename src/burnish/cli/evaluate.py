"""`burnish eval`: all metrics of a stored run, or of two runs side by side."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import print_json
from burnish.cli._results import show_comparison, show_evaluation


def evaluate(run: Positional[Path], *, k: tuple[int, ...] = (1,), against: Path | None = None, json: bool = False) -> None:
    """Measure a run: unbiased pass@k with bootstrap intervals over tasks, per refinement round; costs; hidden-visible gap.

    Example: burnish eval runs/after --k 1 4 --against runs/before

    Args:
        run: Run folder (made by `burnish solve`).
        k: The k of pass@k.
        against: Run folder of the same tasks to compare with (for example before training).
        json: Print one JSON document instead of tables.
    """
    from burnish import api

    evaluation = api.evaluate(run, ks=k)
    if against is None:
        if json:
            print_json(evaluation)
        else:
            show_evaluation(evaluation, title=str(run))
        return
    comparisons = api.compare_runs(against, run)
    if json:
        print_json({"evaluation": evaluation, "comparisons": comparisons})
        return
    show_evaluation(evaluation, title=str(run))
    for name, comparison in comparisons.items():
        show_comparison(f"{name}, {against} → {run}", comparison)
