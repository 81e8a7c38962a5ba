"""CYCLE: generate, execute, refine from the commented-out faulty code and its failure (arXiv 2403.18746, inference loop)."""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.signals.cycle import ask_good_solution
from burnish.signals.prompts import ask, wrong_code
from burnish.strategies.base import Best, Judge, Writer


async def cycle(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    rounds: int = 4,
    shown: int = 1,
    first_temperature: float = 0.2,
    temperature: float = 0.6,
    top_p: float = 0.95,
) -> Attempt:
    """Up to `rounds` refinements, each from the last faulty program and its first `shown` failures; the best is handed in."""
    attempt = await policy.write(ask(task), temperature=first_temperature)
    verdict = await verifier.verify(attempt)
    best = Best((attempt, verdict))
    for round in range(1, rounds + 1):
        if verdict.passed or not verdict.scored:
            break
        turn = ask_good_solution(task, wrong_code(attempt), verdict, shown=shown)
        attempt = await policy.write(turn, op="refine", parent=attempt, round=round, temperature=temperature, top_p=top_p)
        verdict = await verifier.verify(attempt)
        best.offer((attempt, verdict))
    return best.judged[0]
