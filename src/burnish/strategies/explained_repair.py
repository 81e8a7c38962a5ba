"""One repair of a given wrong program: told what failed and, if wished, an explanation. Shows what an explanation is worth.

For tasks made by `signals.repairs.repair_task`. Not a system of a paper: LeDex rates explanations by people and GPT-4; this asks
whether they help.
"""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.signals.repairs import ask_repair
from burnish.strategies.base import Judge, Writer


async def explained_repair(
    task: Task, policy: Writer, verifier: Judge, budget: Meter, rng: random.Random, *, told: str = "", explain: bool = False
) -> Attempt:
    """Hand in the one repair. `told` names the text of the context that is said beside the failure; `explain` asks to explain first."""
    attempt = await policy.write(ask_repair(task, explain=explain, told=told), op="refine")
    await verifier.verify(attempt)
    return attempt
