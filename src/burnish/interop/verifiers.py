"""verifiers: a taskset (v1) whose tasks are judged by Burnish; `burnish export … --to verifiers` writes a package of it.

A failure of the judge raises, which verifiers records as the trace's error and leaves unscored. Needs `pip install verifiers`,
in an environment of its own where it pins other versions than Burnish's extras.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from burnish.core.errors import SandboxError, Unavailable
from burnish.core.records import Task
from burnish.interop.judge import ajudge, asked, task_of, task_text
from burnish.signals.prompts import block
from burnish.signals.valuing import reward_named, value_of
from burnish.tasks import load

try:
    import verifiers.v1 as vf
except ImportError as error:
    raise Unavailable(f"The taskset needs verifiers from 0.4 on ({error}): pip install verifiers") from error


class BurnishData(vf.TaskData):
    """One task on the wire. `task` is for the judge alone; saved traces hold it with its hidden checks."""

    task: str
    reference: str | None = None


class BurnishTaskConfig(vf.TaskConfig):
    """`--env.taskset.task.reward`: one of `burnish.signals.rewards`, or an import path."""

    reward: str = "shaped"


class BurnishTask(vf.Task[BurnishData, vf.State, BurnishTaskConfig]):
    """A task with its reward. The program in the last reply is judged in Burnish's own jail, so it needs no runtime."""

    @vf.reward
    async def judged(self, trace: Any) -> float:
        """The reward of the last reply. Raises `SandboxError` where nothing was decided."""
        value = await self._value(trace.last_reply)
        if value is None:
            raise SandboxError(f"Nothing could be decided about a reply to task {self.data.id!r}. See `burnish doctor`.")
        return value

    async def validate(self, runtime: Any) -> bool | None:
        """True if the task's own reference passes all checks; None if it has none."""
        if self.data.reference is None:
            return None
        verdict = await ajudge(task_of(self.data.task), self.data.reference)
        return verdict.passed

    async def _value(self, reply: str) -> float | None:
        task = task_of(self.data.task)
        return value_of(reward_named(self.config.reward), await ajudge(task, reply), task.id)


class BurnishTasksetConfig(vf.TasksetConfig):
    """`--env.taskset.tasks`: a task set or a JSONL file, where the taskset names none itself."""

    task: BurnishTaskConfig = BurnishTaskConfig()
    tasks: str = "first-functions:train"


class BurnishTaskset(vf.Taskset[BurnishTask, BurnishTasksetConfig]):
    """The tasks of a set. A subclass may name its own in `source`."""

    source: str = ""

    def load(self) -> Iterable[BurnishTask]:
        """Every task, asked as Burnish asks it."""
        return (BurnishTask(data_of(task), self.config.task) for task in load(self.source or self.config.tasks))


def data_of(task: Task) -> BurnishData:
    """A task as verifiers keeps it: the prompt made of what is visible, the rest for the judge."""
    reference = block(task, task.refs[0]) if task.refs else None
    return BurnishData(id=task.id, name=task.id, prompt=asked(task), task=task_text(task), reference=reference)
