"""Programs and generated tests that confirm each other: CodeT's dual execution agreement (arXiv 2207.10397).

Programs that pass the same tests form a consensus set with those tests; its score is the number of its programs times the
number of its tests. A program that many others agree with on many tests is likely to be right, and so are the tests.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.strategies.selectors.base import Candidate, Choice, heaviest


def agreement(candidates: Sequence[Candidate], rng: random.Random) -> Choice:
    """The first program of the consensus set with the highest |programs|·|tests|."""
    return by_consensus(candidates, exponent=1)


def by_consensus(candidates: Sequence[Candidate], *, exponent: int) -> Choice:
    """The first program of the set with the highest score, see `consensus_score`; ties go to the set seen first."""
    groups = consensus_sets(candidates)
    sets = [*groups.values()]
    return heaviest(sets, [consensus_score(len(group), len(tests), exponent) for tests, group in groups.items()])


def consensus_sets(candidates: Sequence[Candidate]) -> dict[frozenset[int], list[int]]:
    """Set of passed tests → numbers of the programs that pass exactly those, in order of first appearance."""
    groups: dict[frozenset[int], list[int]] = {}
    for index, candidate in enumerate(candidates):
        groups.setdefault(candidate.passed, []).append(index)
    return groups


def consensus_score(programs: int, tests: int, exponent: int) -> int:
    """|P|·|T|^exponent: 1 in CodeT, 2 in SWE-RL."""
    return programs * int(tests**exponent)
