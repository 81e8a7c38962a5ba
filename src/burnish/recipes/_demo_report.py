"""The demo's page: what was measured, how it was trained, and a few stories told in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from burnish.core.records import Example
from burnish.recipes._demo_records import DemoResult
from burnish.recipes._stories import told_repairs
from burnish.recipes._tables import examples_table, seconds_table
from burnish.store.runs import RunStore
from burnish.viewer import render_page
from burnish.viewer.blocks import Block, Notice, Prose
from burnish.viewer.figures import comparison_table, metric_curves, refinement_table, task_changes

THIN = "This is the thin demo: few tasks, few samples, few steps. Its intervals are wide; run `burnish demo` for the whole."


def report_page(result: DemoResult, log: RunStore, collected: Path, examples: Sequence[Example]) -> str:
    """The page as one string of HTML. `log` holds the training metrics, `collected` is the run that the examples come from."""
    blocks: list[Block] = [Notice(text=THIN)] if result.config.is_thin else []
    blocks += [
        Prose(text=_summary(result)),
        comparison_table(
            {"pass@1, first answer": result.first, "pass@1, after repair": result.repaired},
            heading="Held-out tasks, judged by hidden tests",
            note="Same tasks, prompts, sampling and seeds before and after; no concept of these tasks occurs in training.",
        ),
        task_changes(result.before, result.after, which="first"),
        metric_curves("Learning what was verified (SFT)", log.metrics("sft"), {"loss": "loss per token"}, from_zero=True),
        metric_curves(
            "Learning by trial (GRPO)",
            log.metrics("grpo"),
            {"rl.reward_mean": "mean reward"},
            from_zero=True,
            note="Each step samples other tasks, so a part of the way up and down is their difficulty.",
        ),
        examples_table(result.examples),
        refinement_table(result.after),
        *told_repairs(collected, examples),
        seconds_table(result.seconds),
    ]
    return render_page("Burnish demo", f"{result.config.model} on {result.config.tasks}, seed {result.config.seed}", blocks)


def _summary(result: DemoResult) -> str:
    gain, first = result.first.gain, result.first
    clear = "lies above zero" if gain.low > 0 else "includes zero, so this run alone proves nothing"
    return (
        f"The model wrote programs for {len(result.before.per_task)} held-out tasks before and after it was trained on its own verified "
        f"programs and repairs of other tasks. Its first answers pass all tests in {first.before.value:.1%} of the samples before and "
        f"{first.after.value:.1%} after. The interval of the gain per task {clear}."
    )
