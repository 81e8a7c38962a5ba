"""How far two sets of log-probabilities of the same tokens are apart: the sampler's and the trainer's. Plain numbers, no torch.

Source: the mismatch metrics of Jet-RL (arXiv 2601.14243), with d = log p(trainer) - log p(sampler) of each sampled token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST_GAP = 20.0
"""Log-ratios are cut here before they become importance weights."""


@dataclass(frozen=True)
class Mismatch:
    """What was found. Tokens whose sampler told nothing count in `unknown` only; without any token, all numbers are NaN."""

    tokens: int
    unknown: int
    mean: float
    """Mean |d|."""
    maximum: float
    """Largest |d|."""
    k1: float
    """-mean d: the plain estimate of KL(sampler || trainer) per token."""
    k3: float
    """mean(e^d - 1 - d): the same, never negative and with less variance."""
    outside: float
    """Share of tokens whose ratio e^d lies outside [0.5, 2]."""
    ess: float
    """Effective share of the sequences, (Σw)² / (n Σw²) with w = e^(Σd); 1 if both agree."""
    token_ess: float
    """The same of single tokens, with w = e^d."""


def compare(recorded: Sequence[Sequence[float | None]], recomputed: Sequence[Sequence[float]]) -> Mismatch:
    """Compare sequence by sequence; None was not recorded. A sequence of which nothing is known is left out."""
    rows = [
        [now - then for then, now in zip(old, new, strict=True) if then is not None] for old, new in zip(recorded, recomputed, strict=True)
    ]
    gaps = [gap for row in rows for gap in row]
    unknown = sum(map(len, recomputed)) - len(gaps)
    if not gaps:
        return Mismatch(0, unknown, *[math.nan] * 7)
    ratios = [_ratio(gap) for gap in gaps]
    return Mismatch(
        tokens=len(gaps),
        unknown=unknown,
        mean=sum(map(abs, gaps)) / len(gaps),
        maximum=max(map(abs, gaps)),
        k1=-sum(gaps) / len(gaps),
        k3=sum(math.expm1(_cut(gap)) - _cut(gap) for gap in gaps) / len(gaps),
        outside=sum(not 0.5 <= ratio <= 2.0 for ratio in ratios) / len(gaps),
        ess=_effective([_ratio(sum(row)) for row in rows if row]),
        token_ess=_effective(ratios),
    )


def _cut(gap: float) -> float:
    return max(-LARGEST_GAP, min(LARGEST_GAP, gap))


def _ratio(gap: float) -> float:
    return math.exp(_cut(gap))


def _effective(weights: Sequence[float]) -> float:
    return sum(weights) ** 2 / (len(weights) * sum(weight**2 for weight in weights))
