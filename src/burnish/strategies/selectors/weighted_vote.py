"""The class of answers with the largest sum of scores: weighted self-consistency, as MAgICoRe (arXiv 2409.12147) votes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors.base import Candidate, Choice, classes, heaviest


def weighted_vote(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """argmax over answers of Σ score, and of that class the first member; ties go to the class seen first."""
    groups = classes(candidates)
    return heaviest(groups, [sum(candidates[index].score for index in group) for group in groups])
