"""The demo's page: what was measured, how it was trained, and a few stories told in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from burnish.core.records import Example
from burnish.recipes._demo_records import DemoResult
from burnish.store.runs import RunStore
from burnish.viewer import render_page
from burnish.viewer.blocks import Block, Notice, Prose, Story, Table
from burnish.viewer.figures import comparison_table, metric_curves, refinement_table, task_changes
from burnish.viewer.stories import story

THIN = "This is the thin demo: few tasks, few samples, few steps. Its intervals are wide; run `burnish demo` for the whole."
MEANING = {
    "ledex-a": "problem → program",
    "ledex-b": "wrong program and feedback → repair",
    "ledex-c": "the same, with an explanation first",
}
STORIES = 4
"""Repairs that are told in full."""


def report_page(result: DemoResult, log: RunStore, collected: Path, examples: Sequence[Example]) -> str:
    """The page as one string of HTML. `log` holds the training metrics, `collected` is the run that the examples come from."""
    blocks: list[Block] = []
    if result.config.is_thin:
        blocks.append(
            Notice(
                text="This is the thin demo: few tasks, few samples, few steps. Its intervals are wide; run `burnish demo` for the whole."
            )
        )
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
        _examples_table(result),
        refinement_table(result.after),
        *_stories(collected, examples),
        Table(heading="Seconds per stage", columns=("Stage", "Seconds"), rows=tuple((n, round(s, 1)) for n, s in result.seconds.items())),
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


def _examples_table(result: DemoResult) -> Table:
    rows = tuple((kind, MEANING.get(kind, ""), count) for kind, count in sorted(result.examples.items()))
    note = "Every target passed all tests, hidden ones included. The loss lies on the last answer only; wrong programs are context."
    return Table(heading="What was trained", columns=("Kind", "What it teaches", "Examples"), rows=rows, note=note)


def _stories(collected: Path, examples: Sequence[Example]) -> Iterator[Story]:
    """Explained repairs of different tasks, each with the examples made from it."""
    told: set[str] = set()
    with RunStore.open(collected) as store:
        tasks = {task.id: task for task in store.tasks()}
        visible, hidden = store.verdicts("visible"), store.verdicts("hidden")
        for example in examples:
            if example.kind != "ledex-c" or example.task_id in told or len(told) == STORIES:
                continue
            told.add(example.task_id)
            attempts = [attempt for name in example.attempts if (attempt := store.attempt(name))]
            lessons = [other for other in examples if other.attempts == example.attempts]
            yield story(tasks[example.task_id], attempts, visible, hidden, heading=f"A repair: {example.task_id}", examples=lessons)
