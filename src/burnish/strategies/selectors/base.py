"""What selectors choose from, and the two things they share: classes of answers that do the same, and a path's probability.

A selector is `def name(candidates, rng) -> Choice`. It is asked through `choose`, which lets it see only the candidates that
pass the visible checks if there are any: so none drops a verified answer for another.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from burnish.core import plugins
from burnish.core.records import Attempt, Record, Verdict


class Candidate(Record):
    """An answer that may be handed in, with all that is known of it.

    `verdict` is on the visible checks; `behaviour` what it does on the same inputs as the others (empty: it cannot be run);
    `passed` are the numbers of the generated tests that it passes; `score` is a scorer's opinion.
    """

    attempt: Attempt
    verdict: Verdict | None = None
    behaviour: tuple[str, ...] = ()
    passed: frozenset[int] = frozenset()
    score: float = 0.0


class Choice(Record):
    """The number of the candidate chosen, and the chosen class's share of all weight (0 where nothing was weighed)."""

    index: int
    confidence: float = 0.0


Selector = Callable[[Sequence[Candidate], random.Random], Choice]
"""Chooses one of at least one candidate."""


def choose(selector: str, candidates: Sequence[Candidate], rng: random.Random) -> Candidate:
    """The candidate that the selector of this name (or import path) takes, among the verified ones if there are any."""
    verified = [candidate for candidate in candidates if candidate.verdict and candidate.verdict.passed]
    pool = verified or candidates
    select: Selector = plugins.find("selector", selector)
    return pool[select(pool, rng).index]


def classes(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Numbers of the candidates that do the same, in order of first appearance.

    Those that cannot be run are in no class, unless none can be run: then equal texts make a class.
    """
    can_run = any(candidate.behaviour for candidate in candidates)
    groups: dict[object, list[int]] = {}
    for index, candidate in enumerate(candidates):
        key = candidate.behaviour if can_run else candidate.attempt.text.strip()
        if key or not can_run:
            groups.setdefault(key, []).append(index)
    return [*groups.values()]


def heaviest(groups: Sequence[Sequence[int]], weights: Sequence[float], rng: random.Random | None = None) -> Choice:
    """The first member of the class with the largest weight. Ties go to the first class, or with `rng` to any of them."""
    most = max(weights)
    tied = [index for index, weight in enumerate(weights) if math.isclose(weight, most, rel_tol=1e-12)]
    chosen = rng.choice(tied) if rng else tied[0]
    total = sum(weights)
    return Choice(index=groups[chosen][0], confidence=weights[chosen] / total if total else 0.0)


def path_probability(attempt: Attempt) -> float:
    """exp of the mean log-probability of the sampled tokens: length-normalised, in (0, 1]. 1 where none is known."""
    logprobs = [logprob for logprob in attempt.tokens.logprobs if logprob is not None] if attempt.tokens else []
    return max(math.exp(sum(logprobs) / len(logprobs)), 1e-300) if logprobs else 1.0


def masses(candidates: Sequence[Candidate], groups: Sequence[Sequence[int]]) -> list[float]:
    """Σ of path probabilities over the distinct texts of each class: identical completions count once."""
    return [
        sum({candidates[index].attempt.text: path_probability(candidates[index].attempt) for index in group}.values()) for group in groups
    ]
