"""The page of one run, and the page of two runs of the same tasks, before and after.

All figures come from `evaluation`; these modules only word them. A run that is still being written, or that has no finished
sample yet, gets a page that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Task
from burnish.evaluation import Evaluation, compare, evaluate
from burnish.store.runs import RunStore
from burnish.viewer.blocks import Block, Notice, Story, TaskEntry, TaskList, Turn
from burnish.viewer.figures import (
    attempt_verdicts,
    comparison_table,
    cost_table,
    overview,
    refinement_table,
    rounds_chart,
    task_changes,
    training_curves,
)
from burnish.viewer.material import FILTER_NOTE, FILTERS, Material, describe, summary_of
from burnish.viewer.page import render_page

CHANGES = ("better", "worse", "same", "one side only")
"""What tasks of two runs can be filtered by beside `FILTERS`, which hold for the later run."""

CHANGE_NOTE = "Better, worse, same: the share of answers that pass all checks, before and after. All else is said of the run after."


def run_page(store: RunStore, *, tokenizer: str = "") -> str:
    """The page of the run in `store`, as a string of HTML. `tokenizer`: see `Material`."""
    material = Material(store, tokenizer=tokenizer)
    entries = tuple(
        TaskEntry(id=task.id, summary=summary_of(task), story=material.story(task), tags=material.tags(task), facts=material.facts(task))
        for task in material.tasks.values()
    )
    blocks = [*_notices(material), *_overview(store), _task_list(entries, FILTERS, FILTER_NOTE)]
    return render_page(store.folder.resolve().name, describe(store.manifest), blocks)


def comparison_page(before: RunStore, after: RunStore, *, tokenizer: str = "") -> str:
    """The page of two runs of the same tasks. Raises `InputError` if no task was measured in both."""
    earlier, later = evaluate(before), evaluate(after)
    measures = {"pass@1, first answer": compare(earlier, later, which="first"), "pass@1, handed in": compare(earlier, later)}
    old, new = Material(before, tokenizer=tokenizer), Material(after, tokenizer=tokenizer)
    entries = tuple(_pair(task, old, new) for task in (old.tasks | new.tasks).values())
    blocks: list[Block] = [
        *_notices(old, new),
        comparison_table(measures),
        task_changes(earlier, later),
        cost_table({"before": earlier, "after": later}),
        _task_list(entries, (*CHANGES, *FILTERS), f"{CHANGE_NOTE} {FILTER_NOTE}"),
    ]
    names = [store.folder.resolve().name for store in (before, after)]
    return render_page(" → ".join(names), "; ".join(filter(None, (describe(before.manifest), describe(after.manifest)))), blocks)


def _task_list(entries: tuple[TaskEntry, ...], filters: tuple[str, ...], note: str) -> TaskList:
    used = tuple(name for name in filters if any(name in entry.tags for entry in entries))
    return TaskList(heading="Tasks", entries=entries, filters=used, note=note)


def _notices(*materials: Material) -> Iterator[Notice]:
    return (Notice(text=text) for text in dict.fromkeys(material.without_texts for material in materials if material.without_texts))


def _overview(store: RunStore) -> list[Block]:
    curves = training_curves({name: store.metrics(name) for name in store.metric_series()})
    samples = Counter(episode.task_id for episode in store.episodes() if episode.status != "error")
    most = max(samples.values(), default=1)
    try:
        evaluation = evaluate(store, ks=(1, most) if most > 1 else (1,))
    except InputError as nothing_to_measure:
        return list(curves) or [Notice(text=str(nothing_to_measure))]
    if curves:  # pass@k over all steps of a training run would mix as many policies
        return [*curves, attempt_verdicts(evaluation)]
    return [
        *_unfinished(evaluation),
        overview(evaluation),
        rounds_chart(evaluation),
        refinement_table(evaluation),
        attempt_verdicts(evaluation),
    ]


def _unfinished(evaluation: Evaluation) -> Iterator[Notice]:
    if evaluation.unfinished:
        count = evaluation.unfinished
        yield Notice(text=f"Samples that are unfinished or were ended by an error: {count}. They are in no figure below; resume the run.")


def _pair(task: Task, old: Material, new: Material) -> TaskEntry:
    before, after = old.rate(task), new.rate(task)
    counts = [f"{name} {side.passing(task)} of {len(side.answers(task))}" for name, side in (("before", old), ("after", new))]
    tags, stories = (_change(before, after), *new.tags(task)), (old.story(task), new.story(task))
    note = " ".join(filter(None, (told.note for told in stories)))
    turns = (*_grouped("before", stories[0]), *_grouped("after", stories[1]))
    told = Story(heading=task.id, problem=stories[1].problem, turns=turns, note=note)
    facts = ("answers that pass: " + ", ".join(counts),)
    return TaskEntry(id=task.id, summary=summary_of(task), story=told, tags=tags, facts=facts)


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "one side only"
    return "better" if after > before else "worse" if after < before else "same"


def _grouped(name: str, story: Story) -> Iterator[Turn]:
    return (msgspec.structs.replace(turn, group=name, facts=(name, *turn.facts)) for turn in story.turns)
