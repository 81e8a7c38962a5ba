"""Easy tasks first: by falling pass rate, without those that were never passed (FARE's order within a batch)."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.training.curricula.history import History, measured


def easy_first(pool: Sequence[str], history: History) -> tuple[str, ...]:
    """The tasks that were passed at least once, easiest first; equals stay in order. Raises `InputError` if one was never measured."""
    rates = measured(pool, history)
    return tuple(sorted((task_id for task_id in pool if rates[task_id] > 0), key=lambda task_id: -rates[task_id]))
