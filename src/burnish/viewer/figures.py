"""Evaluations, comparisons and metrics of the store as blocks. Nothing is measured here; figures are only worded.

A report is composed of these, for example `[comparison_table({...}), task_changes(before, after), metric_curves(...)]`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from burnish.evaluation import Comparison, Evaluation, Interval, Standing
from burnish.viewer.blocks import Bar, Bars, Cell, Change, Changes, Curves, Estimate, Fact, Facts, Point, Series, Style, Table

FEW_TASKS = 10
"""With fewer tasks a percentile bootstrap interval is too narrow (see `evaluation.metrics`)."""


def estimate(interval: Interval, style: Style = "percent") -> Estimate:
    """An interval of the evaluation as a table cell."""
    return Estimate(value=interval.value, low=interval.low, high=interval.high, style=style)


def interval_name(tasks: Iterable[int]) -> str:
    """The name of the evaluation's intervals over so many tasks (several numbers if the figures differ in it)."""
    counts = sorted(set(tasks)) or [0]
    over = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"95% bootstrap over {over} tasks{'' if counts[0] >= FEW_TASKS else ', too few to trust their width'}"


def overview(evaluation: Evaluation) -> Facts:
    """What a run reached and what it cost."""
    answers, first = evaluation.answers, evaluation.rounds[0]
    tokens, seconds = sum(row.tokens for row in evaluation.per_task), sum(row.judge_s for row in evaluation.per_task)
    return Facts(
        interval=interval_name(_measured(first, answers)),
        facts=(
            Fact(label="tasks solved", value=f"{evaluation.solved} of {evaluation.tasks}", note="at least one answer passes all checks"),
            Fact(label="pass@1, first answers", value=_pass_at_1(first), note=_decided(first)),
            Fact(label="pass@1, handed in", value=_pass_at_1(answers), note=_decided(answers)),
            Fact(label="sampled tokens", value=tokens, note=_per_solved(evaluation.tokens_per_solved, "")),
            Fact(label="judge", value=f"{seconds:,.1f} s", note=_per_solved(evaluation.judge_s_per_solved, " s")),
        ),
    )


def rounds_chart(evaluation: Evaluation) -> Bars:
    """pass@k of the first answers, after each refinement round, and of the answers handed in."""
    standings = _standings(evaluation)
    bars = [
        Bar(label=f"pass@{result.k}, {name}", value=result.value, low=result.low, high=result.high)
        for k in sorted({result.k for _, standing in standings for result in standing.pass_at_k})
        for name, standing in standings
        for result in standing.pass_at_k
        if result.k == k
    ]
    intervals = interval_name(_measured(*(standing for _, standing in standings)))
    note = f"n = {evaluation.answers.samples:,} samples."
    return Bars(heading="pass@k by refinement round", bars=tuple(bars), interval=intervals, note=note)


def refinement_table(evaluation: Evaluation, heading: str = "Refinement") -> Table:
    """Counts per refinement round: what was repaired, what was lost, what only looks right."""
    return Table(
        heading=heading,
        columns=("After", "Samples", "Not judged", "Pass", "Repaired", "Failing first", "Refinement rate", "Regressions", "Hidden gap"),
        rows=tuple((name, *_standing_cells(standing)) for name, standing in _standings(evaluation)),
        note="Refinement rate: repaired / failing first. Regressions: hidden checks passed with the first answer and fail now. "
        "Hidden gap: share of the judged samples that pass the visible checks and fail all the same.",
    )


def attempt_verdicts(evaluation: Evaluation) -> Bars:
    """How often each verdict was given, over all attempts."""
    total = sum(evaluation.statuses.values())
    return Bars(
        heading="Verdicts of all attempts",
        bars=tuple(Bar(label=f"{status} ({count:,})", value=count / total) for status, count in evaluation.statuses.items()),
        note=f"n = {total:,} attempts, judged by all checks. Cut off by the length limit: {_percent(evaluation.truncation_share)}.",
    )


def comparison_table(comparisons: Mapping[str, Comparison], *, heading: str = "Before and after", note: str = "") -> Table:
    """One row per comparison (its name → the comparison): before, after, and the paired gain."""
    rows = tuple(
        (name, estimate(it.before), estimate(it.after), estimate(it.gain, "points"), it.improved, it.worsened, it.tasks)
        for name, it in comparisons.items()
    )
    columns = ("Measure", "Before", "After", "Gain per task", "Tasks better", "Tasks worse", "Tasks")
    intervals = interval_name(it.tasks for it in comparisons.values())
    return Table(heading=heading, columns=columns, rows=rows, interval=intervals, note=note)


def task_changes(
    before: Evaluation, after: Evaluation, *, which: Literal["first", "answers"] = "answers", heading: str = "Gain per task"
) -> Changes:
    """pass@1 per task in both evaluations; tasks measured in only one of them are left out, as in `evaluation.compare`."""
    earlier, later = _rates(before, which), _rates(after, which)
    changes = tuple(Change(label=name, before=earlier[name], after=later[name]) for name in earlier if name in later)
    return Changes(heading=heading, changes=changes, note="Share of a task's samples that pass all checks.")


def metric_curves(
    heading: str,
    metrics: Sequence[tuple[int, Mapping[str, float]]],
    names: Mapping[str, str],
    *,
    x_label: str = "step",
    y_label: str = "",
    style: Style = "number",
    from_zero: bool = False,
    note: str = "",
) -> Curves:
    """Curves of the store's metrics (`store.metrics(series)`). `names` maps the metrics drawn to their names on the page.

    A step that lacks a metric, or has it not finite, breaks that line.
    """
    series = tuple(
        Series(name=shown, points=tuple(Point(x=step, y=values.get(key, math.nan)) for step, values in metrics))
        for key, shown in names.items()
    )
    y_label = y_label or ", ".join(names.values())
    return Curves(heading=heading, x_label=x_label, y_label=y_label, series=series, style=style, from_zero=from_zero, note=note)


CURVES = {
    "Loss": ("loss",),
    "Reward": ("reward_mean",),
    "Shares of completions": ("reward_parts.passed", "reward_parts.invalid", "truncated"),
    "Groups without a signal": ("dead_groups",),
    "Entropy": ("entropy", "exact_entropy"),
    "Sampler and trainer apart": ("rollout_delta", "rollout_kl"),
    "Gradient norm": ("gradient_norm",),
    "Tokens per completion": ("response_tokens",),
}
"""Curves of a training run: heading → metrics that share a chart, in the order shown."""


def training_curves(series: Mapping[str, Sequence[tuple[int, Mapping[str, float]]]]) -> tuple[Curves, ...]:
    """One chart per heading of `CURVES` that any of the stored series has: a line for each metric of each stream."""
    charts = []
    for heading, metrics in CURVES.items():
        lines: list[Series] = []
        for name, steps in series.items():
            keys = dict.fromkeys(key for _, values in steps for key in values if _metric(key) in metrics)
            for key in keys:
                shown = key if len(series) == 1 else f"{name}: {key}"
                points = tuple(Point(x=step, y=values.get(key, math.nan)) for step, values in steps)
                if points not in [line.points for line in lines]:  # of a single stream, all of the loss is its loss
                    lines.append(Series(name=shown, points=points))
        if lines:
            charts.append(Curves(heading=heading, x_label="step", y_label=heading.lower(), series=tuple(lines)))
    return tuple(charts)


def _metric(key: str) -> str:
    """A stored key without the stream before it: `rl.reward_mean` → `reward_mean`."""
    parts = key.split(".")
    return ".".join(parts[-2:]) if "reward_parts" in parts else parts[-1]


def cost_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """What each run solved, and at what cost."""
    rows = []
    for name, it in evaluations.items():
        tokens, seconds = sum(row.tokens for row in it.per_task), sum(row.judge_s for row in it.per_task)
        per_solved: tuple[Cell, Cell] = (it.tokens_per_solved, it.judge_s_per_solved)
        rows.append((name, it.solved, it.tasks, tokens, round(seconds, 1), *per_solved))
    columns = ("Run", "Tasks solved", "Tasks", "Tokens", "Judge s", "Tokens per solved", "Judge s per solved")
    return Table(heading="What it cost", columns=columns, rows=tuple(rows))


def _standings(evaluation: Evaluation) -> list[tuple[str, Standing]]:
    rounds = [(f"round {number}" if number else "first answers", standing) for number, standing in enumerate(evaluation.rounds)]
    return [*rounds, ("handed in", evaluation.answers)]


def _standing_cells(standing: Standing) -> tuple[Cell, ...]:
    counts = (standing.samples, standing.unscored, standing.passed, standing.refined, standing.failing_before)
    return (*counts, _share(standing.refinement_rate), standing.regressions, _share(standing.hidden_gap))


def _measured(*standings: Standing) -> set[int]:
    return {result.tasks for standing in standings for result in standing.pass_at_k}


def _rates(evaluation: Evaluation, which: Literal["first", "answers"]) -> dict[str, float]:
    counts = {
        row.task_id: (row.first_passed, row.first_scored) if which == "first" else (row.passed, row.scored) for row in evaluation.per_task
    }
    return {task_id: passed / scored for task_id, (passed, scored) in counts.items() if scored}


def _pass_at_1(standing: Standing) -> Cell:
    result = next((result for result in standing.pass_at_k if result.k == 1), None)
    return estimate(result) if result else None


def _share(share: float | None) -> Cell:
    return None if share is None else Estimate(value=share)


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{share:.1%}"


def _decided(standing: Standing) -> str:
    missing = f", {standing.unscored} not judged" if standing.unscored else ""
    return f"{standing.passed} of {standing.samples - standing.unscored} samples{missing}"


def _per_solved(cost: float | None, unit: str) -> str:
    return "no task is solved" if cost is None else f"{cost:,.4g}{unit} per solved task"
