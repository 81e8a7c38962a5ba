"""`burnish demo`: the whole job on the embedded model."""

from __future__ import annotations

from pathlib import Path

from burnish.cli._console import err, print_json, progress
from burnish.cli._console import out as stdout
from burnish.cli._results import show_comparison


def demo(*, out: Path | None = None, quick: bool = False, seed: int = 0, resume: bool = False, json: bool = False) -> None:
    """Measure the embedded model, let it debug itself, train it on what was verified, and measure it again on held-out tasks.

    Takes at most ten minutes on two CPU cores and needs no network. Leaves a self-contained page with the whole story.

    Example: burnish demo --quick

    Args:
        out: Folder for the runs, the checkpoints and the report; by default `runs/demo`, or `runs/demo-quick` with --quick.
        quick: A thinner version in three minutes, with wide intervals.
        seed: Seed of everything.
        resume: Go on with the demo in `out`; finished stages are kept.
        json: Print one JSON document instead of lines.
    """
    from burnish import api

    if quick:
        err.print("This is the thin demo: few tasks, few samples, few steps. Its figures have wide intervals.")
    out = out or Path("runs/demo-quick" if quick else "runs/demo")
    result = api.demo(out=out, quick=quick, seed=seed, resume=resume, stage=lambda title: progress(title, quiet=json))
    if json:
        print_json(result)
        return
    stdout.print("Held-out tasks, pass@1 by all tests (hidden ones included):")
    show_comparison("  first answer", result.first)
    show_comparison("  after one repair", result.repaired)
    stdout.print(f"Took {sum(result.seconds.values()):.0f} s. Model: {result.checkpoint}")
    stdout.print(f"Report: {result.report}")
