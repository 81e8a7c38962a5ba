"""The page of one run: what it reached and what it cost, then every task with the forest of its attempts.

All figures come from `evaluation.evaluate`; this module only words them. A run that is still being written, or that has no
finished sample yet, gets a page that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Episode, Task
from burnish.evaluation import evaluate
from burnish.evaluation.samples import Evidence
from burnish.store.runs import RunStore
from burnish.viewer.blocks import Block, Notice, TaskEntry, TaskList
from burnish.viewer.figures import attempt_verdicts, overview, refinement_table, rounds_chart
from burnish.viewer.page import render_page
from burnish.viewer.stories import story

FILTERS = ("solved", "repaired", "unsolved", "visible only", "errors", "not tried")
"""What tasks can be filtered by, in the order shown. One task may have several."""

FILTER_NOTE = (
    "Solved: an answer handed in passes all checks, hidden ones included. Repaired: an attempt passes all checks and the one it repairs "
    "does not. Visible only: an answer handed in passes the visible checks and fails hidden ones."
)
SUMMARY_LENGTH = 160
"""Longest beginning of a task's prompt in the list, in characters."""


def run_page(store: RunStore) -> str:
    """The page of the run in `store`, as a string of HTML."""
    tasks, episodes = store.tasks(), store.episodes()
    attempts: dict[str, list[Attempt]] = {}
    for attempt in store.attempts():
        attempts.setdefault(attempt.task_id, []).append(attempt)
    entries = tuple(_entries(tasks, attempts, episodes, Evidence(store)))
    filters = tuple(name for name in FILTERS if any(name in entry.tags for entry in entries))
    task_list = TaskList(heading="Tasks", entries=entries, filters=filters, note=FILTER_NOTE)
    return render_page(store.folder.resolve().name, _subtitle(store.manifest), [*_overview(store, episodes), task_list])


def _subtitle(manifest: Mapping[str, Any]) -> str:
    config = manifest.get("config")
    parts = [
        manifest.get("kind"),
        config.get("strategy") if isinstance(config, dict) else None,
        manifest.get("tasks"),
        manifest.get("model"),
    ]
    return " · ".join(part for part in parts if isinstance(part, str) and part)


def _overview(store: RunStore, episodes: Iterable[Episode]) -> list[Block]:
    samples = Counter(episode.task_id for episode in episodes if episode.status != "error")
    most = max(samples.values(), default=1)
    try:
        evaluation = evaluate(store, ks=(1, most) if most > 1 else (1,))
    except InputError as nothing_to_measure:
        return [Notice(text=str(nothing_to_measure))]
    unfinished = (
        f"Samples that are unfinished or were ended by an error: {evaluation.unfinished}. They are in no figure below; resume the run."
    )
    notices = [Notice(text=unfinished)] if evaluation.unfinished else []
    return [*notices, overview(evaluation), rounds_chart(evaluation), refinement_table(evaluation), attempt_verdicts(evaluation)]


def _entries(
    tasks: Iterable[Task], attempts: Mapping[str, list[Attempt]], episodes: Iterable[Episode], evidence: Evidence
) -> Iterator[TaskEntry]:
    of_task: dict[str, list[Episode]] = {}
    for episode in episodes:
        of_task.setdefault(episode.task_id, []).append(episode)
    for task in tasks:
        own, runs = attempts.get(task.id, []), of_task.get(task.id, [])
        handed_in = {episode.answer for episode in runs if episode.answer and episode.status != "error"}
        answers = handed_in | {attempt.id for attempt in own if not attempt.episode_id}
        faults = " ".join(dict.fromkeys(episode.detail for episode in runs if episode.status == "error" and episode.detail))
        tokens = sum(attempt.cost.tokens_out for attempt in own)
        passing = sum(evidence.label(answer) is True for answer in answers)
        yield TaskEntry(
            id=task.id,
            summary=" ".join(task.prompt.split())[:SUMMARY_LENGTH],
            story=story(task, own, evidence.visible, evidence.hidden, answers=answers, note=faults),
            tags=_tags(own, runs, answers, evidence),
            facts=(f"{passing} of {len(answers)} answers pass", f"{len(own)} attempts", f"{tokens:,} tokens"),
        )


def _tags(attempts: list[Attempt], episodes: list[Episode], answers: set[str], evidence: Evidence) -> tuple[str, ...]:
    solved = any(evidence.label(answer) for answer in answers)
    repaired = any(evidence.label(a.id) and a.parent_id and evidence.label(a.parent_id) is False for a in attempts)
    misled = any(evidence.passes_visible(answer) and evidence.label(answer) is False for answer in answers)
    labels = [evidence.labels[attempt.id] for attempt in attempts if attempt.id in evidence.labels]
    faulty = any(episode.status == "error" for episode in episodes) or any(label.status == "error" for label in labels)
    holds = (solved, repaired, not solved and bool(attempts), misled, faulty, not attempts)
    return tuple(name for name, is_so in zip(FILTERS, holds, strict=True) if is_so)
