"""One answer, no feedback: the baseline of every search. Draw several by asking for several episodes."""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.signals.prompts import ask
from burnish.strategies.base import Judge, Writer


async def sample(task: Task, policy: Writer, verifier: Judge, budget: Meter, rng: random.Random) -> Attempt:
    """Ask once, judge once, hand in."""
    attempt = await policy.write(ask(task))
    await verifier.verify(attempt)
    return attempt
