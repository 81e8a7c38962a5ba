"""Hard focus: ever smaller sets of the tasks that the present policy passes least, with many rollouts each (DRIVE).

Each phase chooses among the tasks of the one before, so the sets are nested. Many rollouts are what a hard task needs: at a
pass rate of 2 %, a group of 8 shows both outcomes 15 % of the time, a group of 64 73 %. Source: arXiv 2511.06307.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.training.curricula.history import History, measured


class Phase(Record):
    """How many tasks to keep, for how many steps, and how many completions to draw of each."""

    keep: int
    steps: int
    group_size: int


DRIVE = (Phase(keep=72, steps=64, group_size=64), Phase(keep=50, steps=32, group_size=64), Phase(keep=25, steps=32, group_size=64))
"""The published phases, from a pool of 175 tasks."""


def hard_focus(pool: Sequence[str], history: History, *, keep: int) -> tuple[str, ...]:
    """The `keep` tasks of the pool with the lowest pass rate, in the pool's order; of equals the earlier ones.

    Measure with the present policy, then give the result as the pool of the next phase. Raises `InputError` if `keep` is not
    positive or a task was never measured.
    """
    if keep < 1:
        raise InputError(f"keep = {keep}: a phase must keep at least 1 task.")
    rates = measured(pool, history)
    hardest = set(sorted(pool, key=lambda task_id: rates[task_id])[:keep])
    return tuple(task_id for task_id in pool if task_id in hardest)


def mixed_probability(rate: float, group_size: int) -> float:
    """Chance that a group shows both outcomes, so that it has a learning signal: 1 - p^G - (1 - p)^G."""
    return 1.0 - rate**group_size - (1.0 - rate) ** group_size
