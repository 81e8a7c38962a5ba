"""Mean share of the visible checks that the known completions pass: the oracle that a trained value model imitates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from burnish.core.records import Attempt, Task
from burnish.strategies.base import Judge, Writer


async def pass_rate(task: Task, program: str, attempts: Sequence[Attempt], policy: Writer, verifier: Judge) -> tuple[float, ...]:
    """One score. What could not be judged counts as 0."""
    verdicts = await asyncio.gather(*map(verifier.verify, attempts))
    return (sum(verdict.score or 0.0 for verdict in verdicts) / max(len(verdicts), 1),)
