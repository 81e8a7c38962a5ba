"""What was passed so far, per task: the one thing that every curriculum reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from burnish.core.errors import InputError
from burnish.core.records import Record


class Tried(Record):
    """Decided attempts at one task."""

    passed: int = 0
    tried: int = 0

    @property
    def rate(self) -> float:
        """Share of decided attempts that passed. Raises `InputError` if there are none."""
        if not self.tried:
            raise InputError("A task without a decided attempt has no pass rate. Measure it first.")
        return self.passed / self.tried


History = Mapping[str, Tried]
"""Task id → what was tried. Serialisable, so that a resumed run has the same curriculum."""


def counted(history: History, outcomes: Iterable[tuple[str, bool | None]]) -> dict[str, Tried]:
    """`history` with more outcomes, each a task id and whether it passed. Undecided ones (None) count neither way."""
    after = dict(history)
    for task_id, passed in outcomes:
        if passed is not None:
            before = after.get(task_id, Tried())
            after[task_id] = Tried(passed=before.passed + passed, tried=before.tried + 1)
    return after


def measured(pool: Sequence[str], history: History) -> dict[str, float]:
    """Pass rate of every task of the pool. Raises `InputError` if some were never decided."""
    missing = [task_id for task_id in pool if not history.get(task_id, Tried()).tried]
    if missing:
        raise InputError(
            f"{len(missing)} tasks have no pass rate, the first is {missing[0]!r}. Sample each task of the pool before choosing."
        )
    return {task_id: history[task_id].rate for task_id in pool}


def stage_at(steps: Sequence[int], step: int) -> tuple[int, int]:
    """Number of the stage that `step` falls in and the step within it, for stages of these many steps; the last one never ends.

    Raises `InputError` if there is no stage, or if one is empty.
    """
    if not steps or min(steps) < 1:
        raise InputError(f"The stages have {list(steps)} steps. Give at least one stage, and at least one step to each.")
    for number, length in enumerate(steps[:-1]):
        if step < length:
            return number, step
        step -= length
    return len(steps) - 1, step
