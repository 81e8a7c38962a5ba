"""The largest class of answers that do the same: self-consistency (arXiv 2203.11171), by behaviour instead of text."""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors.base import Candidate, Choice, classes, heaviest


def majority(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """The first member of the largest class; confidence is its share of the votes. Ties go to the class seen first."""
    groups = classes(candidates)
    return heaviest(groups, [len(group) for group in groups])
