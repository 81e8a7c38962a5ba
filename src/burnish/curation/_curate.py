"""From several stored runs to examples by a curation, apart from what gives evaluation tasks away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish.core import plugins
from burnish.core.records import Example, Message, Task
from burnish.curation._decontamination import WORDS, LeftOut, overlaps, right_programs
from burnish.store.runs import RunStore

Programs = Mapping[str, tuple[Task, str]]
"""Task id → the task and a program that solves it, or an empty text."""


def curated(kind: str, runs: Sequence[Path], options: Mapping[str, Any]) -> tuple[list[Example], Programs]:
    """The different examples of all runs by the curation `kind`; and each task with a program that solves it.

    Raises `UnknownName` or `InputError` for a curation or an option that does not exist.
    """
    builder = plugins.find("curation", kind)
    plugins.check_options(builder, options, f"curation {kind!r}")
    distinct: dict[tuple[Message, ...], Example] = {}
    programs: dict[str, tuple[Task, str]] = {}
    for run in runs:
        with RunStore.open(run) as store:
            for example in builder(store, **options):
                distinct.setdefault(example.messages, example)
            programs |= right_programs(store)
    return [*distinct.values()], programs


def apart(
    examples: Sequence[Example], programs: Programs, evaluation: Sequence[Task], *, words: int = WORDS
) -> tuple[list[Example], list[LeftOut]]:
    """The examples of tasks that give no evaluation task away, and the others with the reason."""
    taught = {example.task_id: programs[example.task_id] for example in examples}
    known = asyncio.run(overlaps(taught, evaluation, words=words)) if evaluation else {}
    kept = [example for example in examples if example.task_id not in known]
    return kept, [LeftOut(example=example, overlap=known[example.task_id]) for example in examples if example.task_id in known]
