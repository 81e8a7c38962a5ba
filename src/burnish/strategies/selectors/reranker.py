"""The answer that a scorer likes best: a learned reranker at work (RewardRanker, arXiv 2504.09643, inference)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors.base import Candidate, Choice


def reranker(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """argmax of the candidates' scores; ties go to the first."""
    return Choice(index=max(range(len(candidates)), key=lambda index: candidates[index].score))
