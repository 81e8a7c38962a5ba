"""What exporters share: attempts with their labels, conversations as plain data, the way back to the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from burnish.core.records import Attempt, Message, Task, Verdict
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore


class Judged(NamedTuple):
    """An attempt, its task, and the verdict on it over all checks (`unknown` if it was never judged, as prose on the way is not)."""

    task: Task
    attempt: Attempt
    label: Verdict

    @property
    def prompt(self) -> list[dict[str, str]]:
        """The conversation that was answered: what the policy was shown."""
        return chat(self.attempt.messages)

    @property
    def reply(self) -> dict[str, str]:
        """The answer, as the last turn of that conversation."""
        return {"role": "assistant", "content": self.attempt.text}

    @property
    def origin(self) -> dict[str, str]:
        """The way back: ids, who wrote it, who judged it."""
        attempt, judge = self.attempt, self.label.provenance
        return {
            "task_id": self.task.id,
            "group_id": self.task.group_id,
            "attempt_id": attempt.id,
            "policy": attempt.policy,
            "policy_version": attempt.policy_version,
            "verifier": f"{judge.verifier} {judge.version}".strip(),
        }


def attempts(store: RunStore) -> Iterator[Judged]:
    """Every attempt, in the order of adding."""
    tasks, labels = {task.id: task for task in store.tasks()}, store.labels()
    return (Judged(tasks[attempt.task_id], attempt, labels[attempt.id]) for attempt in store.attempts() if attempt.id in labels)


def answers(store: RunStore) -> Iterator[Judged]:
    """Those that were meant as an answer; prose on the way is left out."""
    return (judged for judged in attempts(store) if judged.attempt.is_answer)


def chat(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Messages as every trainer reads them: `role` and `content`."""
    return [{"role": message.role, "content": message.content} for message in messages]


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows as JSON lines, whole or not at all; how many."""
    lines = [msgspec.json.encode(row) + b"\n" for row in rows]
    write_atomic(path, lines)
    return len(lines)
