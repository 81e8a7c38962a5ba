"""Leave out what teaches nothing more: tasks that the policy always passes, or passes too often (AceReason-Nemotron).

Tasks that were not tried yet stay. Source: arXiv 2505.16400 and 2506.13284.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.training.curricula.history import History, Tried

EASY = 6 / 16
"""Tasks passed more often than this are left out of the published long-context stages."""


def without_solved(pool: Sequence[str], history: History) -> tuple[str, ...]:
    """The tasks that were not passed at every try. Give the history of the last epoch only. Empty when all are solved: stop."""
    return tuple(task_id for task_id in pool if not _tried(task_id, history) or history[task_id].rate < 1.0)


def without_easy(pool: Sequence[str], history: History, *, highest: float = EASY) -> tuple[str, ...]:
    """The tasks with a pass rate of at most `highest`."""
    return tuple(task_id for task_id in pool if not _tried(task_id, history) or history[task_id].rate <= highest)


def _tried(task_id: str, history: History) -> bool:
    return history.get(task_id, Tried()).tried > 0
