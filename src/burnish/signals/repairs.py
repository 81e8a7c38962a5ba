"""A wrong program as a task of its own: to be repaired, told what failed and, if wished, what somebody thinks is wrong with it.

It has the checks of the task that the program was written for. So repairing can be practised and measured like any other task,
from the same wrong programs whoever repairs.
"""

from __future__ import annotations

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Message, Task
from burnish.signals.prompts import shown_back

TOLD = "{}\n\nWhat is wrong with it: {}"


def repair_task(task: Task, name: str, code: str, failure: str, **told: str) -> Task:
    """The task `name` of repairing `code`, an answer to `task` with that `failure` (a feedback text).

    `told` are texts about the program under names of your own, for `ask_repair`. Nothing hidden is in any of them.
    """
    context = {**task.context, "wrong": code, "failure": failure, **told}
    return msgspec.structs.replace(task, id=name, context=context, meta={**task.meta, "repair_of": task.id})


def ask_repair(task: Task, *, explain: bool = False, told: str = "") -> tuple[Message, ...]:
    """LeDex's format (c) with `explain`, (b) without; `told` names the text of the task's context that is said beside the failure.

    Raises `InputError` for a task that is not made by `repair_task`, or has no such text.
    """
    for name in ("wrong", "failure", *([told] if told else [])):
        if not isinstance(task.context.get(name), str):
            raise InputError(
                f"Task {task.id!r} has no text {name!r} in its context. Make tasks of repair with signals.repairs.repair_task."
            )
    failure = task.context["failure"]
    words = TOLD.format(failure, task.context[told].strip()) if told else failure
    return shown_back(task, task.context["wrong"], words, explain=explain)
