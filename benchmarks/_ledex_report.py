"""What `benchmarks.ledex` has measured: a row per arm and task set, and which of the paper's directions hold."""

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
    over being told nothing, and `useful_other` over another task's explanation.
    """

    first: Interval
    after: dict[str, Interval]
    rate: dict[str, Interval | None]
    regressions: int
    gain: Interval | None
    useful: Interval | None
    useful_other: Interval | None


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
    """The whole benchmark: what `result.json` holds. `rows` are by task set and arm, `examples` by arm and seed.

    `minutes` are means over the seeds of what an arm itself ran: to `collect`, to `learn` and to `measure`.
    """

    command: str
    machine: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    rows: dict[str, dict[str, Row]]
    directions: tuple[Direction, ...]
    examples: dict[str, dict[int, dict[str, int]]]
    minutes: dict[str, dict[str, float]]
    notes: tuple[str, ...]


Runs = dict[int, dict[str, Evaluation]]
"""By seed and format."""


def result(found: Mapping[str, Mapping[int, LedexResult]], settings: dict[str, Any], command: str, machine: str) -> Result:
    """Rows and directions from the results of every arm and seed."""
    plain = {key: value if isinstance(value, int | float | None) else str(value) for key, value in settings.items()}
    sets = [name for one in found.values() for each in one.values() for name in each.evaluations[BASE]]
    runs = {name: _runs(found, name) for name in dict.fromkeys(sets)}
    whole = [each for one in found.values() for each in one.values()]
    return Result(
        command=command,
        machine=machine,
        settings=plain,
        seeds=tuple(next(iter(found.values()))),
        rows={name: {arm: _row(arm, name, arms, found) for arm in arms} for name, arms in runs.items()},
        directions=tuple(direction for name, arms in runs.items() for direction in _directions(name, arms, found)),
        examples={arm: {seed: one.examples for seed, one in each.items()} for arm, each in found.items()},
        minutes={arm: _minutes([*each.values()]) for arm, each in found.items()},
        notes=tuple(dict.fromkeys(note for one in whole for note in one.notes)),
    )


def _minutes(results: Sequence[LedexResult]) -> dict[str, float]:
    spent = {"collect": 0.0, "learn": 0.0, "measure": 0.0}
    for one in results:
        for stage, seconds in one.seconds.items():
            kind = "measure" if stage.startswith("measure") else "collect" if stage == "collect" else "learn"
            spent[kind] += seconds / 60 / len(results)
    return spent


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
    nothing, told, other = _told(arm, tasks, found)
    return Row(
        first=_mean(_rates(runs, form, "first")),
        after={name: _mean(_rates(runs, name, "handed in")) for name in FORMS},
        rate={name: _rate(runs, name) for name in FORMS},
        regressions=sum(each[form].answers.regressions for each in runs.values()),
        gain=None if arm == BASE else _difference(_rates(arms[BASE], form, "handed in"), _rates(runs, form, "handed in")),
        useful=_difference(nothing, told),
        useful_other=_difference(other, told),
    )


def _told(arm: str, tasks: str, found: Mapping[str, Mapping[int, LedexResult]]) -> list[dict[str, float]]:
    """Repair rates of a fresh model by task, means over the seeds: told nothing, the arm's explanations, another task's."""
    runs = next(iter(found.values())) if arm == BASE else found[arm]
    rates: list[dict[str, list[float]]] = [{}, {}, {}]
    for one in runs.values():
        explained = one.explained.get(BASE if arm == BASE else list(one.evaluations)[-1], {})
        use = explained[tasks].usefulness if tasks in explained else None
        for task, each in (use.by_task if use else {}).items():
            for told, rate in zip(rates, each, strict=True):
                told.setdefault(task, []).append(rate)
    return [_means(told) for told in rates]


def _means(by_task: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {task: statistics.fmean(values) for task, values in by_task.items()}


def _rates(runs: Runs, form: str, which: str) -> dict[str, float]:
    """By task the mean over the seeds of the share that passes."""
    by_task: dict[str, list[float]] = {}
    for each in runs.values():
        for row in each[form].per_task:
            share = _share(row, which)
            if share is not None:
                by_task.setdefault(row.task_id, []).append(share)
    return _means(by_task)


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

    nothing, told, other = _told(FULL, tasks, found) if FULL in arms else ({}, {}, {})
    claims = [
        ("Training raises pass@1 after refinement (LeDex SFT − base)", between(BASE, FULL, "handed in")),
        ("Refinement skill needs refinement data (repair rate, LeDex SFT − code-only SFT)", between("code-only SFT", FULL, "repaired")),
        ("Explanations in training help (repair rate, LeDex SFT − no explanation)", between("LeDex SFT, no explanation", FULL, "repaired")),
        ("Explaining first helps (pass@1 after refinement, explain − repair)", within(FULL)),
        ("Its explanations help a fresh model (repair rate, told them − told nothing)", _difference(nothing, told)),
        ("They help by what they say (repair rate, told them − told another task's)", _difference(other, told)),
        ("PPO adds (pass@1 after refinement, + PPO − LeDex SFT)", between(FULL, "LeDex SFT + PPO", "handed in")),
        ("GRPO adds (pass@1 after refinement, + GRPO − LeDex SFT)", between(FULL, "LeDex SFT + GRPO", "handed in")),
    ]
    return [Direction(claim=claim, tasks=tasks, difference=difference) for claim, difference in claims]
