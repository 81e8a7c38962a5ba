"""The class of answers with the largest summed path probability: RPC's perplexity consistency, without its pruning."""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors.base import Candidate, Choice, classes, heaviest, masses


def probability_mass(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """The first member of the heaviest class; confidence is its share of the mass. Ties are broken by chance."""
    groups = classes(candidates)
    return heaviest(groups, masses(candidates, groups), rng)
