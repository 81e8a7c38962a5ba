"""Two evaluations of the same tasks, side by side: the gain per task, with an interval over tasks.

Pairing removes the differences between easy and hard tasks, which are larger than most gains. Tasks that only one side
could measure are left out and counted.
"""

from __future__ import annotations

from typing import Literal

from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.evaluation.metrics import Interval, bootstrap_interval, paired_interval
from burnish.evaluation.report import Evaluation, TaskResult

Which = Literal["first", "answers"]
"""What is compared: first answers, before any refinement, or the answers handed in."""


class Comparison(Record):
    """Mean pass@1 over the common `tasks` before and after, and the mean gain per task, each with its interval over tasks."""

    tasks: int
    left_out: int
    before: Interval
    after: Interval
    gain: Interval
    improved: int
    worsened: int

    @property
    def text(self) -> str:
        """The comparison in one line."""
        return (
            f"{self.before.value:.3f} → {self.after.value:.3f}, gain {self.gain.value:+.3f} "
            f"(95% interval {self.gain.low:+.3f} … {self.gain.high:+.3f} over {self.tasks} tasks)"
        )


def compare(before: Evaluation, after: Evaluation, *, which: Which = "answers", seed: int = 0) -> Comparison:
    """Compare pass@1 task by task. Raises `InputError` if no task was measured on both sides."""
    earlier, later = _rates(before, which), _rates(after, which)
    common = [task_id for task_id in earlier if task_id in later]
    if not common:
        raise InputError("No task was measured in both runs, so they cannot be compared. Evaluate both on the same tasks.")
    pairs = [(earlier[task_id], later[task_id]) for task_id in common]
    old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Comparison(
        tasks=len(common),
        left_out=len({row.task_id for row in before.per_task + after.per_task}) - len(common),
        before=bootstrap_interval(old, seed=seed),
        after=bootstrap_interval(new, seed=seed),
        gain=paired_interval(old, new, seed=seed),
        improved=sum(b > a for a, b in pairs),
        worsened=sum(b < a for a, b in pairs),
    )


def _rates(evaluation: Evaluation, which: Which) -> dict[str, float]:
    rates = {row.task_id: _rate(row, which) for row in evaluation.per_task}
    return {task_id: rate for task_id, rate in rates.items() if rate is not None}


def _rate(row: TaskResult, which: Which) -> float | None:
    scored, passed = (row.first_scored, row.first_passed) if which == "first" else (row.scored, row.passed)
    return passed / scored if scored else None
