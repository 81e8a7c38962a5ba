"""Drawing several answers and finding out about them, within a budget: what the strategies that choose have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from burnish.core.errors import BudgetExceeded
from burnish.core.records import Attempt, Task
from burnish.signals.prompts import ask
from burnish.strategies.base import Judge, Writer
from burnish.strategies.scorers.base import score_whole
from burnish.strategies.selectors.base import Candidate

T = TypeVar("T")


async def within_budget(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Make all calls at once; what the budget refuses is tried again once the others have given back what they did not use.

    Returns the results that the budget allowed, in order. Raises `BudgetExceeded` if it allowed none.
    """
    waiting = dict(enumerate(calls))
    results: dict[int, T] = {}
    while waiting:
        wave = await asyncio.gather(*(call() for call in waiting.values()), return_exceptions=True)
        done = {index: result for index, result in zip(waiting, wave, strict=True) if not isinstance(result, BudgetExceeded)}
        for result in done.values():
            if isinstance(result, BaseException):
                raise result
        results |= done  # type: ignore[arg-type]
        waiting = {index: call for index, call in waiting.items() if index not in done}
        if not done:
            break
    if waiting and not results:
        raise next(result for result in wave if isinstance(result, BudgetExceeded))
    return [results[index] for index in sorted(results)]


async def draw(task: Task, policy: Writer, n: int, *, round: int = 0) -> list[Attempt]:
    """`n` answers to the task, fewer if the budget is spent before."""
    return await within_budget(partial(policy.write, ask(task), round=round) for _ in range(n))


async def judged(attempts: Sequence[Attempt], verifier: Judge) -> list[Candidate]:
    """The attempts with their verdicts, as far as the budget goes."""
    await _as_far_as_possible(partial(verifier.verify, attempt) for attempt in attempts)
    return known(attempts, verifier)


def known(attempts: Sequence[Attempt], verifier: Judge) -> list[Candidate]:
    """The attempts with what verdicts there are by now."""
    return [Candidate(attempt=attempt, verdict=verifier.verdicts.get(attempt.id)) for attempt in attempts]


async def observed(candidates: Sequence[Candidate], verifier: Judge) -> list[Candidate]:
    """The candidates with what they do on common inputs."""
    seen = await verifier.observe([candidate.attempt for candidate in candidates])
    return [msgspec.structs.replace(candidate, behaviour=behaviour) for candidate, behaviour in zip(candidates, seen, strict=True)]


async def scored(candidates: Sequence[Candidate], scorer: str, task: Task, policy: Writer, verifier: Judge) -> list[Candidate]:
    """The candidates with a scorer's opinion of each."""
    scores = await asyncio.gather(*(score_whole(scorer, task, candidate.attempt, policy, verifier) for candidate in candidates))
    return [msgspec.structs.replace(candidate, score=score) for candidate, score in zip(candidates, scores, strict=True)]


async def _as_far_as_possible(calls: Iterable[Callable[[], Awaitable[T]]]) -> None:
    try:
        await within_budget(calls)
    except BudgetExceeded:
        return
