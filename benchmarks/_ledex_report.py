"""What `benchmarks.ledex` has measured: a row per arm and task set, which of the paper's directions hold, and the page for the docs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.core.records import Record
from burnish.evaluation import Evaluation, Interval, TaskResult, bootstrap_interval, paired_interval
from burnish.evaluation.metrics import ratio_interval
from burnish.recipes._ledex_config import Rl
from burnish.recipes._ledex_records import LedexResult

BASE = "base"


@dataclass(frozen=True)
class Arm:
    """A setting of the recipe: which kinds of examples, which RL; `begins_with`: the arm whose SFT it takes over."""

    folder: str
    kinds: str
    rl: Rl = "none"
    begins_with: str = ""


FULL = "LeDex SFT"
ARMS = {
    "code-only SFT": Arm("code-only", "a"),
    "LeDex SFT, no explanation": Arm("no-explanation", "ab"),
    FULL: Arm("ledex", "abc"),
    "LeDex SFT + PPO": Arm("ppo", "abc", "ppo-offline", FULL),
    "LeDex SFT + GRPO": Arm("grpo", "abc", "grpo", FULL),
}
"""The first one collects for all."""
FORMS = ("repair", "explain")


class Row(Record):
    """One arm on one task set, over all seeds: means per task over the seeds, intervals over tasks.

    `after` and `rate` (success refinement rate) are by format. `useful` is what its explanations add to a fresh model's repair rate,
    over being told nothing, and `useful_other` over another task's explanation; both are means over the seeds, without interval.
    """

    first: Interval
    after: dict[str, Interval]
    rate: dict[str, Interval | None]
    regressions: int
    gain: Interval | None
    useful: float | None
    useful_other: float | None


class Direction(Record):
    """A claim of the paper, and the difference that speaks for it if it lies above 0."""

    claim: str
    tasks: str
    difference: Interval | None

    @property
    def verdict(self) -> str:
        """What the interval allows to say."""
        if self.difference is None:
            return "not measured"
        return "holds" if self.difference.low > 0 else "the opposite" if self.difference.high < 0 else "not decided"


class Result(Record):
    """The whole benchmark: what `result.json` holds. `rows` are by task set and arm; the base model's row comes first."""

    machine: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    rows: dict[str, dict[str, Row]]
    directions: tuple[Direction, ...]
    examples: dict[str, dict[int, dict[str, int]]]
    seconds: float
    notes: tuple[str, ...]


Runs = dict[int, dict[str, Evaluation]]
"""By seed and format."""


def result(found: Mapping[str, Mapping[int, LedexResult]], settings: dict[str, Any], machine: str) -> Result:
    """Rows and directions from the results of every arm and seed."""
    plain = {key: value if isinstance(value, int | float | None) else str(value) for key, value in settings.items()}
    sets = [name for one in found.values() for each in one.values() for name in each.evaluations[BASE]]
    runs = {name: _runs(found, name) for name in dict.fromkeys(sets)}
    whole = [each for one in found.values() for each in one.values()]
    return Result(
        machine=machine,
        settings=plain,
        seeds=tuple(next(iter(found.values()))),
        rows={name: {arm: _row(arm, name, arms, found) for arm in arms} for name, arms in runs.items()},
        directions=tuple(direction for name, arms in runs.items() for direction in _directions(name, arms, found)),
        examples={arm: {seed: one.examples for seed, one in each.items()} for arm, each in found.items()},
        seconds=sum(sum(one.seconds.values()) for one in whole),
        notes=tuple(dict.fromkeys(note for one in whole for note in one.notes)),
    )


def _runs(found: Mapping[str, Mapping[int, LedexResult]], tasks: str) -> dict[str, Runs]:
    """By arm; the base model is measured by the first."""
    first = next(iter(found.values()))
    base: dict[str, Runs] = {BASE: {seed: dict(one.evaluations[BASE][tasks]) for seed, one in first.items()}}
    return base | {arm: {seed: dict(_last(one)[tasks]) for seed, one in each.items()} for arm, each in found.items()}


def _last(one: LedexResult) -> Mapping[str, Mapping[Any, Evaluation]]:
    return one.evaluations[list(one.evaluations)[-1]]


def _row(arm: str, tasks: str, arms: Mapping[str, Runs], found: Mapping[str, Mapping[int, LedexResult]]) -> Row:
    runs = arms[arm]
    form = FORMS[-1]
    uses = [] if arm == BASE else [use for one in found[arm].values() if (use := _use(one, tasks)) is not None]
    if arm == BASE:
        first = next(iter(found.values())).values()
        uses = [use for one in first if (use := _use(one, tasks, BASE)) is not None]
    return Row(
        first=_mean(_rates(runs, form, "first")),
        after={name: _mean(_rates(runs, name, "handed in")) for name in FORMS},
        rate={name: _rate(runs, name) for name in FORMS},
        regressions=sum(each[form].answers.regressions for each in runs.values()),
        gain=None if arm == BASE else _difference(_rates(arms[BASE], form, "handed in"), _rates(runs, form, "handed in")),
        useful=statistics.fmean(use.gain.value for use in uses) if uses else None,
        useful_other=statistics.fmean(use.over_other.value for use in uses) if uses else None,
    )


def _use(one: LedexResult, tasks: str, model: str = "") -> Any:
    found = one.explained.get(model or list(one.evaluations)[-1], {})
    return found[tasks].usefulness if tasks in found else None


def _rates(runs: Runs, form: str, which: str) -> dict[str, float]:
    """By task the mean over the seeds of the share that passes."""
    by_task: dict[str, list[float]] = {}
    for each in runs.values():
        for row in each[form].per_task:
            share = _share(row, which)
            if share is not None:
                by_task.setdefault(row.task_id, []).append(share)
    return {task: statistics.fmean(shares) for task, shares in by_task.items()}


def _share(row: TaskResult, which: str) -> float | None:
    parts = {"first": (row.first_passed, row.first_scored), "handed in": (row.passed, row.scored), "repaired": (row.repaired, row.failing)}
    part, whole = parts[which]
    return part / whole if whole else None


def _rate(runs: Runs, form: str) -> Interval | None:
    parts: dict[str, int] = {}
    wholes: dict[str, int] = {}
    for each in runs.values():
        for row in each[form].per_task:
            parts[row.task_id] = parts.get(row.task_id, 0) + row.repaired
            wholes[row.task_id] = wholes.get(row.task_id, 0) + row.failing
    return ratio_interval([*parts.values()], [*wholes.values()], seed=0) if sum(wholes.values()) else None


def _mean(rates: Mapping[str, float]) -> Interval:
    return bootstrap_interval([*rates.values()], seed=0)


def _difference(before: Mapping[str, float], after: Mapping[str, float]) -> Interval | None:
    common = [task for task in before if task in after]
    return paired_interval([before[task] for task in common], [after[task] for task in common], seed=0) if common else None


def _directions(tasks: str, arms: Mapping[str, Runs], found: Mapping[str, Mapping[int, LedexResult]]) -> list[Direction]:
    """The paper's claims as differences. An arm that was not run leaves its claim unmeasured."""

    def between(one: str, other: str, which: str) -> Interval | None:
        if one not in arms or other not in arms:
            return None
        return _difference(_rates(arms[one], "explain", which), _rates(arms[other], "explain", which))

    def within(arm: str) -> Interval | None:
        return _difference(_rates(arms[arm], "repair", "handed in"), _rates(arms[arm], "explain", "handed in")) if arm in arms else None

    claims = [
        ("Training raises pass@1 after refinement (LeDex SFT − base)", between(BASE, FULL, "handed in")),
        ("Refinement skill needs refinement data (repair rate, LeDex SFT − code-only SFT)", between("code-only SFT", FULL, "repaired")),
        ("Explanations in training help (repair rate, LeDex SFT − no explanation)", between("LeDex SFT, no explanation", FULL, "repaired")),
        ("Explaining first helps (pass@1 after refinement, explain − repair)", within(FULL)),
        ("PPO adds (pass@1 after refinement, + PPO − LeDex SFT)", between(FULL, "LeDex SFT + PPO", "handed in")),
        ("GRPO adds (pass@1 after refinement, + GRPO − LeDex SFT)", between(FULL, "LeDex SFT + GRPO", "handed in")),
    ]
    return [Direction(claim=claim, tasks=tasks, difference=difference) for claim, difference in claims]


def table(whole: Result) -> str:
    """The figures as Markdown, a table for each task set."""
    return "\n\n".join(f"### {tasks}\n\n{_table(rows)}" for tasks, rows in whole.rows.items())


def _table(rows: Mapping[str, Row]) -> str:
    header = (
        "arm",
        "pass@1, first answer",
        "after repair",
        "after explained repair",
        "gain over base",
        "repair rate",
        "explained repair rate",
    )
    header = (*header, "regressions", "use of explanations: over nothing, over another's")
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(name, row))} |" for name, row in rows.items())])


def _cells(name: str, row: Row) -> Sequence[str]:
    shown = f"{BASE} (prompting only)" if name == BASE else name
    after, rates = ([_show(found[form]) for form in FORMS] for found in (row.after, row.rate))
    use = "–" if row.useful is None or row.useful_other is None else f"{row.useful:+.3f}, {row.useful_other:+.3f}"
    return (shown, _show(row.first), *after, _show(row.gain, sign=True), *rates, str(row.regressions), use)


def _show(interval: Interval | None, *, sign: bool = False) -> str:
    if interval is None:
        return "–"
    form = "{:+.3f}" if sign else "{:.3f}"
    return f"{form.format(interval.value)} [{form.format(interval.low)}, {form.format(interval.high)}]"


def directions(whole: Result) -> str:
    """Which of the paper's directions hold here, as Markdown."""
    lines = ["| claim | tasks | difference | here |", "|---|---|---|---|"]
    lines += [f"| {one.claim} | {one.tasks} | {_show(one.difference, sign=True)} | {one.verdict} |" for one in whole.directions]
    return "\n".join(lines)


def page(whole: Result) -> str:
    """`docs/results/ledex.md`."""
    kinds = "; ".join(
        f"{arm}, seed {seed}: " + (", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none")
        for arm, each in whole.examples.items()
        for seed, counts in each.items()
    )
    return PAGE.format(
        **whole.settings,
        table=table(whole),
        directions=directions(whole),
        kinds=kinds,
        seeds=", ".join(map(str, whole.seeds)),
        machine=whole.machine,
        hours=whole.seconds / 3600,
        notes="".join(f"- {note}\n" for note in whole.notes),
        claims=sum(one.difference is not None for one in whole.directions),
    )


PAGE = """\
# LeDex at this size

Written by one command; model `{model}`, training tasks `{train}`, seeds {seeds}:

```
python -m benchmarks.ledex --write docs/results/ledex.md
```

{table}

- **pass@1**: share of the samples that pass all tests of their task, hidden ones included; {samples} first answers per task and seed at
  temperature 0.8, at most {max_tokens} tokens. **After repair**: each answer that fails a visible test gets one repair a round,
  {rounds} rounds; once told to repair, once to explain first. Base and trained models see the same prompts and seeds.
- **Repair rate**: repaired / failing first answers (LeDex's success refinement rate).
- **Use of explanations**: how much the repair rate of a fresh base model rises when it is told the arm's explanation, over being told
  nothing more and over being told another task's; on {problems} wrong programs, {draws} repairs of each.
- Intervals are 95 % percentile bootstrap over tasks, of means over the seeds; gains and differences are paired by task.

## Which of the paper's directions hold here

{directions}

With {claims} comparisons at 95 %, some stand apart from 0 by chance alone.

## What the arms learned from

One collected run per seed: {answers} answers to each training task, {repairs} repairs for each of at most {wrong} wrong ones, by the
model itself. {kinds}.
{notes}
All runs took {hours:.1f} hours; {machine}.
"""
