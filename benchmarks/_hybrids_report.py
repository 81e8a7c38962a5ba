"""What `benchmarks.hybrids` has measured: one row per arm, the paired difference from the baseline, and the page for the docs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from burnish.core.records import Record
from burnish.evaluation import Interval, bootstrap_interval, paired_interval

BASE, BASELINE = "base model", "SFT → RL"


class Outcome(Record):
    """One arm with one seed. `rates`: by held-out task the share of its decided answers that pass; `steps`: by stream, how many had it."""

    rates: dict[str, float]
    truncated: float
    kl: float | None
    trained: int
    generated: int
    steps: dict[str, int]
    train_s: float
    seconds: float


class ArmResult(Record):
    """One arm over its seeds. `difference`: from the baseline, paired by task and seed; None for the baseline itself."""

    passed: Interval
    difference: Interval | None
    seeds: dict[int, Outcome]


class Result(Record):
    """The whole benchmark: what `result.json` holds. `examples`: by seed, how many there are to imitate."""

    machine: str
    settings: dict[str, Any]
    examples: dict[int, int]
    arms: dict[str, ArmResult]


def result(found: Mapping[str, Mapping[int, Outcome]], settings: dict[str, Any], examples: dict[int, int], machine: str) -> Result:
    """Means over the seeds per task, intervals over tasks."""
    plain = {key: value if isinstance(value, int | float) else str(value) for key, value in settings.items()}
    arms = {
        name: ArmResult(
            passed=bootstrap_interval(list(_rates(outcomes.values()).values()), seed=0),
            difference=None if name == BASELINE else _difference(found[BASELINE], outcomes),
            seeds=dict(outcomes),
        )
        for name, outcomes in found.items()
    }
    return Result(machine=machine, settings=plain, examples=examples, arms=arms)


def _rates(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """By task its mean over the seeds."""
    by_task: dict[str, list[float]] = {}
    for outcome in outcomes:
        for task, rate in outcome.rates.items():
            by_task.setdefault(task, []).append(rate)
    return {task: statistics.fmean(rates) for task, rates in by_task.items()}


def _difference(one: Mapping[int, Outcome], other: Mapping[int, Outcome]) -> Interval:
    """Other minus one, over the tasks that both could measure in the same seeds."""
    before: dict[str, list[float]] = {}
    after: dict[str, list[float]] = {}
    for seed, outcome in other.items():
        for task in outcome.rates.keys() & one[seed].rates.keys():
            before.setdefault(task, []).append(one[seed].rates[task])
            after.setdefault(task, []).append(outcome.rates[task])
    tasks = sorted(before)
    return paired_interval([statistics.fmean(before[task]) for task in tasks], [statistics.fmean(after[task]) for task in tasks], seed=0)


def table(whole: Result) -> str:
    """The figures as a Markdown table."""
    header = ("arm", f"pass@1, {_n(len(whole.examples), 'seed')}", "by seed", f"minus {BASELINE}", "tokens: trained + generated")
    header = (*header, "steps: SFT, RL", "KL from base", "cut off")
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(name, arm))} |" for name, arm in whole.arms.items())])


def _cells(name: str, arm: ArmResult) -> Sequence[str]:
    outcomes = list(arm.seeds.values())
    is_base, kls = name == BASE, [outcome.kl for outcome in outcomes if outcome.kl is not None]
    return (
        name,
        _show(arm.passed),
        ", ".join(f"{statistics.fmean(outcome.rates.values()):.3f}" for outcome in outcomes),
        "–" if arm.difference is None else _show(arm.difference, sign=True),
        "–" if is_base else ", ".join(f"{outcome.trained} + {outcome.generated}" for outcome in outcomes),
        "–" if is_base else "; ".join(f"{outcome.steps.get('sft', 0)}, {outcome.steps.get('rl', 0)}" for outcome in outcomes),
        f"{statistics.fmean(kls):.3f}" if kls else "–",
        f"{statistics.fmean(outcome.truncated for outcome in outcomes):.0%}",
    )


def _show(interval: Interval, *, sign: bool = False) -> str:
    form = "{:+.3f}" if sign else "{:.3f}"
    return f"{form.format(interval.value)} [{form.format(interval.low)}, {form.format(interval.high)}]"


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def verdict(whole: Result) -> str:
    """What the intervals allow to say, in words."""
    hybrids = {name: arm.difference for name, arm in whole.arms.items() if name not in (BASE, BASELINE) and arm.difference is not None}
    better = [name for name, difference in hybrids.items() if difference.low > 0]
    worse = [name for name, difference in hybrids.items() if difference.high < 0]
    open_ones = [name for name in hybrids if name not in (*better, *worse)]
    by_chance = f"With {_n(len(hybrids), 'comparison')} at 95 %, about {0.05 * len(hybrids):.2g} would stand apart by chance alone."
    parts = [
        f"Better than {BASELINE} (interval above 0): {', '.join(better) or 'none'}.",
        f"Worse (interval below 0): {', '.join(worse) or 'none'}.",
        f"Not decided: {', '.join(open_ones) or 'none'}.",
        by_chance,
    ]
    return " ".join(parts)


def page(whole: Result) -> str:
    """`docs/results/hybrids.md`."""
    settings, seconds = whole.settings, sum(outcome.seconds for arm in whole.arms.values() for outcome in arm.seeds.values())
    examples = ", ".join(str(count) for count in whole.examples.values())
    seeds = _n(len(whole.examples), "seed")
    spent = [outcome.trained + outcome.generated for name, arm in whole.arms.items() if name != BASE for outcome in arm.seeds.values()]
    return PAGE.format(
        **settings,
        least=min(spent, default=0),
        most=max(spent, default=0),
        table=table(whole),
        verdict=verdict(whole),
        examples=examples,
        seeds=seeds,
        machine=whole.machine,
        minutes=seconds / 60,
    )


PAGE = """\
# Hybrids of SFT and RL against SFT, then RL

Written by one command; model `{model}`, tasks `first-functions`, {seeds}:

```
python -m benchmarks.hybrids --write docs/results/hybrids.md
```

Every arm trains a LoRA adapter of rank 16 with the same learning rate ({learning_rate:g}) and has {tokens} tokens.

{table}

{verdict}

- **Tokens** are those that a training pass reads (a prompt that rows share counts once; AMFT's passes for its inner products count) plus
  those that are sampled. A run ends with the step after which it is nearest to its budget; a step of RL takes more than a thousand, so runs
  spent {least} to {most}. Not counted: prompts read for sampling, and passes without gradients (ASFT's over its reference).
- **pass@1**: share of the answers to held-out tasks that pass all tests, hidden ones included; {test_tasks} tasks of
  `first-functions:test`, {samples} per task and seed at temperature 0.8, at most {max_tokens} new tokens. Intervals are 95 % percentile
  bootstrap over tasks, of means over the seeds; differences are paired by task and seed.
- **KL from base**: KL(policy || base) per token in nats, over the whole vocabulary, on the policy's answers to held-out tasks.
- **Cut off**: answers that reached the limit of new tokens.
- **Examples**: {examples} by seed, the same for all arms of a seed. They are the base model's own answers to training tasks ({collect} for
  each of {train_tasks}) that passed all tests, reduced to their programs; no reference solution is learned. Its own, because PEAR must
  know how probable they were to their author, and so that no arm gets knowledge that RL has no way to. A fifth of the solved tasks is
  kept for validation, which only AMFT looks at.

## The arms

| arm | what it is here |
|---|---|
| SFT → RL | {sft_steps} supervised steps of 4 examples, then GRPO with fresh moments: 2 tasks, 4 answers each, reward `shaped` |
| DFT, ASFT, IFT, PEAR → RL | the same, with the losses `dft`, `asft`, `ift` (without blended embeddings), `pear_token` |
| SFT → Klear | the same, with `gppo` and 0.1 `positive_nll`; one update per step clips no ratio, so only the second counts |
| SASR | controller `sasr`: half as many supervised steps as a warm-up, then each step is one or the other |
| AMFT | controller `amft` (experimental): the same warm-up, then both streams in each step; validation is asked in every second |

All else is as [objectives.md](../objectives.md) says. Numbers of steps, rates and warm-ups are ours, not the papers'. The other systems of
this kind need what this task set does not have: steps of reasoning (MRT), interventions (InT), wrong variants (FAIT), texts as
references (RLVRR), or a critic that has been trained (ReFT).

## What this does and does not show

Runs are short: a handful of steps of either kind, on a model of 135 million parameters whose examples are its own. Published runs are far
longer and imitate a stronger teacher. A difference that is not decided here is no proof that there is none, and an arm that is best
here need not be best there. The learning rate was tuned for no arm; arms with other losses may want another one.

All runs with their measurements took {minutes:.0f} minutes; {machine}.
"""
