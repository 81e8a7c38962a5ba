"""The first answer that passes the visible checks, else the one with the best visible score (ties: the first)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors.base import Candidate, Choice


def first_pass(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """The candidate with the highest verdict; a verdict without a score is below all scores."""

    def rank(index: int) -> tuple[bool, float]:
        verdict = candidates[index].verdict
        return bool(verdict and verdict.passed), -1.0 if verdict is None or verdict.score is None else verdict.score

    return Choice(index=max(range(len(candidates)), key=rank))
