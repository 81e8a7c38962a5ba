"""SWE-RL's rerank (arXiv 2502.18449): regression tests first, then consensus on generated tests, then the most common program.

The visible checks are the regression tests: only the answers that fail fewest stay. Those are grouped by the set of
generated tests that they pass; a group scores |P|·|T|². Among all groups with the best score the program written most often
wins, ties going to the earliest. Without visible checks or without generated tests that step is left out.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from burnish.core.records import FAILED, Verdict
from burnish.strategies.selectors.agreement import consensus_score, consensus_sets
from burnish.strategies.selectors.base import Candidate, Choice
from burnish.text.normal import normal_form


def consensus(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """The number of the candidate; confidence is the best groups' share of all scores."""
    fewest = min(_failures(candidate.verdict) for candidate in candidates)
    kept = [index for index, candidate in enumerate(candidates) if _failures(candidate.verdict) == fewest]
    sets = consensus_sets([candidates[index] for index in kept])
    scores = [consensus_score(len(group), len(tests), 2) for tests, group in sets.items()]
    best = [index for group, score in zip(sets.values(), scores, strict=True) for index in group if score == max(scores)]
    pool = sorted(kept[index] for index in best)
    forms = {index: normal_form(candidates[index].attempt.artefacts.get("code", "")) for index in pool}
    votes = Counter(forms.values())
    total = sum(scores)
    confidence = sum(score for score in scores if score == max(scores)) / total if total else 0.0
    return Choice(index=max(pool, key=lambda index: votes[forms[index]]), confidence=confidence)


def _failures(verdict: Verdict | None) -> float:
    """Failed visible checks; what could not be used at all is worse than any number of them."""
    if verdict is None:
        return 0.0
    return float("inf") if verdict.status in ("invalid", "tampered") else sum(check.outcome in FAILED for check in verdict.checks)
