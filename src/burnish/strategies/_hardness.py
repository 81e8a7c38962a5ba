"""MAgICoRe's gate (arXiv 2409.12147): is a task easy enough for a vote, or do its answers have to be refined? Pure numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

SURE = 0.5 - 1e-12
"""Confidence from which on a vote is believed: reached by two or three equally heavy answers, never by four."""


class Chain(NamedTuple):
    """One solution: the number of its answer's class, its outcome score o and its step score s (the product over steps)."""

    answer: int
    outcome: float
    steps: float

    @property
    def combined(self) -> float:
        """o + s, in [0, 2]."""
        return self.outcome + self.steps


def is_hard(chains: Sequence[Chain], typical: float) -> bool:
    """True if neither the quality of the majority's solutions nor the confidence of the vote is good enough."""
    return not is_good(chains, typical) and not is_confident(chains)


def is_good(chains: Sequence[Chain], typical: float) -> bool:
    """Mean z-score of o + s over the majority's chains ≥ 0, that is: their mean reaches `typical`.

    `typical` is the mean of o + s over the first chain of every task; their deviation scales all and decides nothing.
    """
    votes: dict[int, list[float]] = {}
    for chain in chains:
        votes.setdefault(chain.answer, []).append(chain.combined)
    majority = max(votes.values(), key=len)
    return sum(majority) / len(majority) >= typical


def is_confident(chains: Sequence[Chain]) -> bool:
    """Both masses, of outcome scores and of step scores, are concentrated on few answers."""
    return all(confidence(masses_of(chains, [getattr(c, name) for c in chains])) >= SURE for name in ("outcome", "steps"))


def masses_of(chains: Sequence[Chain], scores: Sequence[float]) -> list[float]:
    """Σ of scores per answer."""
    masses: dict[int, float] = {}
    for chain, score in zip(chains, scores, strict=True):
        masses[chain.answer] = masses.get(chain.answer, 0.0) + score
    return [*masses.values()]


def entropy(masses: Sequence[float]) -> float:
    """Entropy in nats of the normalised masses; of no mass at all that of equal ones."""
    total = sum(masses)
    shares = [mass / total for mass in masses] if total > 0 else [1 / len(masses)] * len(masses)
    return -sum(share * math.log(share) for share in shares if share > 0)


def confidence(masses: Sequence[float]) -> float:
    """2·(1 − sigmoid(H)): 1 for one answer, 1/2 at H = ln 3."""
    return 2 / (1 + math.exp(entropy(masses)))
