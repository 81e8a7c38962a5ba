"""Numbers from counts: pass@k without bias, and intervals that say how far they can be trusted. Pure functions.

Tasks are the unit of chance: samples of one task are alike, so intervals resample tasks, never samples. Bootstrap intervals
are percentile intervals; with fewer than about ten tasks they are too narrow, and one task gives no width at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from burnish.core.errors import InputError
from burnish.core.records import Record

T = TypeVar("T")
_CELLS = 1 << 21
"""Most random task indices held at once (16 MiB)."""


class Interval(Record):
    """An estimate and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that at least one of k samples, drawn without replacement from n of which c pass, passes.

    1 - C(n-c, k) / C(n, k), the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374), as a sum of logarithms that is
    exact for large n. Raises `InputError` unless 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise InputError(
            f"pass@{k} of {n} samples with {c} passing is not defined: it needs 0 <= passing <= samples and 1 <= k <= samples."
        )
    if n - c < k:
        return 1.0
    fewer, more = sorted((c, k))
    return max(0.0, float(-np.expm1(np.log1p(-more / (n - np.arange(fewer))).sum())))


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """Mean over tasks of pass@k, from `(samples, passing)` per task. Raises `InputError` without tasks."""
    return float(np.mean([pass_at_k(n, c, k) for n, c in _some(counts)]))


def bootstrap_interval(values: Sequence[float], *, seed: int = 0, resamples: int = 10_000, level: float = 0.95) -> Interval:
    """Mean of one value per task with its percentile bootstrap interval over tasks. Raises `InputError` without tasks."""
    per_task = np.asarray(_some(values), dtype=np.float64)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(_resampled_means(per_task, np.random.default_rng(seed), resamples), [tail, 100 - tail])
    return Interval(value=float(per_task.mean()), low=float(low), high=float(high))


def paired_interval(
    before: Sequence[float], after: Sequence[float], *, seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """Mean gain per task, `after - before`, with its percentile bootstrap interval over tasks.

    Both hold one value per task, in the same order. Raises `InputError` if they differ in length or are empty.
    """
    if len(before) != len(after):
        raise InputError(f"A paired comparison needs the same tasks on both sides; there are {len(before)} and {len(after)} values.")
    gains = [later - earlier for earlier, later in zip(before, after, strict=True)]
    return bootstrap_interval(gains, seed=seed, resamples=resamples, level=level)


def ratio_interval(
    parts: Sequence[float], wholes: Sequence[float], *, seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """sum(parts) / sum(wholes) with its percentile bootstrap interval over tasks: a share of samples that are alike within a task.

    Both hold one number per task. Resamples without anything to divide by are left out. Raises `InputError` if the lengths differ
    or there is nothing to divide by.
    """
    if len(parts) != len(wholes) or not sum(wholes) > 0:
        raise InputError(f"{len(parts)} parts of {len(wholes)} wholes with the sum {sum(wholes)} have no share.")
    part, whole = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    rng, found = np.random.default_rng(seed), []
    for size in _blocks(len(part), resamples):
        chosen = rng.integers(len(part), size=(size, len(part)))
        divisor = whole[chosen].sum(axis=1)
        found.append(part[chosen].sum(axis=1)[divisor > 0] / divisor[divisor > 0])
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(np.concatenate(found), [tail, 100 - tail])
    return Interval(value=float(part.sum() / whole.sum()), low=float(low), high=float(high))


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """A share of independent trials with its Wilson score interval. Raises `InputError` without trials."""
    if not 0 <= successes <= trials or trials == 0:
        raise InputError(f"{successes} successes in {trials} trials have no share: it needs 0 <= successes <= trials and trials >= 1.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return Interval(value=share, low=max(0.0, min(share, centre - half)), high=min(1.0, max(share, centre + half)))


def _resampled_means(values: Float[np.ndarray, " task"], rng: np.random.Generator, resamples: int) -> Float[np.ndarray, " resample"]:
    sizes = _blocks(len(values), resamples)
    return np.concatenate([values[rng.integers(len(values), size=(size, len(values)))].mean(axis=1) for size in sizes])


def _blocks(tasks: int, resamples: int) -> list[int]:
    """`resamples` in parts of at most `_CELLS` random indices each."""
    rows = max(1, _CELLS // tasks)
    return [min(rows, resamples - start) for start in range(0, resamples, rows)]


def _some(values: Sequence[T]) -> Sequence[T]:
    if not len(values):
        raise InputError("There are no tasks to measure. Check the task set's name, split and limit, and that the run finished any.")
    return values
