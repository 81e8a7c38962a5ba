"""Verified repairs of a collected run, told in full for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from burnish.core.records import Example
from burnish.store.runs import RunStore
from burnish.viewer.blocks import Story
from burnish.viewer.stories import story

STORIES = 4
"""Repairs that are told."""


def told_repairs(collected: Path, examples: Sequence[Example], kind: str = "ledex-c") -> Iterator[Story]:
    """Repairs of different tasks of which an example of that kind was made, each with all examples that were made from it."""
    told: set[str] = set()
    with RunStore.open(collected) as store:
        tasks = {task.id: task for task in store.tasks()}
        visible, hidden = store.verdicts("visible"), store.verdicts("hidden")
        for example in examples:
            if example.kind != kind or example.task_id in told or len(told) == STORIES:
                continue
            told.add(example.task_id)
            attempts = [attempt for name in example.attempts if (attempt := store.attempt(name))]
            lessons = [other for other in examples if other.attempts == example.attempts]
            yield story(tasks[example.task_id], attempts, visible, hidden, heading=f"A repair: {example.task_id}", examples=lessons)
