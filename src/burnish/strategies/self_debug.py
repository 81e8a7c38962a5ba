"""Sample, run the visible tests, and repair from the feedback: the loop that LeDex trains (arXiv 2405.18649, section 3).

A failing program is shown back with its first failing test; the model explains the fault and corrects the code, for up to
`rounds` rounds. Each wrong program gets `draws` independent repairs; the best of them is the next wrong program.
"""

from __future__ import annotations

import random
from functools import partial

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Message, Task
from burnish.signals.prompts import ask, ask_refinement, wrong_code
from burnish.strategies._candidates import within_budget
from burnish.strategies.base import Best, Judge, Judged, Writer


async def self_debug(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    rounds: int = 1,
    draws: int = 1,
    explain: bool = True,
) -> Attempt:
    """Hand in the first attempt that passes the visible tests, else the best one seen."""

    async def judged(messages: tuple[Message, ...], op: str, parent: Attempt | None, round: int) -> Judged:
        attempt = await policy.write(messages, op=op, parent=parent, round=round)
        return attempt, await verifier.verify(attempt)

    current = await judged(ask(task), "sample", None, 0)
    best = Best(current)
    for round in range(1, rounds + 1):
        wrong, verdict = current
        if verdict.passed or not verdict.scored:
            break
        turn = ask_refinement(task, wrong_code(wrong), verdict, explain=explain)
        repairs = await within_budget(partial(judged, turn, "refine", wrong, round) for _ in range(draws))
        current = Best(*repairs).judged
        best.offer(current)
    return best.judged[0]
