"""The sampling half of ReST-GRPO (arXiv 2508.19576): several answers, then new endings for beginnings of the best one.

Only prompts whose answers differ in reward are worth training on, and beginnings of a good answer are easier prompts of the
same task. As a search it stops after the first draws unless they differ and the best is good.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from functools import partial
from statistics import pstdev

from burnish.core.budget import Meter
from burnish.core.errors import BudgetExceeded
from burnish.core.records import Attempt, Task
from burnish.signals.prompts import ask
from burnish.strategies._candidates import draw, judged, within_budget
from burnish.strategies._prefixes import code_lines, cut, draw_lengths
from burnish.strategies.base import Judge, Writer
from burnish.strategies.selectors.base import Candidate, choose


async def rest(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    n: int = 5,
    deviation: float = 0.05,
    least: float = 0.9,
    share: float = 0.5,
    decay: float = 0.95,
) -> Attempt:
    """Draw `n`; if their visible pass rates deviate and the best reaches `least`, continue prefixes of it. First pass wins."""
    candidates = await judged(await draw(task, policy, n), verifier)
    best = max(candidates, key=pass_rate)
    lines = len(code_lines(best.attempt))
    if is_kept([pass_rate(candidate) for candidate in candidates], deviation) and pass_rate(best) >= least and lines:
        prefixes = [cut(best.attempt, length, policy.decode) for length in draw_lengths(lines, rng, share=share, decay=decay)]
        write = partial(policy.write, ask(task), op="continue", parent=best.attempt)
        with contextlib.suppress(BudgetExceeded):
            candidates += await judged(await within_budget(partial(write, prefix=prefix) for prefix in prefixes), verifier)
    return choose("first_pass", candidates, rng).attempt


def is_kept(rewards: Sequence[float], deviation: float = 0.05) -> bool:
    """True if the rewards' population standard deviation reaches σ0: the prompt teaches something."""
    return pstdev(rewards) >= deviation


def pass_rate(candidate: Candidate) -> float:
    """The share of the visible checks that it passes; 0 where that is not known."""
    return (candidate.verdict.score or 0.0) if candidate.verdict else 0.0
