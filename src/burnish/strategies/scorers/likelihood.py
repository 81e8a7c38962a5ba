"""How sure the policy was of what it wrote: the mean path probability of the known completions."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.records import Attempt, Task
from burnish.strategies.base import Judge, Writer
from burnish.strategies.selectors.base import path_probability


async def likelihood(task: Task, program: str, attempts: Sequence[Attempt], policy: Writer, verifier: Judge) -> tuple[float, ...]:
    """One score: the mean over `attempts` of exp(mean token log-probability)."""
    return (sum(map(path_probability, attempts)) / max(len(attempts), 1),)
