"""The figures of `benchmarks.ledex` as Markdown: the tables, and the page for the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks._ledex_report import BASE, FORMS, Result, Row
from burnish.evaluation import Interval


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
    header = (*header, "regressions", "use of explanations, over nothing", "over another's")
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(name, row))} |" for name, row in rows.items())])


def _cells(name: str, row: Row) -> Sequence[str]:
    shown = f"{BASE} (prompting only)" if name == BASE else name
    after, rates = ([_show(found[form]) for form in FORMS] for found in (row.after, row.rate))
    uses = (_show(found, sign=True) for found in (row.useful, row.useful_other))
    return (shown, _show(row.first), *after, _show(row.gain, sign=True), *rates, str(row.regressions), *uses)


def _show(interval: Interval | None, *, sign: bool = False) -> str:
    if interval is None:
        return "–"
    form = "{:+.3f}" if sign else "{:.3f}"
    value, low, high = (form.format(round(one, 3) + 0.0) for one in (interval.value, interval.low, interval.high))  # no -0.000
    return f"{value} [{low}, {high}]"


def directions(whole: Result) -> str:
    """Which of the paper's directions hold here, as Markdown."""
    lines = ["| claim | tasks | difference | here |", "|---|---|---|---|"]
    lines += [f"| {one.claim} | {one.tasks} | {_show(one.difference, sign=True)} | {one.verdict} |" for one in whole.directions]
    return "\n".join(lines)


def _learned(whole: Result) -> str:
    """Examples and cost of each arm, as Markdown: means over the seeds."""
    lines = ["| arm | examples | collect | learn | measure |", "|---|---|---|---|---|"]
    for arm, each in whole.examples.items():
        kinds = sorted({kind for counts in each.values() for kind in counts})
        examples = ", ".join(f"{sum(counts.get(kind, 0) for counts in each.values()) / len(each):.0f} {kind}" for kind in kinds)
        minutes = " | ".join(f"{spent:.1f}" for spent in whole.minutes[arm].values())
        lines.append(f"| {arm} | {examples or 'none'} | {minutes} |")
    return "\n".join(lines)


def page(whole: Result) -> str:
    """`docs/results/ledex.md`."""
    return PAGE.format(
        **whole.settings,
        command=whole.command,
        table=table(whole),
        directions=directions(whole),
        learned=_learned(whole),
        seeds=", ".join(map(str, whole.seeds)),
        machine=whole.machine,
        hours=sum(sum(spent.values()) for spent in whole.minutes.values()) * len(whole.seeds) / 60,
        notes="".join(f"- {note}\n" for note in whole.notes),
        claims=sum(one.difference is not None for one in whole.directions),
    )


PAGE = """\
# LeDex at this size

Written by one command; model `{model}`, training tasks `{train}`, seeds {seeds}:

```
{command}
```

{table}

- **pass@1**: share of the samples that pass all tests of their task, hidden ones included. First answers per task and seed: {samples}, at
  temperature 0.8, of at most {max_tokens} tokens. **After repair**: in each round (here: {rounds}) an answer that fails a visible test gets
  one repair; once told to repair, once to explain first. Base and trained models see the same prompts and seeds.
- **Repair rate**: repaired / failing first answers (LeDex's success refinement rate).
- **Use of explanations**: how much the repair rate of a fresh base model rises when it is told the arm's explanation, over being told
  nothing more and over being told another task's. Wrong programs: at most {problems} per seed and task set, of those that the arm
  explained; repairs of each: {draws}.
- Intervals are 95 % percentile bootstrap over tasks, of means over the seeds; gains and differences are paired by task.

## Which of the paper's directions hold here

{directions}

With {claims} comparisons at 95 %, some stand apart from 0 by chance alone.

## What the arms learned from, and what it cost

One collected run per seed: {answers} answers to each training task, {repairs} repairs for each of at most {wrong} wrong ones, by the
model itself. Examples of each kind and minutes, as means over the seeds; what an arm takes over from another is not counted again.

{learned}

{notes}
All runs took {hours:.1f} hours; {machine}.
"""
