"""RPC (arXiv 2510.15444): leave out the paths that look improbable, then take the answer with the largest probability mass.

A path is left out only if a mixture of two Weibull distributions puts it with the lower component and its probability is
below the mean. So at least the most probable path stays. Without any difference between paths this is self-consistency
over distinct texts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors._weibull import fit
from burnish.strategies.selectors.base import Candidate, Choice, path_probability
from burnish.strategies.selectors.probability_mass import probability_mass

FLAT = 1e-9
"""Probabilities closer together than this are all the same, and nothing is fitted."""


def rpc(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """Prune, then choose by mass; the confidence is the share of the mass that is left."""
    kept = kept_paths([path_probability(candidate.attempt) for candidate in candidates])
    choice = probability_mass([candidates[index] for index in kept], rng)
    return Choice(index=kept[choice.index], confidence=choice.confidence)


def kept_paths(probabilities: Sequence[float]) -> list[int]:
    """Numbers of the paths that are not pruned: P_high ≥ 1/2, or not below the mean of all probabilities."""
    if max(probabilities) - min(probabilities) < FLAT:
        return [*range(len(probabilities))]
    mixture, mean = fit(probabilities), sum(probabilities) / len(probabilities)
    return [index for index, p in enumerate(probabilities) if p >= mean or mixture.p_high(p) >= 0.5]
