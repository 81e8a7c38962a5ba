"""Best of n: several independent answers, of which a selector takes one."""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.strategies._candidates import draw, judged, observed, scored
from burnish.strategies.base import Judge, Writer
from burnish.strategies.selectors.base import choose


async def best_of_n(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    n: int = 8,
    select: str = "first_pass",
    scorer: str = "likelihood",
) -> Attempt:
    """Draw, judge, choose. `scorer` is what the selector `reranker` goes by; `rpc` and its like compare what programs do."""
    candidates = await judged(await draw(task, policy, n), verifier)
    if select == "first_pass":
        return choose(select, candidates, rng).attempt
    candidates = await observed(await scored(candidates, scorer, task, policy, verifier), verifier)
    return choose(select, candidates, rng).attempt
