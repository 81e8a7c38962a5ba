"""Refine until verified: for any verifier, show the best attempt so far with all that is wrong with it, until nothing is.

Unlike a LeDex chain it never goes on from a worse attempt, shows several failures at once and the messages of the tools.
Works for whatever a verifier judges: Python, C and C++ programs, test files.
"""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.signals.messages import report
from burnish.signals.prompts import ask, ask_refinement, wrong_code
from burnish.strategies.base import Best, Judge, Writer


async def refine(
    task: Task, policy: Writer, verifier: Judge, budget: Meter, rng: random.Random, *, rounds: int = 8, failures: int = 3
) -> Attempt:
    """Hand in the first verified attempt, else the best one of `rounds` refinements."""
    attempt = await policy.write(ask(task))
    best = Best((attempt, await verifier.verify(attempt)))
    for round in range(1, rounds + 1):
        held, verdict = best.judged
        if verdict.passed or not verdict.scored:
            break
        code = wrong_code(held)
        turn = ask_refinement(task, code, verdict, explain=False, told=report(verdict, code, failures=failures))
        attempt = await policy.write(turn, op="refine", parent=held, round=round)
        best.offer((attempt, await verifier.verify(attempt)))
    return best.judged[0]
