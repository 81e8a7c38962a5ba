"""What a scorer is: `async def name(task, program, attempts, policy, verifier) -> tuple[float, ...]`, all scores in [0, 1].

`program` is a whole program or its first lines, `attempts` are the completions known to begin with it (for a whole program
the one that holds it). One score is an opinion on the whole; a step-wise scorer gives one for every line that is not blank.
A trained value, reward or process-reward model is a function of your own with this signature, given by its import path.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Attempt, Task
from burnish.strategies.base import Judge, Writer

Scorer = Callable[[Task, str, Sequence[Attempt], Writer, Judge], Awaitable[tuple[float, ...]]]
"""(task, program so far, completions, policy, verifier) → scores."""


async def score(scorer: str, task: Task, program: str, attempts: Sequence[Attempt], policy: Writer, verifier: Judge) -> tuple[float, ...]:
    """The scores of the scorer of this name (or import path). Raises `InputError` if they are none or not in [0, 1]."""
    function: Scorer = plugins.find("scorer", scorer)
    scores = await function(task, program, attempts, policy, verifier)
    if not scores or not all(0 <= value <= 1 for value in scores):
        raise InputError(f"The scorer {scorer!r} returned {scores!r}. It must return a tuple of numbers from 0 to 1, at least one.")
    return scores


async def score_whole(scorer: str, task: Task, attempt: Attempt, policy: Writer, verifier: Judge) -> float:
    """One number for an attempt's program: the product of its scores; 0 without a program."""
    program = attempt.artefacts.get("code", "")
    return math.prod(await score(scorer, task, program, [attempt], policy, verifier)) if program else 0.0
