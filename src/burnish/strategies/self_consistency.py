"""Self-consistency (arXiv 2203.11171) for programs: of several answers the one that most others agree with.

Two programs agree if they do the same on the same inputs. With `select=rpc` or `probability_mass` each counts by how
probable it was instead of once.
"""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.strategies._candidates import draw, judged, observed
from burnish.strategies.base import Judge, Writer
from burnish.strategies.selectors.base import choose


async def self_consistency(
    task: Task, policy: Writer, verifier: Judge, budget: Meter, rng: random.Random, *, n: int = 8, select: str = "majority"
) -> Attempt:
    """Draw, judge, run on common inputs, vote. Answers that fail the visible tests have no vote where others pass them."""
    candidates = await judged(await draw(task, policy, n), verifier)
    return choose(select, await observed(candidates, verifier), rng).attempt
