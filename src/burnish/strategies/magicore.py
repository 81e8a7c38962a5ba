"""MAgICoRe (arXiv 2409.12147): vote on easy tasks; on hard ones let a reviewer and a refiner work on every solution.

Each solution has an outcome score and step scores, by two scorers. Hard is a task whose solutions are neither good nor in
agreement. A reviewer sees the scored lines, a refiner the review; old and new solutions are pooled and the best go on.
A solution that passes the visible tests ends the search.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial

import msgspec

from burnish.core.budget import Meter
from burnish.core.errors import BudgetExceeded
from burnish.core.records import Attempt, Task
from burnish.signals.search_prompts import ask_repair, ask_review
from burnish.strategies._candidates import draw, judged, observed, within_budget
from burnish.strategies._hardness import Chain, is_hard
from burnish.strategies.base import Judge, Writer
from burnish.strategies.scorers.base import score, score_whole
from burnish.strategies.selectors.base import Candidate, choose, classes


async def magicore(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    k: int = 8,
    rounds: int = 3,
    outcome: str = "pass_rate",
    steps: str = "line_likelihood",
    typical: float = 1.0,
) -> Attempt:
    """Hand in the winner of the weighted vote. `typical` is the mean of outcome + step score over first answers to all tasks."""

    async def scored(attempts: Sequence[Attempt]) -> list[tuple[Candidate, Chain]]:
        candidates = await judged(attempts, verifier)
        return [*zip(candidates, await asyncio.gather(*map(chain, candidates)), strict=True)]

    async def chain(candidate: Candidate) -> Chain:
        values = (score_whole(scorer, task, candidate.attempt, policy, verifier) for scorer in (outcome, steps))
        return Chain(0, *await asyncio.gather(*values))

    pool = await answered(await scored(await draw(task, policy, k)), verifier)
    for round in range(1, rounds + 1):
        if any(c.verdict and c.verdict.passed for c, _ in pool) or not is_hard([chain for _, chain in pool], typical):
            break
        try:
            better = await refined(task, [candidate for candidate, _ in pool], steps, round, policy, verifier)
            pool = await answered(pool + await scored(better), verifier)
        except BudgetExceeded:
            break
        pool = sorted(pool, key=lambda pair: -pair[1].combined)[:k]
    candidates = [msgspec.structs.replace(candidate, score=chain.combined) for candidate, chain in pool]
    return choose("weighted_vote", candidates, rng).attempt


async def answered(pool: Sequence[tuple[Candidate, Chain]], verifier: Judge) -> list[tuple[Candidate, Chain]]:
    """The pool with each chain's answer: which of the others do the same. What cannot be run has an answer of its own."""
    candidates = await observed([candidate for candidate, _ in pool], verifier)
    groups = classes(candidates)
    answer = {index: number for number, group in enumerate(groups) for index in group}
    chains = [chain._replace(answer=answer.get(index, len(groups) + index)) for index, (_, chain) in enumerate(pool)]
    return [*zip(candidates, chains, strict=True)]


async def refined(task: Task, candidates: Sequence[Candidate], steps: str, round: int, policy: Writer, verifier: Judge) -> list[Attempt]:
    """One review and one refinement of every solution, as far as the budget goes."""

    async def one(attempt: Attempt) -> Attempt:
        code = attempt.artefacts.get("code", attempt.text)
        scores = await score(steps, task, code, [attempt], policy, verifier)
        review = await policy.write(ask_review(task, code, scores), op="review", parent=attempt, round=round, kind="review")
        return await policy.write(ask_repair(task, code, scores, review.text), op="refine", parent=review, round=round)

    return await within_budget(partial(one, candidate.attempt) for candidate in candidates)
