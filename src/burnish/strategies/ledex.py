"""LeDex's chain: one repair per wrong program, explained or not, up to three rounds (arXiv 2405.18649, section 4)."""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.strategies.base import Judge, Writer
from burnish.strategies.self_debug import self_debug


async def ledex(
    task: Task, policy: Writer, verifier: Judge, budget: Meter, rng: random.Random, *, rounds: int = 3, explain: bool = True
) -> Attempt:
    """`self_debug` by the paper's protocol: every failing program gets exactly one repair, which is the next to be repaired."""
    return await self_debug(task, policy, verifier, budget, rng, rounds=rounds, draws=1, explain=explain)
