"""Task sets, found by name: one module per set, whose function of the same name returns the tasks.

Idea: `load("first-functions:test")` finds the set as every plug-in is found and keeps the tasks of one split. Tasks that
belong to a split say so in `meta["split"]`. A JSONL file of tasks, ours or rows in HumanEval's format, works the same way.
"""

from __future__ import annotations

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Task
from burnish.store.jsonl import check_tasks, read_json_lines, to_record
from burnish.tasks.humaneval import from_row

__all__ = ["load"]


def load(name: str) -> list[Task]:
    """The tasks of a set, `first-functions`, of one split, `first-functions:test`, of a file, or of a user's `package.module:function`.

    A split of a user's set is `package.module:function:split`. Raises `UnknownName` if there is no such set, `InputError`
    with the splits that exist if there is no such split, and whatever the set raises (`Unavailable` if its source is missing).
    """
    if name.endswith((".jsonl", ".json")):
        return _from_file(name)
    source, split = _parts(name)
    tasks: list[Task] = plugins.find("task set", source)()
    if split is None:
        return tasks
    splits = sorted({task.meta["split"] for task in tasks if "split" in task.meta})
    if split not in splits:
        offer = f"Write one of {', '.join(f'{source}:{known}' for known in splits)}." if splits else f"It has none: write {source!r}."
        raise InputError(f"The task set {source!r} has no split {split!r}. {offer}")
    return [task for task in tasks if task.meta.get("split") == split]


def _from_file(path: str) -> list[Task]:
    rows = list(read_json_lines(path))
    tasks = [from_row(row, f"{path}:{line}") if "task_id" in row else to_record(row, Task, f"{path}:{line}") for line, row in rows]
    check_tasks(tasks, path)
    return tasks


def _parts(name: str) -> tuple[str, str | None]:
    """Set and split. The first part of an import path is a module, which no task set's name is."""
    parts = name.split(":")
    own = parts[0].replace("-", "_") in plugins.names("task set")
    used = 1 if own else 2
    if len(parts) > used + 1:
        raise InputError(f"Cannot read the task set name {name!r}: write 'set', 'set:split' or 'package.module:function:split'.")
    return ":".join(parts[:used]), parts[used] if len(parts) > used else None
