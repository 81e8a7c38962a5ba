"""LPW: verify a plan by hand on the visible tests, code it, and correct the code by its print trace (arXiv 2411.14503)."""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.strategies._planning import Planner
from burnish.strategies.base import Best, Judge, Writer


async def lpw(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    plan_tries: int = 12,
    rounds: int = 12,
    retry_temperature: float = 0.6,
) -> Attempt | None:
    """Hand in the first program that passes the visible tests, else the best; None if no plan was accepted in `plan_tries`.

    The paper asks everything at temperature 0, where asking again repeats the answer: repeated questions get `retry_temperature`.
    """
    planner = Planner(task, policy, verifier, retry_temperature)
    plan = await planner.plan(plan_tries) if task.visible() else None
    if plan is None:
        return None
    program = await planner.program(plan)
    best = Best(program.judged)
    for round in range(1, rounds + 1):
        if program.verdict.passed or not program.verdict.scored:
            break
        program = await planner.corrected(program, round)
        best.offer(program.judged)
    return best.judged[0]
