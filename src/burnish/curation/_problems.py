"""The wrong programs of a collected run as tasks of repair, with what their verified repairs look like: LeDex's RL on fresh repairs."""

from __future__ import annotations

from typing import NamedTuple

from burnish.core.records import Task
from burnish.curation._select import explanation_of
from burnish.curation.ledex_rewards import by_wrong
from burnish.signals.feedback import feedback
from burnish.signals.ledex import References
from burnish.signals.prompts import wrong_code
from burnish.signals.repairs import repair_task
from burnish.store.labels import verified
from burnish.store.runs import RunStore


class Problem(NamedTuple):
    """A wrong program to be repaired, and its verified repairs R_c^w with their explanations E_c^w."""

    task: Task
    references: References


def repair_problems(store: RunStore, *, unrepaired: str = "drop") -> list[Problem]:
    """One for each distinct wrong program that was repaired; with `unrepaired` = `gold` also of others, by the task's reference."""
    labels, visible = store.labels(), store.verdicts("visible")
    found: list[Problem] = []
    for task in store.tasks():
        for repairs in by_wrong(list(store.attempts(task_id=task.id)), labels, visible):
            wrong = repairs[0].wrong
            right = [repair.attempt for repair in repairs if verified(repair.attempt, repair.label)]
            programs = tuple(dict.fromkeys(one.artefacts["code"] for one in right))
            if not programs and unrepaired == "gold":
                programs = task.refs[:1]
            if programs:
                explanations = tuple(filter(None, dict.fromkeys(map(explanation_of, right))))
                references = References(programs=programs, explanations=explanations)
                found.append(Problem(repair_task(task, wrong.id, wrong_code(wrong), feedback(visible[wrong.id])), references))
    return found
